"""SERVICE: sees sticks come and go, decides which are filled, and watches the child that does it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, MachineError
from appliance.domain.job import Job, JobState
from appliance.domain.stick import JOB_KIND, ExportKind, ExportRequest, Stick, StickCommand, StickState
from appliance.export import policy, words
from appliance.export.errand import NOT_HERE, Errand
from appliance.export.messages import Task
from appliance.export.names import device_folder
from appliance.export.plugged import Plugged, Sticks
from appliance.export.ports import Changes, Drives, VolumeT
from appliance.export.report import Report
from appliance.export.watched import Child, child_command
from appliance.export.work import Finished, Limits, Work
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.files import DataFolder
from appliance.store.jobs import JobStore
from appliance.store.outgoing import Outgoing
from appliance.store.sticks import StickStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

WAIT_S = 0.7
LIST_EVERY_S = 60.0
"""Signals tell what changes; this is for one that was lost."""
LIST_AGAIN_S = 5.0
"""How often the machine's services are asked again while they are away."""
MIB = 1 << 20


@dataclass
class _Current(Generic[VolumeT]):
    """The stick in work."""

    stick: Plugged[VolumeT]
    work: Work[VolumeT]
    is_look: bool = False
    is_backup: bool = False
    """Whether only a backup is copied: its nights get their turn after it."""


