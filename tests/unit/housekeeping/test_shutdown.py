"""Letting the machine go: the running frame first, whoever asked; and staying where it is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.commands import CameraCommand, PauseCapture, PowerCommand, PowerOff, Reboot, ResumeCapture
from appliance.domain.errors import DeniedError, MachineError, UnavailableError
from appliance.domain.frame import CameraStatus, Exposure, FrameKind, RawFrame
from appliance.domain.power import PowerPhase, PowerState
from appliance.housekeeping import shutdown
from appliance.housekeeping.shutdown import GONE_AFTER_S, HOLD_AGAIN_EVERY_S, MARGIN_S, TOLD_FOR_S, ShutdownService
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard

EXPOSURE_S = 30.0
RECONNECTED = object()


@dataclass
class FakeInhibitor:
    """A lock that writes down when it is given back."""

    number: int
    log: list[str]

    def close(self) -> None:
        self.log.append(f"gave back {self.number}")


@dataclass
class FakePower:
    """A machine that writes down what it is told, and says what a test has it say."""

    log: list[str] = field(default_factory=list)
    says: list[object] = field(default_factory=list)
    error: MachineError | None = None
    inhibit_error: MachineError | None = None
    held: int = 0

    def power_off(self) -> None:
        self._do("power off")

    def reboot(self) -> None:
        self._do("reboot")

    def _do(self, what: str) -> None:
        if self.error is not None:
            raise self.error
        self.log.append(what)

    def inhibit(self, why: str) -> FakeInhibitor:
        if self.inhibit_error is not None:
            raise self.inhibit_error
        self.held += 1
        self.log.append(f"took {self.held}")
        assert why == shutdown.WHY
        return FakeInhibitor(self.held, self.log)

    def watch_shutdown(self) -> "FakePower":
        return self

    def take(self, timeout_s: float) -> object:
        assert timeout_s < 1
        return self.says.pop(0) if self.says else None

    def close(self) -> None:
        self.log.append("listens no more")


class StillClock(SystemClock):
    """Stands until a test moves it."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 31, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.at_s


class Bench:
    """A service with a camera and a pipeline that a test plays."""

    def __init__(self) -> None:
        self.clock, self.power = StillClock(), FakePower()
        self.commands: Mailbox[PowerCommand] = Mailbox("power commands", 1)
        self.commands.take = self._take  # type: ignore[method-assign] # without waiting
        self.state = Published(PowerState(PowerPhase.RUNNING))
        self.camera = Published(
            CameraStatus("exposing", exposure=Exposure(FrameKind.LIGHT, EXPOSURE_S, 1.0), started=5, received=4)
        )
        self.camera_commands: Mailbox[CameraCommand] = Mailbox("camera commands", 8)
        self.frames: Mailbox[RawFrame] = Mailbox("raw frames", 2)
        self.developed = Published(4)
        self.board = HealthBoard(self.clock)
        self.beats = 0
        self.orders: list[PowerCommand] = []
        self.service = ShutdownService(
            power=self.power,
            commands=self.commands,
            state=self.state,
            camera=self.camera,
            camera_commands=self.camera_commands,
            frames=self.frames,
            developed=self.developed,
            board=self.board,
            clock=self.clock,
            beat=self.beat,
        )

    def _take(self, timeout: float) -> PowerCommand | None:
        assert timeout < 1
        return self.orders.pop(0) if self.orders else None

    def beat(self) -> None:
        self.beats += 1

    def order(self, command: PowerCommand) -> None:
        self.orders.append(command)
        self.service.step()

    def hear(self, said: object) -> None:
        self.power.says.append(said)
        self.service.step()

    def rest_camera(self, *, received: int = 5) -> None:
        self.camera.publish(replace(self.camera.value, state="paused", received=received))

    def pass_s(self, seconds: float) -> None:
        self.clock.at_s += seconds
        self.service.step()

    @property
    def phase(self) -> PowerPhase:
        return self.state.value.phase

    @property
    def issues(self) -> list[str]:
        return [issue.key for issue in self.board.issues]

    def camera_told(self) -> list[type]:
        told = []
        while len(self.camera_commands):
            told.append(type(self.camera_commands.take(0)))
        return told


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.service.open()
    yield made
    made.service.close()
    assert made.power.log[-1] == "listens no more"
    assert made.power.log.count("took 1") == made.power.log.count("gave back 1")


