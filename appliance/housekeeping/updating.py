"""SERVICE: looks at bundles that have come, has them written into the other half, and restarts when that was asked for.

Nothing is installed that nobody chose: the panel leaves jobs and a plan, this carries them out. What decides in the end is
RAUC with root's handlers; this service asks it as the panel's user, who may not do more.
"""

import logging
from datetime import timedelta

from appliance.domain.clock import Clock
from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.errors import InputError, MachineError, ServiceError, StoreError
from appliance.domain.health import Severity
from appliance.domain.job import Job, JobState
from appliance.domain.update import (
    INSTALL_JOB,
    OTHER_JOB,
    Bundle,
    BundleState,
    Order,
    Outcome,
    Past,
    Records,
    Refused,
    UpdateCommand,
    Updater,
    order_of,
    why_not,
)
from appliance.housekeeping.every import Every
from appliance.housekeeping.halves import Ended, Installation, OtherHalf, look
from appliance.housekeeping.raucwords import is_busy, plain_words
from appliance.housekeeping.restarting import DawnRestart
from appliance.housekeeping.updateports import Rauc, RecordsOfRoot, Units
from appliance.security.bundlesigner import TAIL_BYTES, signer_of
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

WAIT_S = 1.0
LOOK_EVERY_S = 60.0
ASK_EVERY_S = 900.0
"""How often RAUC is asked where nothing has happened: it starts programs for each answer, too many for a machine at rest."""
LOOK_AGAIN_S = 5.0
"""How soon a bundle is looked at again that the updater had no time for."""
ALONE_S = 24 * 3600.0
"""What nobody has added to for so long is given up."""
TOLD_FOR = timedelta(days=7)
"""How long an update that did not prove itself stays among the issues."""
ADDRESS = "update"
"""Where what this does by itself comes from, in the audit log."""
_FELL_BACK = "update.fell-back"


