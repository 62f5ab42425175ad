"""All targets together: which workers are to run, what the panel sees of them, and what it may ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from appliance.domain.clock import Clock
from appliance.domain.errors import StoppedError
from appliance.domain.upload import Checked, CheckTarget, Courier, CourierState, RetryNow
from appliance.settings.schema import Settings
from appliance.settings.targets import Target
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat
from appliance.supervisor.worker import WorkerSpec
from appliance.uploads import port
from appliance.uploads.factory import Supplies, make_target
from appliance.uploads.pace import QuietHours
from appliance.uploads.service import Rules, UploadService
from appliance.uploads.tester import TestService

STUCK_AFTER_S = 300.0
"""A server that answers each question at the last moment is slow, and no fault of ours: nobody else waits for it."""


@dataclass(frozen=True)
class _Lane:
    """What belongs to one target while it is in the settings."""

    spec: WorkerSpec
    commands: Mailbox[RetryNow] = field(default_factory=lambda: Mailbox("retry", 1))
    published: Published[Courier] = field(default_factory=lambda: Published(Courier(CourierState.IDLE)))


class Couriers:
    """One worker a target, made and ended as the settings say."""

    def __init__(
        self,
        *,
        settings: Published[Settings],
        queue: UploadQueue,
        path_of: Callable[[str], Path],
        supplies: Supplies,
        board: HealthBoard,
        clock: Clock,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        settings : Published
        queue : UploadQueue
        path_of : callable
            Returns the path of a file of the data folder by its relative name.
        supplies : Supplies
        board, clock
        """
        self._settings, self._queue, self._path_of, self._supplies = settings, queue, path_of, supplies
        self._board, self._clock = board, clock
        self._lanes: dict[str, _Lane] = {}
        self._orders: Mailbox[CheckTarget] = Mailbox("tests of targets", 4)
        self._results: Published[Mapping[str, Checked]] = Published({})

    def open(self) -> None:
        """Put back what a crash left on its way, and forget the queues of targets that are gone."""
        self._queue.put_back_running()
        self._queue.keep_only(target.id for target in self._settings.value.targets)

    def specs(self) -> tuple[WorkerSpec, ...]:
        """Return the workers that are to run now; the supervisor's own thread asks, and nobody else."""
        wanted = {target.id: target for target in self._settings.value.targets}
        lanes = {
            target_id: self._lanes.get(target_id) or self._lane(target_id, target.title) for target_id, target in wanted.items()
        }
        if gone := self._lanes.keys() - wanted.keys():
            for target_id in gone:
                self._board.clear_issue(f"upload.{target_id}")
        self._lanes = lanes  # another dictionary: the panel's threads read it
        return tuple(lane.spec for lane in lanes.values())

    @property
    def tester(self) -> WorkerSpec:
        """The worker behind the test button."""
        return WorkerSpec(
            "upload tests",
            lambda _: TestService(self._orders, self._results, self._made, self._clock),
            "Testing targets",
            STUCK_AFTER_S,
        )

    def courier(self, target_id: str) -> Courier:
        """Return what a target's worker does."""
        lane = self._lanes.get(target_id)
        return Courier(CourierState.IDLE) if lane is None else lane.published.value

    def retry(self, target_id: str) -> None:
        """Have a target tried again at once."""
        lane = self._lanes.get(target_id)
        if lane is not None:
            lane.commands.put(RetryNow())

    def check(self, target_id: str) -> None:
        """Have a target tested."""
        self._results.publish({**self._results.value, target_id: Checked(self._clock.now(), is_running=True)})
        self._orders.put(CheckTarget(target_id))

    def checked(self, target_id: str) -> Checked | None:
        """Return how the last test of a target went, None where there was none."""
        return self._results.value.get(target_id)

    def forget_check(self, target_id: str) -> None:
        """Forget how the last test went: it was of other settings."""
        self._results.publish({key: value for key, value in self._results.value.items() if key != target_id})

    def _lane(self, target_id: str, title: str) -> _Lane:
        def make(beat: Beat) -> UploadService:
            return UploadService(
                target_id=target_id,
                queue=self._queue,
                open_file=lambda name: self._path_of(name).open("rb"),
                make_target=lambda: make_target(self._needed(target_id), self._supplies),
                rules=lambda: self._rules(target_id),
                local_time=self._local_time,
                commands=lane.commands,
                published=lane.published,
                board=self._board,
                clock=self._clock,
                beat=beat,
                is_stopping=lane.spec.stop.is_set,
            )

        lane = _Lane(WorkerSpec(f"upload {target_id}", make, f"Uploads to {title}", STUCK_AFTER_S))
        return lane

    def _made(self, target_id: str) -> tuple[port.Target, str] | None:
        target = self._target(target_id)
        return None if target is None else (make_target(target, self._supplies), target.tested)

    def _target(self, target_id: str) -> Target | None:
        return next((target for target in self._settings.value.targets if target.id == target_id), None)

    def _needed(self, target_id: str) -> Target:
        target = self._target(target_id)
        if target is None:
            raise StoppedError("the target was removed")
        return target

    def _rules(self, target_id: str) -> Rules:
        target = self._target(target_id)
        if target is None:  # removed a moment ago: this worker is about to be ended
            return Rules("", is_on=False, bytes_per_s=0, quiet=QuietHours(*_NEVER), revision=0)
        return Rules(
            title=target.title,
            is_on=target.is_on,
            bytes_per_s=target.bytes_per_s,
            quiet=QuietHours(*target.quiet),
            revision=hash(target),
            words_of=target.words_of,
        )

    def _local_time(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self._settings.value.site.timezone))


_NEVER = (datetime.min.time(), datetime.min.time())
