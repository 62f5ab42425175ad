"""The export service with its real child, real stores and the real clock; only the machine's drives are made up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.domain.clock import SystemClock
from appliance.domain.errors import MachineError
from appliance.domain.foundbackup import FoundBackups
from appliance.domain.job import Job
from appliance.domain.stick import Stick, StickCommand
from appliance.export.finding import Finding
from appliance.export.ports import Drives
from appliance.export.service import ExportService
from appliance.export.taking import Taking
from appliance.export.work import Limits
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

FS_ID = "1234-ABCD"


class FolderDrives:
    """Drives of which each stick is a folder; what has been pulled out cannot be unmounted."""

    def __init__(self, stick: Path) -> None:
        self._stick = stick
        self.here: list[FakeVolume] = []
        self.calls: list[str] = []

    def plug(self) -> None:
        self.here = [FakeVolume()]

    def pull(self) -> None:
        self.here = []

    def volumes(self) -> tuple[FakeVolume, ...]:
        return tuple(self.here)

    def mount(self, volume: FakeVolume, options: tuple[str, ...]) -> Path:
        self._change("mount", volume, (str(self._stick),))
        return self._stick

    def unmount(self, volume: FakeVolume, *, force: bool = False) -> None:
        self._change("unmount force" if force else "unmount", volume, ())

    def power_off(self, volume: FakeVolume) -> None:
        self._change("power_off", volume, ())
        self.here = []

    def watch(self) -> "FolderDrives":
        return self

    def take(self, timeout_s: float) -> object | None:
        time.sleep(min(timeout_s, 0.02))
        return object() if timeout_s else None

    def close(self) -> None:
        pass

    def _change(self, call: str, volume: FakeVolume, mount_points: tuple[str, ...]) -> None:
        self.calls.append(call)
        if not self.here:
            raise MachineError("no such object")
        self.here = [replace(volume, mount_points=mount_points)]


@dataclass
class Bench:
    """The service and what a test needs of it."""

    service: ExportService[Any]
    drives: FolderDrives
    """Not used where the test brings its own."""
    jobs: JobStore
    audit: AuditStore
    board: HealthBoard
    published: Published[tuple[Stick, ...]]
    bundles: BundleStore
    commands: Mailbox[StickCommand]
    found: Published[FoundBackups | None]
    incoming: Incoming
    longest_step_s: float = 0.0

    def run_until(self, is_so: Callable[[], bool], within_s: float = 120.0) -> None:
        """Let it work until something is so."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, (self.published.value, self.jobs.recent())
            began = time.monotonic()
            self.service.step()
            self.longest_step_s = max(self.longest_step_s, time.monotonic() - began)

    def run(self, steps: int) -> None:
        """Let it work for some steps."""
        for _ in range(steps):
            self.service.step()

    @property
    def job(self) -> Job:
        """The newest job."""
        return self.jobs.recent(1)[0]

    @property
    def is_over(self) -> bool:
        """Whether there is a job, and it is over."""
        jobs = self.jobs.recent(1)
        return bool(jobs) and jobs[0].state.is_over


@contextmanager
def bench(
    data: Path,
    stick: Path,
    *,
    speed_mib_s: int = 500,
    silent_s: float = 60.0,
    drives: Drives[Any] | None = None,
) -> Iterator[Bench]:
    """Give a service whose stick is confirmed; without `drives` it is a folder."""
    clock = SystemClock()
    database = Database(data, clock)
    database.open()
    settings = Settings()
    settings = settings.model_copy(update={"export": settings.export.model_copy(update={"speed_mib_s": speed_mib_s})})
    folder_drives, jobs, sticks = FolderDrives(stick), JobStore(database, clock), StickStore(database, clock)
    audit, board = AuditStore(database, clock), HealthBoard(clock)
    published: Published[tuple[Stick, ...]] = Published(())
    commands: Mailbox[StickCommand] = Mailbox("stick commands", 8)
    folder, found = DataFolder(data), Published[FoundBackups | None](None)
    folder.open()
    bundles = BundleStore(folder)
    sticks.confirm(FS_ID, "HOLIDAY", "ada")
    service: ExportService[Any] = ExportService(
        drives=drives or folder_drives,
        sticks=sticks,
        jobs=jobs,
        audit=audit,
        settings=Published(settings),
        commands=commands,
        published=published,
        data=data,
        device_name=lambda: "roof",
        device_id="7K3M9QXD",
        board=board,
        clock=clock,
        beat=lambda: None,
        errands=(
            Taking(jobs, bundles, Mailbox("update commands", 2), audit, clock),
            Finding(jobs, Incoming(folder), found, clock),
        ),
        limits=Limits(silent_s=silent_s),
    )
    service.open()
    try:
        yield Bench(service, folder_drives, jobs, audit, board, published, bundles, commands, found, Incoming(folder))
    finally:
        service.close()
        database.close()
        folder.close()