def test_a_shutdown_is_delayed_from_the_start_to_the_end(bench: Bench) -> None:
    bench.service.step()
    assert bench.power.log == ["took 1"]
    assert (bench.phase, bench.beats) == (PowerPhase.RUNNING, 1)


@pytest.mark.parametrize(("command", "done"), [(Reboot(), "reboot"), (PowerOff(), "power off")])
def test_an_order_waits_for_the_exposure_and_the_pipeline(bench: Bench, command: PowerCommand, done: str) -> None:
    bench.order(command)
    assert bench.camera_told() == [PauseCapture]
    assert bench.state.value == PowerState(
        PowerPhase.STORING, command, f"The running frame is stored first. That takes {EXPOSURE_S + MARGIN_S:.0f} s at most."
    )
    bench.pass_s(EXPOSURE_S - 1)
    assert bench.power.log == ["took 1"], "still exposing"
    bench.rest_camera()
    bench.pass_s(1)
    assert bench.power.log == ["took 1"], "the frame is still being developed"
    bench.developed.publish(5)
    bench.service.step()
    assert bench.power.log == ["took 1", done, "gave back 1"]
    assert (bench.phase, bench.state.value.action) == (PowerPhase.GOING, command)
    assert bench.issues == []


def test_a_frame_that_the_queue_dropped_is_not_waited_for(bench: Bench) -> None:
    for _ in range(3):
        bench.frames.put(cast("RawFrame", None))
    bench.order(Reboot())
    bench.rest_camera(received=5)
    bench.service.step()
    assert bench.frames.dropped == 1
    assert bench.power.log[-2:] == ["reboot", "gave back 1"]


def test_a_camera_that_rests_already_makes_nobody_wait(bench: Bench) -> None:
    bench.rest_camera(received=4)
    bench.order(PowerOff())
    assert bench.power.log == ["took 1", "power off", "gave back 1"]


def test_a_frame_that_does_not_come_is_waited_for_no_longer_than_told(bench: Bench) -> None:
    bench.order(Reboot())
    bench.pass_s(EXPOSURE_S + MARGIN_S - 0.1)
    assert bench.phase is PowerPhase.STORING
    bench.pass_s(0.2)
    assert bench.power.log == ["took 1", "reboot", "gave back 1"]


def test_the_last_order_counts_and_waits_no_longer(bench: Bench) -> None:
    bench.order(Reboot())
    bench.clock.at_s += 20
    bench.order(PowerOff())
    assert bench.camera_told() == [PauseCapture]
    assert f"{EXPOSURE_S + MARGIN_S - 20:.0f} s at most" in bench.state.value.message
    bench.rest_camera(received=4)
    bench.service.step()
    assert "power off" in bench.power.log
    assert "reboot" not in bench.power.log
    bench.order(Reboot())
    assert "reboot" not in bench.power.log, "it goes already"


@pytest.mark.parametrize("error", [DeniedError("the rules say no"), UnavailableError("not available on this machine: login1")])
def test_a_refused_order_is_told_and_capture_goes_on(bench: Bench, error: MachineError) -> None:
    bench.power.error = error
    bench.order(Reboot())
    bench.rest_camera(received=4)
    bench.service.step()
    assert bench.camera_told() == [PauseCapture, ResumeCapture]
    assert (bench.phase, bench.state.value.message) == (PowerPhase.RUNNING, f"The machine was not restarted: {error}.")
    assert bench.issues == ["power.refused"]
    assert bench.power.log == ["took 1", "took 2", "gave back 1"], "the next shutdown is delayed too, without a gap"
    bench.pass_s(TOLD_FOR_S + 1)
    assert bench.issues == []
    assert bench.state.value.message == ""


def test_the_next_order_takes_the_issue_down(bench: Bench) -> None:
    bench.power.error = MachineError("no answer")
    bench.rest_camera(received=4)
    bench.order(PowerOff())
    assert "not switched off: no answer" in bench.board.issues[0].title
    bench.power.error = None
    bench.order(PowerOff())
    assert bench.issues == []
    assert bench.phase is PowerPhase.GOING


