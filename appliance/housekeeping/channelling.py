"""SERVICE: asks the update channel once a day, if an admin has set one, and brings what it offers as far as the settings say.

Nothing is asked without an address in the settings, and nothing fetched or installed beyond what an admin has chosen there or
ordered. What is fetched is looked at by the update service like any other bundle.
"""

import hashlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from appliance.domain.channel import LARGEST_FILE, choose, is_still_for, parse_channel, place_of
from appliance.domain.clock import Clock
from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.errors import FetchError, InputError, SecurityError
from appliance.domain.health import Severity
from appliance.domain.update import INSTALL_JOB, JOBS, BundleState, CheckChannel, Order, Source, Updater
from appliance.housekeeping.every import Every
from appliance.housekeeping.fetching import Fetcher
from appliance.housekeeping.releasing import Releasing
from appliance.housekeeping.updateports import RecordsOfRoot
from appliance.security.channelkey import check_signature
from appliance.settings.schema import ChannelAction, Settings
from appliance.settings.schema import Updates as UpdateSettings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.channelstate import ChannelState, ChannelStore
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

WAIT_S = 1.0
LEAST, SPREAD = timedelta(hours=22), timedelta(hours=4)
"""Between two questions; each appliance has its own place in the spread, so that they do not all come at once."""
AGAIN = timedelta(hours=1)
"""After a question that came to nothing."""
READ_EVERY_S = 30.0
"""How often root's notes are read again."""
LARGEST_SIGNATURE = 1024
ADDRESS = "update channel"
_OFFERED = "update.offered"


