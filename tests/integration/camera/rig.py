"""A real camera service on a real indiserver, stepped by the test, with all that passes in and out in reach."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.camera.indicamera import Address, IndiCamera
from appliance.camera.service import CameraService
from appliance.domain.clock import Clock, SystemClock
from appliance.domain.commands import CameraCommand
from appliance.domain.frame import CameraStatus, RawFrame
from appliance.host.driverhost import ChildDriverHost, DriverHost
from appliance.settings.schema import Settings, Transport
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard

logging.getLogger("appliance").setLevel(logging.INFO)


def camera_settings(**camera: Any) -> Settings:  # noqa: ANN401 - any field of the settings
    """Return settings that take short frames back to back unless `camera` says otherwise."""
    return Settings.model_validate({"camera": {"period_s": 0, "is_automatic": False, "duration_s": 0.01} | camera})


class Rig:
    """The service and its ends."""

    def __init__(self, drivers: DriverHost, settings: Settings, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.settings = Published(settings)
        self.frames: Mailbox[RawFrame] = Mailbox("frames", 2)
        self.status = Published(CameraStatus("starting"))
        self.commands: Mailbox[CameraCommand] = Mailbox("commands", 8)
        self.board = HealthBoard(self.clock)
        self.drivers = drivers
        self.taken: list[RawFrame] = []
        self.issues_seen: set[str] = set()
        self.keeps = 100
        self.service = CameraService(
            settings=self.settings, frames=self.frames, status=self.status, commands=self.commands, board=self.board,
            clock=self.clock, make_camera=self._make_camera, drivers=drivers, beat=lambda: None,
        )  # fmt: skip

    def _make_camera(self, settings: Settings) -> IndiCamera:
        camera = settings.camera
        remote: Address = (camera.remote_host, camera.remote_port)
        is_local = camera.transport is Transport.LOCAL
        return IndiCamera(lambda: self.drivers.address if is_local else remote, camera.device, self.clock)

    def step(self, *, takes: bool = True) -> None:
        """Make one step, and take the frames unless told not to."""
        start = time.monotonic()
        self.service.step()
        assert time.monotonic() - start < 10, "a step returns within a second or so"
        self.issues_seen |= {issue.key for issue in self.board.issues}
        while takes and (frame := self.frames.take(0)) is not None:
            self.taken = [*self.taken[-self.keeps :], frame]

    def until(self, condition: Callable[[], bool], timeout: float, *, takes: bool = True) -> float:
        """Step until something is true; return how long that took."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < timeout, f"not within {timeout} s: {self.status.value}, {self.board.issues}"
            self.step(takes=takes)
        return time.monotonic() - start

    def receive(self, count: int, timeout: float) -> float:
        """Step until so many more frames were received; return how long that took."""
        goal = self.status.value.received + count
        return self.until(lambda: self.status.value.received >= goal, timeout)

    @property
    def issues(self) -> set[str]:
        """Keys of what is wrong now."""
        return {issue.key for issue in self.board.issues}


@contextmanager
def running(drivers: DriverHost, settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Rig]:
    """Run a rig; at the end nothing of it is left."""
    rig = Rig(drivers, settings or camera_settings(), clock)
    try:
        rig.service.open()
        yield rig
    finally:
        rig.service.close()
        drivers.close()


def driver_pids(drivers: ChildDriverHost) -> list[int]:
    """Return the processes that the server has started."""
    assert drivers.pid is not None
    return [pid for pid in _pids() if _parent(pid) == drivers.pid]


def group_pids(group: int) -> list[int]:
    """Return the living processes of a process group."""
    return [pid for pid in _pids() if _field(pid, 4) == str(group) and _field(pid, 2) != "Z"]


def _pids() -> list[int]:
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]


def _field(pid: int, number: int) -> str:
    """Return a field of /proc/PID/stat, counted as in proc(5) from 0, or an empty text if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return ["", *text.rpartition(")")[2].split()][number - 1] if number > 1 else ""


def _parent(pid: int) -> int:
    return int(_field(pid, 3) or 0)


def rss_kb() -> int:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def threads() -> int:
    """Return how many threads this process has, those of libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