def test_a_capture_that_was_paused_before_stays_paused(bench: Bench) -> None:
    bench.rest_camera(received=4)
    bench.power.error = MachineError("no answer")
    bench.order(Reboot())
    assert bench.camera_told() == [PauseCapture]


def test_a_machine_that_does_not_go_is_told_and_capture_goes_on(bench: Bench) -> None:
    bench.order(Reboot())
    bench.rest_camera(received=4)
    bench.service.step()
    bench.pass_s(GONE_AFTER_S + 1)
    assert bench.phase is PowerPhase.RUNNING
    assert bench.issues == ["power.refused"]
    assert bench.camera_told() == [PauseCapture, ResumeCapture]
    assert bench.power.log == ["took 1", "reboot", "gave back 1", "took 2"]


def test_a_shutdown_by_somebody_else_gets_the_lock_back_when_the_frame_is_stored(bench: Bench) -> None:
    bench.hear(True)
    assert bench.camera_told() == [PauseCapture]
    assert (bench.phase, bench.state.value.action) == (PowerPhase.STORING, None)
    bench.rest_camera()
    bench.developed.publish(5)
    bench.service.step()
    assert bench.power.log == ["took 1", "gave back 1"], "and is asked for nothing"
    assert bench.phase is PowerPhase.GOING


def test_an_order_that_meets_a_shutdown_asks_no_second_time(bench: Bench) -> None:
    bench.order(Reboot())
    bench.hear(True)
    assert bench.camera_told() == [PauseCapture]
    bench.rest_camera(received=4)
    bench.service.step()
    assert bench.power.log == ["took 1", "gave back 1"]


def test_the_signal_of_ones_own_restart_starts_nothing_anew(bench: Bench) -> None:
    bench.rest_camera(received=4)
    bench.order(Reboot())
    bench.hear(True)
    assert bench.phase is PowerPhase.GOING
    assert bench.power.log == ["took 1", "reboot", "gave back 1"]


@pytest.mark.parametrize("is_going", [False, True])
def test_a_shutdown_that_was_called_off_lets_capture_go_on(bench: Bench, is_going: bool) -> None:
    bench.hear(True)
    if is_going:
        bench.rest_camera(received=4)
        bench.service.step()
    bench.hear(False)
    assert bench.phase is PowerPhase.RUNNING
    assert bench.camera_told() == [PauseCapture, ResumeCapture]
    assert "took 2" in bench.power.log
    bench.hear(False)
    assert bench.camera_told() == []


def test_after_a_new_connection_a_fresh_lock_is_taken_before_the_old_one_goes(bench: Bench) -> None:
    bench.hear(RECONNECTED)
    assert bench.power.log == ["took 1", "took 2", "gave back 1"]
    assert bench.phase is PowerPhase.RUNNING


def test_without_logind_the_state_says_so_until_it_is_there() -> None:
    bench = Bench()
    bench.power.inhibit_error = UnavailableError("not available on this machine: login1")
    bench.service.open()
    bench.service.step()
    assert bench.state.value.unavailable == "not available on this machine: login1"
    assert bench.issues == []
    bench.power.inhibit_error = None
    bench.pass_s(HOLD_AGAIN_EVERY_S + 1)
    assert bench.state.value.unavailable == ""
    assert bench.power.log == ["took 1"]


def test_a_lock_that_is_refused_is_an_issue_until_it_is_given() -> None:
    bench = Bench()
    bench.power.inhibit_error = DeniedError("the rules say no")
    bench.service.open()
    assert bench.issues == ["power.inhibit"]
    assert bench.state.value.unavailable == ""
    bench.power.inhibit_error = None
    bench.pass_s(HOLD_AGAIN_EVERY_S + 1)
    assert bench.issues == []


def test_an_order_is_carried_out_without_a_lock_too() -> None:
    bench = Bench()
    bench.power.inhibit_error = DeniedError("the rules say no")
    bench.service.open()
    bench.rest_camera(received=4)
    bench.order(Reboot())
    assert bench.power.log == ["reboot"]
    assert bench.phase is PowerPhase.GOING