class ExportService(Generic[VolumeT]):
    """Fills sticks one after another; all that touches them is done by the child."""

    def __init__(
        self,
        *,
        drives: Drives[VolumeT],
        sticks: StickStore,
        jobs: JobStore,
        audit: AuditStore,
        settings: Published[Settings],
        commands: Mailbox[StickCommand],
        published: Published[tuple[Stick, ...]],
        data: Path,
        device_name: Callable[[], str],
        device_id: str,
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
        errands: Sequence[Errand],
        child: Child | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        data : Path
            The data folder, which the child reads.
        device_name : callable
            Returns the host name; asked at the begin of each export, must not wait for anything.
        errands : sequence of Errand
            What is fetched from a stick when a person says so.
        child : Child, optional
            Another one than the usual, for tests.
        limits : Limits, optional
            How long a child may take, for tests.
        """
        self._drives, self._confirmed_sticks, self._jobs, self._settings = drives, sticks, jobs, settings
        self._commands, self._published, self._data = commands, published, data
        self._device_name, self._device_id = device_name, device_id
        self._now, self._beat = clock.monotonic, beat
        self._limits = limits or Limits()
        self._child = child or Child(child_command(), self._now)
        self._report, self._errands = Report(jobs, audit, board, clock), tuple(errands)
        self._errand: Errand | None = None
        self._outgoing = Outgoing(DataFolder(data))
        self._sticks: Sticks[VolumeT] = Sticks()
        self._current: _Current[VolumeT] | None = None
        self._ejects: set[str] = set()
        self._changes: Changes | None = None
        self._list_at_s = float("-inf")
        self._is_away = self._has_more = False
        self._left_mounted: frozenset[str] = frozenset()
        """File-system ids of sticks that a crash may have left mounted."""
        self._confirmed: set[str] = set()

    def open(self) -> None:
        """Let the jobs wait again that a crash left as running; their sticks may still be mounted."""
        self._left_mounted = self._report.left_by_a_crash()
        for errand in self._errands:
            errand.open()
        self._outgoing.keep_only({request.backup for _, request in self._report.waiting()})

    def step(self) -> None:
        """Do one piece of work."""
        self._listen(0.0 if self._has_more else WAIT_S)
        if self._now() >= self._list_at_s:
            self._list()
        if self._sticks.here:
            self._confirmed = {stick.fs_id for stick in self._confirmed_sticks.confirmed()}
        self._has_more = self._begin_next() if self._current is None else self._tend(self._current)
        self._let_wait()
        for errand in self._errands:
            errand.look_after()
        self._report.look_after_issues(self._child.reap())
        self._publish()

    def close(self) -> None:
        """End the child and unmount its stick, if that goes quickly; the job goes on after the next start."""
        current, self._current = self._current, None
        if current is not None:
            try:
                if current.work.close().is_safe_to_remove:  # else the job stays as a crash leaves it: the next start unmounts
                    self._report.interrupted(words.STOPPED, is_pulled=False)
            except Exception:  # the database may be why we are closed
                log.exception("an export could not be put aside")
        if self._changes is not None:
            self._changes.close()

    def _listen(self, wait_s: float) -> None:
        """Wait so long for news: of drives, or from the panel."""
        if self._changes is not None:
            if self._changes.take(wait_s) is not None:
                self._list_at_s = float("-inf")
                while self._changes.take(0.0) is not None:
                    pass  # one list answers them all
            command = self._commands.take(0.0)
        else:
            command = self._commands.take(wait_s)
        if command is not None:
            self._ejects.add(command.fs_id)

    def _list(self) -> None:
        """Look which volumes are there."""
        try:
            self._beat()
            if self._changes is None:
                self._changes = self._drives.watch()
            volumes = self._drives.volumes()
        except MachineError as error:
            if not self._is_away:
                log.info("USB sticks are not seen: %s", error)
            self._is_away, self._list_at_s = True, self._now() + LIST_AGAIN_S
            return
        self._is_away, self._list_at_s = False, self._now() + LIST_EVERY_S
        if self._left_mounted:
            self._take_back(volumes)
        busy = self._current.stick.volume.object_path if self._current else None
        for stick in self._sticks.refresh(volumes, busy):
            self._has_gone(stick)

    def _take_back(self, volumes: tuple[VolumeT, ...]) -> None:
        """Unmount what an earlier life of this program left mounted."""
        left, self._left_mounted = self._left_mounted, frozenset()
        for volume in volumes:
            if volume.mount_points and volume.uuid in left and policy.refusal(volume, volumes, {volume.object_path}) is None:
                try:
                    self._beat()
                    self._drives.unmount(volume)
                except MachineError as error:
                    log.warning("a stick of before could not be unmounted: %s", error)
                self._sticks.ours.add(volume.object_path)

    def _has_gone(self, stick: Plugged[VolumeT]) -> None:
        """Take note of a stick that was pulled out or switched off."""
        current = self._current
        if current is not None and current.stick is stick:
            current.work.abandon()
            self._current = None
            if self._errand is not None and (job_id := self._errand.job_id) is not None:
                self._errand.fail(job_id, self._errand.pulled)
            self._errand = None
            self._report.interrupted(words.PULLED, is_pulled=True)
        if stick.is_off and stick.fs_id:
            self._sticks.let_go_of(stick, self._now(), is_confirmed=stick.fs_id in self._confirmed)

    def _begin_next(self) -> bool:
        """Begin with the next stick that there is something to do with: letting go, jobs, its own export, looking.

        Return whether something was begun.
        """
        for fs_id in sorted(self._ejects):
            self._ejects.discard(fs_id)
            stick = self._sticks.usable(fs_id)
            if stick is not None and not stick.is_off:
                self._begin(stick, None)
                return True
        if any(self._begin_errand(errand) for errand in self._errands):
            return True
        idle = [stick for _, stick in sorted(self._sticks.here.items()) if stick.refusal is None and not stick.is_off]
        if not idle:
            return False
        waiting = self._report.waiting()
        for job, request in waiting:
            stick = self._sticks.usable(request.fs_id)
            if stick is None or stick.is_off:
                continue
            if self._begin_job(stick, job, request):
                return True
        return any(self._offer(stick) for stick in idle if not stick.is_served)

    def _begin_errand(self, errand: Errand) -> bool:
        """Begin to fetch something from a stick, or say that it is not here; return whether something was asked for."""
        waiting = errand.waiting()
        if not waiting:
            return False
        job, order = waiting[0]
        stick = self._sticks.usable(order.fs_id)
        if stick is None or stick.is_off:
            errand.fail(job.id, NOT_HERE)
            return True
        self._errand, fs_type = errand, stick.volume.fs_type
        errand.began(job, order)
        self._begin(stick, lambda mount: errand.task(mount, self._data, fs_type))
        return True

    def _begin_job(self, stick: Plugged[VolumeT], job: Job, request: ExportRequest) -> bool:
        """Begin a job, or end it if it may not be done; return whether it was begun."""
        export = self._settings.value.export
        allowed = {ExportKind.PICTURES: export.pictures, ExportKind.PRODUCTS: export.products, ExportKind.FILMS: export.films}
        kinds = request.kinds or tuple(kind for kind, is_on in allowed.items() if is_on)
        if request.is_automatic and not self._is_wanted(stick):
            if not self._may_be_looked_at(stick):
                self._jobs.finish(job.id, JobState.STOPPED, words.NOT_WANTED)
            return False
        if not kinds and not request.backup:
            self._jobs.finish(job.id, JobState.FAILED, words.NO_KINDS)
            stick.state, stick.reason, stick.is_served = StickState.FAILED, words.NO_KINDS, True
            return False
        folder = device_folder(self._device_name(), self._device_id)

        def make_task(mount: Path) -> Task:
            return Task(
                mount=str(mount),
                data=str(self._data),
                folder=folder,
                fs_type=stick.volume.fs_type,
                kinds=kinds,
                nights=tuple(str(night) for night in request.nights),
                newest=export.nights if request.is_automatic else request.newest,
                reads_request=request.is_automatic,
                speed_bytes_s=export.speed_mib_s * MIB,
                backup=request.backup,
            )

        stick.job_id, stick.is_served = job.id, stick.is_served or not request.backup
        self._report.began(job, request, stick.name)
        self._begin(stick, make_task, is_backup=bool(request.backup))
        stick.state, stick.reason = StickState.EXPORTING, ""
        return True

    def _offer(self, stick: Plugged[VolumeT]) -> bool:
        """Let a stick fill itself if it may, look at it if that may be; else offer it. Return whether work has begun."""
        if self._is_wanted(stick):
            try:
                self._jobs.queue(JOB_KIND, ExportRequest(stick.fs_id).to_json(), words.WAITS)
            except InputError as error:  # the list of jobs is full
                stick.state, stick.reason, stick.is_served = StickState.FAILED, str(error), True
            return True
        if self._may_be_looked_at(stick):
            stick.is_looked_at = True
            self._begin(stick, lambda mount: Task(str(mount), str(self._data), "", stick.volume.fs_type, (), is_look_only=True))
            return True
        return False

    def _let_wait(self) -> None:
        """Say of sticks that nothing was done with yet whether they will have their turn."""
        for stick in self._sticks.here.values():
            is_new = not stick.is_served and (self._current is None or stick is not self._current.stick)
            if is_new and stick.refusal is None:
                has_turn = self._is_wanted(stick) or self._may_be_looked_at(stick)
                stick.state, stick.reason = (StickState.BUSY, words.WAITS) if has_turn else (StickState.OFFERED, words.OFFERED)

    def _is_wanted(self, stick: Plugged[VolumeT]) -> bool:
        """Return whether a stick may fill itself."""
        if stick.fs_id in self._confirmed:
            return True
        return self._settings.value.export.any_labelled_stick and (policy.is_labelled(stick.volume) or stick.has_request)

    def _may_be_looked_at(self, stick: Plugged[VolumeT]) -> bool:
        """Return whether it is still to be found out if a stick holds a request."""
        return self._settings.value.export.any_labelled_stick and not stick.is_looked_at

    def _begin(self, stick: Plugged[VolumeT], make_task: Callable[[Path], Task] | None, *, is_backup: bool = False) -> None:
        """Begin to work on a stick."""
        is_look = make_task is not None and self._report.job_id is None
        self._sticks.ours.add(stick.volume.object_path)
        stick.state, stick.reason, stick.is_safe_to_remove = StickState.BUSY, "", False
        self._current = _Current(
            stick,
            Work(
                stick.volume,
                self._drives,
                self._child,
                make_task,
                is_look_only=is_look,
                is_powered_off=lambda: not is_look and not self._is_drive_wanted(stick),
                now=self._now,
                beat=self._beat,
                limits=self._limits,
            ),
            is_look,
            is_backup,
        )

    def _is_drive_wanted(self, stick: Plugged[VolumeT]) -> bool:
        """Return whether more is to be done with a stick or another one of its drive."""
        drive = [other for other in self._sticks.here.values() if other.volume.drive_path == stick.volume.drive_path]
        drive = [other for other in drive if other.refusal is None]
        asked_for = {request.fs_id for _, request in self._report.waiting()}
        asked_for |= {order.fs_id for errand in self._errands for _, order in errand.waiting()}
        has_turn_left = self._current is not None and self._current.is_backup
        return any(
            other.fs_id in asked_for or ((other is not stick or has_turn_left) and not other.is_served and self._is_wanted(other))
            for other in drive
        )

    def _tend(self, current: _Current[VolumeT]) -> bool:
        """Go on with the stick in work; return whether the next step need not wait."""
        job_id = self._report.job_id if self._errand is None else self._errand.job_id
        is_stop_wanted = job_id is not None and self._jobs.is_stop_requested(job_id)
        if is_stop_wanted or current.stick.fs_id in self._ejects:
            current.work.stop()
            current.is_backup = current.is_backup and current.stick.fs_id not in self._ejects
            if not current.is_look:  # after a look the drive stays on
                self._ejects.discard(current.stick.fs_id)
        finished = current.work.step()
        progress = current.work.progress
        if (seen := progress or current.work.looked) is not None:
            current.stick.free_bytes = seen.free_bytes or current.stick.free_bytes
        if current.work.looked is not None:
            current.stick.bundle_bytes = current.work.looked.bundle_bytes
        if self._errand is not None:
            self._errand.progress(progress)
        self._report.progress(progress, self._settings.value.export.speed_mib_s * MIB)
        if finished is not None:
            self._current = None
            self._finish(current, finished)
        return finished is not None or current.work.has_more

    def _finish(self, current: _Current[VolumeT], finished: Finished) -> None:
        """Tell how the work on a stick ended."""
        stick = current.stick
        stick.is_safe_to_remove, stick.is_off = finished.is_safe_to_remove, finished.is_off
        ending = _ending(finished)
        if self._errand is not None:
            stick.state = StickState.DONE if stick.is_served else StickState.OFFERED
            errand, self._errand = self._errand, None
            errand.ended(finished.ended, finished.found, ending.reason if ending else words.HUNG)
        elif ending is None:  # it was let go
            stick.state, stick.reason, stick.is_served = StickState.DONE, "", True
        elif current.is_look and ending.job is not JobState.FAILED:
            stick.has_request = finished.looked is not None and finished.looked.has_request
        else:
            stick.state, stick.reason, stick.is_served = ending.stick, ending.reason, stick.is_served or not current.is_backup
            if current.is_look:
                self._report.complain(stick.name, ending)
            else:
                request = self._report.ended(ending, finished.ended)
                if request is not None and request.backup:
                    self._outgoing.remove(request.backup)
        if not stick.is_safe_to_remove:
            stick.reason = f"{stick.reason} {words.NOT_LET_GO}".strip()

    def _publish(self) -> None:
        shown = self._sticks.shown(self._confirmed, self._now())
        if shown != self._published.value:
            self._published.publish(shown)


def _ending(finished: Finished) -> words.Ending | None:
    """Return what the end of the work means, or None where nothing was to be done."""
    if finished.is_hung:
        return words.hung()
    if finished.mount_error:
        return words.not_mounted(finished.mount_error)
    return None if finished.ended is None else words.ending(finished.ended)