class UpdateService:
    """Does one thing after the other: the updater can do no more."""

    def __init__(
        self,
        *,
        rauc: Rauc,
        units: Units,
        records: RecordsOfRoot,
        bundles: BundleStore,
        jobs: JobStore,
        audit: AuditStore,
        settings: Published[Settings],
        commands: Mailbox[UpdateCommand],
        updater: Published[Updater],
        power: Mailbox[PowerCommand],
        version: str,
        board: HealthBoard,
        clock: Clock,
        sky_clock: Clock,
        beat: Beat,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        version : str
            Of the release that runs.
        clock : Clock
            The machine's time.
        sky_clock : Clock
            The sky's time, by which a night ends.
        """
        self._rauc, self._units, self._records, self._bundles = rauc, units, records, bundles
        self._jobs, self._audit, self._commands, self._updater = jobs, audit, commands, updater
        self._power, self._version, self._board, self._clock, self._beat = power, version, board, clock, beat
        self._dawn = DawnRestart(bundles, settings, power, audit, sky_clock)
        self._work: tuple[Job, Order, Installation | OtherHalf] | None = None
        self._look, self._ask = Every(LOOK_EVERY_S), Every(ASK_EVERY_S)
        self._seen: Records | None = None
        self._inspect_at_s = float("-inf")
        self._newest: Past | None = None
        """The last line of the history when the work began."""
        self._arriving: tuple[str, int, float] | None = None

    def open(self) -> None:
        """Remove leftovers, and let the jobs wait again that a crash left as running: they go on where the updater is."""
        self._bundles.sweep()
        for kind in (INSTALL_JOB, OTHER_JOB):
            self._jobs.put_back_running(kind)

    def step(self) -> None:
        """Do one piece of work, then wait about a second for a command."""
        self._beat()
        is_unknown = self._work is None and not self._updater.value.unavailable and not self._updater.value.is_known
        if is_unknown:
            self._look_around()
        elif self._look.is_due(self._clock.monotonic()):
            self._look_at_records()
        self._give_up_what_is_alone()
        if self._work is not None:
            self._tend(*self._work)
        elif self._updater.value.unavailable:
            self._fail_what_waits(self._updater.value.unavailable)
        elif not self._begin_next():
            self._look_at_bundle()
        self._dawn.step(self._updater.value)
        is_waiting = self._work is not None and isinstance(self._work[2], Installation)  # for the updater's end, itself
        if self._commands.take(0.0 if is_waiting else WAIT_S) is not None:
            self._inspect_at_s = float("-inf")
            self._look_around()

    def close(self) -> None:
        """Listen no more; what the updater has begun goes on, and is followed after the next start."""
        if self._work is not None and isinstance(self._work[2], Installation):
            self._work[2].close()

    def _look_at_records(self) -> None:
        """Look what root has written down; ask for the halves as well where that is new, or it is time."""
        records, is_due = self._records.read(), self._ask.is_due(self._clock.monotonic())
        if is_due or records != self._seen or not self._updater.value.is_known:
            self._look_around()
        else:
            self._tell_of(records)

    def _look_around(self) -> None:
        """Ask which halves there are, and what root has written down."""
        found = look(self._rauc)
        if found != self._updater.value:
            self._updater.publish(found)
        self._seen = self._records.read()
        self._tell_of(self._seen)

    def _tell_of(self, records: Records) -> None:
        """Raise the issue of an update that did not prove itself, for some days, or until another one has."""
        newest = next((past for past in records.history if past.outcome in (Outcome.GOOD, Outcome.FELL_BACK)), None)
        if newest is None or newest.outcome is Outcome.GOOD or self._clock.now() - newest.at > TOLD_FOR:
            self._board.clear_issue(_FELL_BACK)
            return
        self._board.raise_issue(
            _FELL_BACK, Severity.WARNING,
            f"The update to version {newest.version} did not prove itself: {newest.reason or 'no reason is known'}",
            f"Version {newest.from_version or 'before'} runs again by itself, and nothing is lost. "
            "That release is not offered here any more; a newer one may be installed.",
        )  # fmt: skip

    def _give_up_what_is_alone(self) -> None:
        """Remove a bundle that nobody has added to for a day of running time."""
        now_s, arriving = self._clock.monotonic(), self._bundles.arriving()
        if arriving is None:
            self._arriving = None
            return
        seen = (arriving.announced.sha256, arriving.have)
        if self._arriving is None or self._arriving[:2] != seen:
            self._arriving = (*seen, now_s)
        elif now_s - self._arriving[2] > ALONE_S:
            self._bundles.drop_arriving()
            log.info("an update that stayed incomplete was given up: %d bytes", arriving.have)

    # A bundle that has come

    def _look_at_bundle(self) -> None:
        bundle = self._bundles.bundle()
        if bundle is None or bundle.state is not BundleState.NEW or self._clock.monotonic() < self._inspect_at_s:
            return
        self._inspect_at_s = self._clock.monotonic() + LOOK_AGAIN_S
        try:
            if not self._rauc.writing().is_idle:
                return
            manifest = self._rauc.inspect(self._bundles.path)
        except ServiceError as error:
            if not is_busy(error):
                self._refuse(bundle, "", plain_words(str(error)))
            return
        except MachineError as error:
            log.info("a bundle is not looked at yet: %s", error)
            return
        reason = why_not(manifest, self._updater.value.compatible, self._version, self._records.read().bad)
        if reason:
            self._refuse(bundle, manifest.version, reason)
            return
        try:
            signer = signer_of(self._bundles.tail(TAIL_BYTES))
        except StoreError as error:  # it was given up meanwhile
            log.info("a bundle has gone while it was looked at: %s", error)
            return
        self._bundles.keep_checked(bundle, manifest, signer)
        self._audit.add(
            bundle.announced.by, ADDRESS, "update checked", f"version {manifest.version}, came by {bundle.announced.source}"
        )

    def _refuse(self, bundle: Bundle, version: str, reason: str) -> None:
        source = bundle.announced.source
        self._bundles.refuse(Refused(self._clock.now(), source, version, reason))
        self._audit.add(bundle.announced.by, ADDRESS, "update refused", f"{source}: {reason}")
        log.warning("an update was refused: %s", reason)

    # Jobs

    def _waiting(self) -> list[tuple[Job, Order]]:
        found = []
        for kind in (INSTALL_JOB, OTHER_JOB):
            for job, text in self._jobs.waiting(kind):
                try:
                    found.append((job, order_of(text)))
                except InputError as error:
                    self._jobs.finish(job.id, JobState.FAILED, str(error))
        return found

    def _fail_what_waits(self, reason: str) -> None:
        for job, _ in self._waiting():
            self._jobs.finish(job.id, JobState.FAILED, f"Nothing was done: {reason}.")

    def _begin_next(self) -> bool:
        """Begin with the job that waits longest; return whether there is one."""
        for job, order in self._waiting()[:1]:
            self._newest = next(iter(self._records.read().history), None)
            is_known = self._updater.value.is_known
            if is_known and order.half != self._updater.value.booted:
                self._end_outlived(job, order)
                return True
            if not is_known and job.kind == OTHER_JOB:
                return False
            work = self._work_of(job, order)
            if isinstance(work, str):
                self._jobs.finish(job.id, JobState.FAILED, f"Nothing was installed: {work}.")
                return True
            try:
                ended = work.open()
            except MachineError as error:
                ended = Ended(is_well=False, reason=str(error))
            if ended is None:
                self._work = (job, order, work)
            else:
                self._finish(job, order, work, ended)
            return True
        return False

    def _end_outlived(self, job: Job, order: Order) -> None:
        """End a job that a start from the other half has come before: done again, it would write over what is fallen back to."""
        bundle = self._bundles.bundle()
        is_it = bundle is not None and bundle.announced.sha256 == order.sha256 and bundle.manifest is not None
        if is_it and bundle is not None and bundle.manifest is not None and bundle.manifest.version == self._version:
            self._bundles.keep_installed(bundle)
        words = f"The machine was started from half {self._updater.value.booted} meanwhile. Nothing more was done."
        self._jobs.finish(job.id, JobState.STOPPED, words)

    def _work_of(self, job: Job, order: Order) -> Installation | OtherHalf | str:
        """Return what a job asks for, or why it is not done."""
        if job.kind == OTHER_JOB:
            return OtherHalf(self._rauc, self._units, self._clock)
        bundle = self._bundles.bundle()
        if bundle is None or bundle.state is not BundleState.CHECKED or bundle.announced.sha256 != order.sha256:
            return "the bundle that was chosen is not here any more"
        if bundle.manifest is None:
            return "the bundle was not looked at"
        reason = why_not(bundle.manifest, self._updater.value.compatible, self._version, self._records.read().bad)
        if reason:
            return reason
        path, version, is_follow_only = self._bundles.path, bundle.manifest.version, not self._updater.value.is_known
        return Installation(self._rauc, self._jobs, job.id, path, version, self._clock, is_follow_only=is_follow_only)

    def _tend(self, job: Job, order: Order, work: Installation | OtherHalf) -> None:
        ended = work.step()
        if ended is None and isinstance(work, OtherHalf) and (refusal := self._reason_of_root()):
            ended = Ended(is_well=False, reason=refusal)
        if ended is not None:
            self._work = None
            self._finish(job, order, work, ended)

    def _finish(self, job: Job, order: Order, work: Installation | OtherHalf, ended: Ended) -> None:
        """Write down how it ended; the other half, once chosen, is started at once."""
        self._look_around()
        match work:
            case Installation():
                work.close()
                self._installed(job, order, ended)
            case OtherHalf() if ended.is_well:
                self._jobs.finish(job.id, JobState.DONE, f"The machine starts from {self._updater.value.next} now.")
                self._power.put(Reboot())
            case OtherHalf():
                reason = self._reason_of_root() or ended.reason
                self._jobs.finish(job.id, JobState.FAILED, f"The machine was not restarted: {reason}.")

    def _installed(self, job: Job, order: Order, ended: Ended) -> None:
        bundle = self._bundles.bundle()
        version = bundle.manifest.version if bundle is not None and bundle.manifest is not None else ""
        if ended.is_well:
            if bundle is not None:
                self._bundles.keep_installed(bundle)
            self._jobs.update(job.id, done=100, total=100, eta_s=None, message="")
            self._jobs.finish(job.id, JobState.DONE, f"Version {version} is in the other half. A restart starts it.")
            self._audit.add(order.by, ADDRESS, "update installed", f"version {version}, half {self._updater.value.next}")
            return
        reason = self._reason_of_root() or ended.reason
        self._jobs.finish(job.id, JobState.FAILED, f"Version {version} was not installed: {reason}.")
        self._audit.add(order.by, ADDRESS, "update not installed", f"version {version}: {reason}")
        log.warning("an update was not installed: %s", reason)

    def _reason_of_root(self) -> str:
        """Return why root has refused just now: RAUC tells only that a handler did, and systemd that a unit was started."""
        newest = next(iter(self._records.read().history), None)
        if newest is None or newest == self._newest or newest.outcome is not Outcome.REFUSED:
            return ""
        return newest.reason.rstrip(".")
