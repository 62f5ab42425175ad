"""A restart that waits for the end of the night: written down, so that it outlives a restart of the panel."""

import logging
from datetime import datetime, timedelta

from appliance.domain.clock import Clock
from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.dawn import LONGEST, dawn_after
from appliance.domain.errors import InputError
from appliance.domain.sky import sun_altitude_deg
from appliance.domain.update import RestartPlan, Updater
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.supervisor.channels import Mailbox, Published

log = logging.getLogger(__name__)


class DawnRestart:
    """Carries the plan out."""

    def __init__(
        self,
        bundles: BundleStore,
        settings: Published[Settings],
        power: Mailbox[PowerCommand],
        audit: AuditStore,
        clock: Clock,
    ) -> None:
        self._bundles, self._settings, self._power, self._audit, self._clock = bundles, settings, power, audit, clock

    def step(self, updater: Updater) -> None:
        """Restart if the time has come; forget a plan for a start that has happened meanwhile."""
        plan = self._bundles.plan()
        if plan is None or not updater.is_known:
            return
        if not updater.is_restart_due:
            self._bundles.drop_plan()
            log.info("the planned restart is not needed any more: the machine runs from what it starts from next")
            return
        now = self._clock.now()
        if plan.due_at - now > LONGEST + timedelta(minutes=10):  # the clock was set back
            self._again(plan, now)
        elif now >= plan.due_at and not self._is_night(now):
            self._bundles.drop_plan()
            self._audit.add(plan.by, "update", "restart at dawn", f"version {plan.version}")
            self._power.put(Reboot())

    def _again(self, plan: RestartPlan, now: datetime) -> None:
        try:
            site, night = self._settings.value.site, self._settings.value.night
            due_at = dawn_after(now, site.latitude_deg, site.longitude_deg, night.sun_altitude_deg)
        except InputError as error:
            log.warning("the planned restart waits: %s", error)
            return
        self._bundles.keep_plan(RestartPlan(due_at, plan.version, plan.by))

    def _is_night(self, now: datetime) -> bool:
        """Return whether it is still night; False where the place is not known any more."""
        site = self._settings.value.site
        if site.latitude_deg is None or site.longitude_deg is None:
            return False
        return sun_altitude_deg(now, site.latitude_deg, site.longitude_deg) < self._settings.value.night.sun_altitude_deg
