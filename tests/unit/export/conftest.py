"""An export service among fakes: drives that a test plugs and pulls, a child that says what the test tells it to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.domain.errors import MachineError
from appliance.domain.foundbackup import FoundBackups
from appliance.domain.job import Job
from appliance.domain.stick import Stick, StickCommand
from appliance.export.finding import Finding
from appliance.export.messages import Ended, Event, Looked, Outcome, Task
from appliance.export.service import ExportService
from appliance.export.taking import Taking
from appliance.export.watched import Child
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.incoming import Incoming
from appliance.store.jobs import JobStore
from appliance.store.sticks import StickStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from tests.unit.export.volumes import FakeVolume


class HandClock:
    """A clock that moves only where a test says so."""

    rate = 1.0

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 20, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class FakeDrives:
    """The machine's drives; every call is noted, and fails where a test says so."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.here: list[FakeVolume] = []
        self.calls: list[tuple[str, ...]] = []
        self.errors: dict[str, list[MachineError]] = {}
        self.news = 0
        self.powers_off = True

    def plug(self, volume: FakeVolume | None = None) -> FakeVolume:
        volume = volume or FakeVolume()
        self.here.append(volume)
        self.news += 1
        return volume

    def pull(self, path: str = "/block/sda1") -> None:
        self.here = [volume for volume in self.here if volume.object_path != path]
        self.news += 1

    def volumes(self) -> tuple[FakeVolume, ...]:
        self._may_fail("volumes")
        return tuple(self.here)

    def mount(self, volume: FakeVolume, options: tuple[str, ...]) -> Path:
        self.calls.append(("mount", volume.object_path, *options))
        self._may_fail("mount")
        self._change(volume, ("/run/media/nightjar/x",))
        return Path("/run/media/nightjar/x")

    def unmount(self, volume: FakeVolume, *, force: bool = False) -> None:
        self.calls.append(("unmount", volume.object_path, *(["force"] if force else [])))
        self._may_fail("unmount")
        self._change(volume, ())

    def power_off(self, volume: FakeVolume) -> None:
        self.calls.append(("power_off", volume.object_path))
        self._may_fail("power_off")
        if self.powers_off:
            self.here = [other for other in self.here if other.drive_path != volume.drive_path]
            self.news += 1

    def watch(self) -> "FakeDrives":
        self._may_fail("watch")
        return self

    def take(self, timeout_s: float) -> object | None:
        self._clock.seconds += timeout_s
        if self.news:
            self.news -= 1
            return object()
        return None

    def close(self) -> None:
        self.calls.append(("close",))

    def done(self) -> list[str]:
        """Return the verbs of the calls so far, and forget them."""
        verbs = [" ".join([call[0], *call[2:]] if call[0] == "unmount" else [call[0]]) for call in self.calls]
        self.calls.clear()
        return verbs

    def _change(self, volume: FakeVolume, mount_points: tuple[str, ...]) -> None:
        changed = {volume.object_path: replace(volume, mount_points=mount_points)}
        self.here = [changed.get(other.object_path, other) for other in self.here]
        self.news += 1

    def _may_fail(self, verb: str) -> None:
        errors = self.errors.get(verb)
        if errors:
            raise errors.pop(0)


