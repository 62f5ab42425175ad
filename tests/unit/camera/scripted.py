"""A camera and a driver host that do what a test tells them; the camera keeps the contract of the real one (test_contract.py)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np

from appliance.camera.port import CameraDescription, CameraLimits
from appliance.camera.service import CameraService
from appliance.domain.commands import CameraCommand
from appliance.domain.errors import CameraError, CameraLostError
from appliance.domain.frame import CameraStatus, Exposure, RawFrame
from appliance.settings.schema import Settings
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard

T = TypeVar("T")


class HandClock:
    """A clock that stands still until it is moved."""

    rate = 1.0

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 20, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class HandMailbox(Mailbox[T]):
    """A mailbox whose waiting moves the clock instead of the test."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__("by hand", 8)
        self._clock = clock

    def take(self, timeout: float) -> T | None:
        self._clock.seconds += 0 if len(self) else timeout
        return super().take(0)


@dataclass
class ScriptedCamera:
    """Answers `poll` with frames until something else is put into `script`."""

    clock: HandClock
    level: int = 8000
    waits_for: str | None = None
    confirms_abort: bool = True
    script: list[CameraError | None] = field(default_factory=list)
    """Next answers of `poll`: an error is raised, None is no frame yet."""
    started: list[Exposure] = field(default_factory=list)
    is_closed: bool = False
    exposing: tuple[Exposure, datetime] | None = None

    def prepare(self, timeout: float) -> str | None:
        self.clock.seconds += timeout if self.waits_for else 0
        return self.waits_for

    def describe(self) -> CameraDescription:
        return CameraDescription("Scripted", ("Scripted",), CameraLimits(), 15.0, follows_clock=False)

    def start(self, exposure: Exposure) -> None:
        if self.is_closed:
            raise CameraLostError("closed")
        self.started.append(exposure)
        self.exposing = exposure, self.clock.now()

    def poll(self, timeout: float) -> RawFrame | None:
        if self.exposing is None:
            raise ValueError("poll without an exposure")
        answer: CameraError | RawFrame | None = (
            self.script.pop(0) if self.script else RawFrame(self._pixels(), *self.exposing, None)
        )
        if answer is None:
            self.clock.seconds += timeout
            return None
        if isinstance(answer, CameraLostError):
            raise answer
        self.exposing = None
        if isinstance(answer, CameraError):
            raise answer
        return answer

    def _pixels(self) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
        pixels = np.full((32, 48), self.level, np.uint16)
        pixels.setflags(write=False)
        return pixels

    def abort(self, timeout: float) -> bool:
        self.exposing = None
        return self.confirms_abort

    def close(self) -> None:
        self.is_closed = True
        self.exposing = None


@dataclass
class ScriptedHost:
    """Notes what is asked of it."""

    asked: list[str] = field(default_factory=list)
    is_running: bool = True
    fails: bool = False
    address: tuple[str, int] = ("localhost:/scripted", 7624)
    drivers: tuple[str, ...] = ("indi_scripted",)

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.fails:
            raise CameraError("indiserver takes no commands")

    def start(self) -> None:
        self._note("start")

    def restart(self) -> None:
        self._note("restart")

    def start_driver(self, name: str) -> None:
        self._note(f"start {name}")

    def stop_driver(self, name: str) -> None:
        self._note(f"stop {name}")

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self._note("close")


class Stage:
    """A camera service among scripted parts."""

    def __init__(self, **camera: object) -> None:
        self.clock = HandClock()
        self.settings = Published(settings(**camera))
        self.frames: Mailbox[RawFrame] = Mailbox("frames", 2)
        self.status = Published(CameraStatus("starting"))
        self.commands: HandMailbox[CameraCommand] = HandMailbox(self.clock)
        self.board = HealthBoard(self.clock)
        self.host = ScriptedHost()
        self.cameras: list[ScriptedCamera] = []
        self.prepared: Callable[[ScriptedCamera], None] = lambda camera: None
        self.service = self.make()
        self.service.open()

    def make(self) -> CameraService:
        return CameraService(
            settings=self.settings, frames=self.frames, status=self.status, commands=self.commands, board=self.board,
            clock=self.clock, make_camera=self._make_camera, drivers=self.host, beat=lambda: None,
        )  # fmt: skip

    def _make_camera(self, _: Settings) -> ScriptedCamera:
        camera = ScriptedCamera(self.clock)
        self.prepared(camera)
        self.cameras.append(camera)
        return camera

    @property
    def camera(self) -> ScriptedCamera:
        return self.cameras[-1]

    @property
    def issues(self) -> set[str]:
        return {issue.key for issue in self.board.issues}

    def steps(self, count: int = 1) -> None:
        for _ in range(count):
            self.service.step()

    def until(self, condition: Callable[[], bool], steps: int = 500) -> float:
        """Step until something is true; return how many seconds of the clock that took."""
        start = self.clock.seconds
        for _ in range(steps):
            if condition():
                return self.clock.seconds - start
            self.service.step()
            while len(self.frames) == 2:
                self.frames.take(0)
        raise AssertionError(f"not within {steps} steps: {self.status.value}")

    def receive(self, count: int = 1) -> float:
        goal = self.status.value.received + count
        return self.until(lambda: self.status.value.received >= goal)


def settings(**camera: object) -> Settings:
    """Return settings that take fixed exposures back to back unless `camera` says otherwise."""
    return Settings.model_validate({"camera": {"period_s": 0, "is_automatic": False, "duration_s": 1} | camera})