class ChannelService:
    """Asks, tells, fetches."""

    def __init__(
        self,
        *,
        settings: Published[Settings],
        states: ChannelStore,
        bundles: BundleStore,
        jobs: JobStore,
        audit: AuditStore,
        commands: Mailbox[CheckChannel],
        updater: Published[Updater],
        records: RecordsOfRoot,
        power: Mailbox[PowerCommand],
        version: str,
        device_id: str,
        fetcher: Fetcher,
        releasing: Releasing,
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        version : str
            Of the release that runs.
        """
        self._settings, self._states, self._bundles, self._jobs, self._audit = settings, states, bundles, jobs, audit
        self._commands, self._updater, self._records, self._power = commands, updater, records, power
        self._version, self._device_id, self._fetcher, self._releasing = version, device_id, fetcher, releasing
        self._board, self._clock, self._beat = board, clock, beat
        self._tried: tuple[str, int] | None = None
        """Which release was fetched by itself, and on which day: once a day, however that ends."""
        self._has_restarted = False
        self._read_again, self._bad = Every(READ_EVERY_S), frozenset[str]()

    def open(self) -> None:
        """Let a download wait again that a crash left as running."""
        self._releasing.open()

    def step(self) -> None:
        """Do one piece of work, then wait about a second for a command."""
        self._beat()
        asked = self._commands.take(0.0 if self._releasing.is_busy else WAIT_S) is not None
        updates = self._settings.value.updates
        if not updates.channel_url:
            self._board.clear_issue(_OFFERED)
            self._releasing.step(None)
            return
        if asked or self._read_again.is_due(self._clock.monotonic()):
            self._bad = frozenset(self._records.read().bad)
        state = self._still(self._states.read(updates.channel_url, updates.channel_key))
        if not self._updater.value.unavailable and (asked or self._is_due(state)):
            state = self._ask(state)
        self._tell(state)
        self._releasing.step(state.offered)
        self._go_on_by_itself(updates, state)

    def close(self) -> None:
        """End what is on its way; it goes on after the next start."""
        self._releasing.close()

    # Asking

    def _is_due(self, state: ChannelState) -> bool:
        if state.checked_at is None:
            return True
        since = self._clock.now() - state.checked_at
        pause = AGAIN if state.error else LEAST + SPREAD * place_of(self._device_id, "channel") / 100
        return since >= pause or since < timedelta()  # the clock was set back

    def _ask(self, state: ChannelState) -> ChannelState:
        """Fetch the list, and remember what of it is for this appliance."""
        now = self._clock.now()
        try:
            data = self._fetcher.small(state.url, LARGEST_FILE)
            self._beat()
            check_signature(state.key, data, self._fetcher.small(f"{state.url}.sig", LARGEST_SIGNATURE))
            channel = parse_channel(data)
        except (FetchError, SecurityError, InputError) as error:
            log.warning("the update channel cannot be used: %s", error)
            return self._states.failed(state, now, str(error).rstrip("."))
        digest = hashlib.sha256(data).hexdigest()
        if channel.serial < state.serial or (channel.serial == state.serial and digest != state.digest):
            log.warning("the update channel went back: serial %d after %d", channel.serial, state.serial)
            return self._states.failed(
                state,
                now,
                f"the list has serial number {channel.serial}, and number {state.serial} was seen before: it is not taken",
            )
        offered = choose(
            channel,
            running=self._version,
            compatible=self._updater.value.compatible,
            device_id=self._device_id,
            bad=self._bad,
        )
        told = ChannelState(state.url, state.key, channel.serial, digest, channel.made_at, now, "", offered)
        self._states.write(told)
        return told

    def _still(self, state: ChannelState) -> ChannelState:
        """Leave out what was offered and has been installed, or has failed, since."""
        if state.offered is None or is_still_for(state.offered, self._version, self._bad):
            return state
        return replace(state, offered=None)

    def _tell(self, state: ChannelState) -> None:
        offered = state.offered
        if offered is None:
            self._board.clear_issue(_OFFERED)
            return
        self._board.raise_issue(
            _OFFERED, Severity.INFO, f"Version {offered.version} of the system is there",
            "See System, Updates: what is new, and how it is installed.",
        )  # fmt: skip

    # What the settings ask for

    def _go_on_by_itself(self, updates: UpdateSettings, state: ChannelState) -> None:
        """At the quiet hour, fetch and install what is offered, as far as an admin has chosen that in the settings."""
        now = self._clock.now().astimezone(ZoneInfo(self._settings.value.site.timezone))
        is_quiet = now.hour == updates.quiet_hour
        if updates.action is ChannelAction.TELL or not is_quiet or not self._updater.value.is_known or self._jobs.has_open(JOBS):
            return
        bundle = self._bundles.bundle()
        is_own = bundle is not None and bundle.announced.source is Source.CHANNEL and not bundle.announced.by
        match bundle.state if bundle is not None else None:
            case None | BundleState.INSTALLED if state.offered is not None and not self._updater.value.is_restart_due:
                self._fetch(state.offered.version, now, state.offered.sha256)
            case BundleState.CHECKED if is_own and bundle is not None and updates.action is ChannelAction.INSTALL:
                order = Order("", bundle.announced.sha256, half=self._updater.value.booted).to_json()
                self._jobs.queue(INSTALL_JOB, order, "It waits for the updater.", unit="percent")
                self._audit.add("", ADDRESS, "update install ordered", "by itself, as the settings say")
            case BundleState.INSTALLED if is_own and updates.action is ChannelAction.INSTALL:
                self._restart()

    def _fetch(self, version: str, now: datetime, sha256: str) -> None:
        today = now.date().toordinal()
        arriving = self._bundles.arriving()
        if self._tried == (version, today) or (arriving is not None and arriving.announced.sha256 != sha256):
            return
        self._tried = (version, today)
        self._releasing.order("", sha256)
        self._audit.add("", ADDRESS, "update download ordered", f"version {version}, by itself, as the settings say")

    def _restart(self) -> None:
        if self._has_restarted or not self._updater.value.is_restart_due:
            return
        self._has_restarted = True
        self._audit.add("", ADDRESS, "restart ordered", "by itself, as the settings say")
        self._power.put(Reboot())