class HandMailbox(Mailbox[StickCommand]):
    """A mailbox whose waiting moves the clock instead of the test."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__("stick commands", 8)
        self._clock = clock

    def take(self, timeout: float) -> StickCommand | None:
        self._clock.seconds += timeout
        return super().take(0.0)


@dataclass
class FakeChild(Child):
    """A child that a test speaks for."""

    clock: HandClock
    tasks: list[Task] = field(default_factory=list)
    says: list[Event] = field(default_factory=list)
    is_alive: bool = False
    ends_when_stopped: bool = True
    ends_when_killed: bool = True
    signals: list[str] = field(default_factory=list)
    left_behind: int = 0
    heard_at: float = 0.0
    cannot_start: bool = False

    def start(self, task: Task) -> None:
        if self.cannot_start:
            raise OSError(12, "Cannot allocate memory")
        self.tasks.append(task)
        self.is_alive, self.heard_at = True, self.clock.seconds
        self.says = []

    def say(self, *events: Event) -> None:
        self.says += events
        if events and isinstance(events[-1], Ended):
            self.is_alive = False

    def finish(self, outcome: Outcome = Outcome.DONE, detail: str = "", *, files: int = 3, has_request: bool = False) -> None:
        self.say(Looked(1 << 30, has_request), Ended(outcome, detail, files * 1000, files))

    def events(self) -> list[Event]:
        said, self.says = self.says, []
        if said:
            self.heard_at = self.clock.seconds
        return said

    @property
    def silent_s(self) -> float:
        return self.clock.seconds - self.heard_at

    @property
    def is_over(self) -> bool:
        return not self.is_alive

    def stop(self) -> None:
        self.signals.append("stop")
        if self.ends_when_stopped and self.is_alive:
            self.say(Ended(Outcome.STOPPED, "", 1000, 1))

    def kill(self) -> None:
        self.signals.append("kill")
        self.is_alive = self.is_alive and not self.ends_when_killed

    def leave(self, patience_s: float = 0.0) -> None:
        self.left_behind += self.is_alive
        self.is_alive = False

    def reap(self) -> int:
        return self.left_behind


@dataclass
class Bench:
    """The service and all around it."""

    service: ExportService[FakeVolume]
    drives: FakeDrives
    child: FakeChild
    clock: HandClock
    jobs: JobStore
    sticks: StickStore
    audit: AuditStore
    board: HealthBoard
    settings: Published[Settings]
    commands: Mailbox[StickCommand]
    published: Published[tuple[Stick, ...]]
    found: Published[FoundBackups | None]
    make: Callable[[], ExportService[FakeVolume]]

    def run(self, steps: int = 6) -> None:
        """Let it work for some steps."""
        for _ in range(steps):
            self.service.step()

    def set(self, **values: object) -> None:
        """Change settings of the section."""
        settings = self.settings.value
        self.settings.publish(settings.model_copy(update={"export": settings.export.model_copy(update=values)}))

    @property
    def stick(self) -> Stick:
        """The only stick that is shown."""
        (stick,) = self.published.value
        return stick

    @property
    def job(self) -> Job:
        """The newest job."""
        return self.jobs.recent(1)[0]

    @property
    def issues(self) -> list[str]:
        """Keys of the issues."""
        return [issue.key for issue in self.board.issues]

    def audited(self) -> list[tuple[str, str]]:
        """Return who and what of the audit log, oldest first."""
        return [(entry.who, entry.detail) for entry in reversed(self.audit.page())]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = HandClock()
    database = Database(tmp_path, clock)
    database.open()
    drives, child = FakeDrives(clock), FakeChild(clock)
    jobs, sticks, audit = JobStore(database, clock), StickStore(database, clock), AuditStore(database, clock)
    board, settings = HealthBoard(clock), Published(Settings())
    commands = HandMailbox(clock)
    published: Published[tuple[Stick, ...]] = Published(())
    folder, found = DataFolder(tmp_path), Published[FoundBackups | None](None)

    def make() -> ExportService[FakeVolume]:
        return ExportService(
            drives=drives,
            sticks=sticks,
            jobs=jobs,
            audit=audit,
            settings=settings,
            commands=commands,
            published=published,
            data=tmp_path,
            device_name=lambda: "roof",
            device_id="7K3M9QXD",
            board=board,
            clock=clock,
            beat=lambda: None,
            errands=(
                Taking(jobs, BundleStore(folder), Mailbox("update commands", 2), audit, clock),
                Finding(jobs, Incoming(folder), found, clock),
            ),
            child=child,
        )

    service = make()
    service.open()
    yield Bench(service, drives, child, clock, jobs, sticks, audit, board, settings, commands, published, found, make)
    database.close()
