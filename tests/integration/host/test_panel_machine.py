"""Power, clock and name from the panel to D-Bus: real classes of `host/` on a private bus, where made-up services answer."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.commands import CameraCommand, PauseCapture, PowerCommand, PowerOff, Reboot, ResumeCapture
from appliance.domain.frame import CameraStatus, Exposure, FrameKind, Measurement, RawFrame
from appliance.domain.power import PowerPhase, PowerState
from appliance.host.bus import Bus
from appliance.host.clock import TimeAndDate
from appliance.host.hostname import HostName
from appliance.host.power import Power
from appliance.housekeeping.shutdown import WHY, ShutdownService
from appliance.pipeline.service import PipelineService
from appliance.supervisor.channels import Mailbox, Published
from appliance.web.app import Panel
from tests.integration.host.mockbus import LOGIN, MockBus, mock_bus, wait_for
from tests.unit.pipeline.conftest import night_frame
from tests.unit.web.world import Caller, World, callers, make_world

pytestmark = pytest.mark.needs("dbus-daemon")

EXPOSURE_S = 2.0
LONG_S = 90.0


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[MockBus]:
    with mock_bus(tmp_path / "bus") as made:
        yield made


class Camera:
    """Plays the camera: obeys, and hands one frame over when its exposure is over."""

    def __init__(self, frames: Mailbox[RawFrame]) -> None:
        self.status = Published(CameraStatus("waiting", exposure=Exposure(FrameKind.LIGHT, EXPOSURE_S, 1.0)))
        self.commands: Mailbox[CameraCommand] = Mailbox("camera commands", 8)
        self.told: list[type] = []
        self._frames, self._ends_at = frames, 0.0

    def expose(self) -> None:
        self.status.publish(replace(self.status.value, state="exposing", started=self.status.value.started + 1))
        self._ends_at = time.monotonic() + EXPOSURE_S

    def step(self) -> None:
        command = self.commands.take(0.02)
        if command is not None:
            self.told.append(type(command))
        status = self.status.value
        if status.state == "exposing":
            if time.monotonic() >= self._ends_at:
                self._frames.put(replace(night_frame(), started_at=datetime.now(UTC)))
                self.status.publish(replace(status, state="waiting", received=status.received + 1))
        elif self.told:
            self.status.publish(replace(status, state="paused" if self.told[-1] is PauseCapture else "waiting"))


class Works:
    """The real shutdown service and pipeline around that camera, each stepped in a thread of its own."""

    def __init__(self, world: World, address: str) -> None:
        parts, clock = world.parts, SystemClock()
        frames: Mailbox[RawFrame] = Mailbox("raw frames", 2)
        measured: Published[Measurement | None] = Published(None)
        developed = Published(0)
        self.bus, self.world, self.camera = Bus(address), world, Camera(frames)
        self.state: Published[PowerState] = parts.power_state
        self.orders: Mailbox[PowerCommand] = parts.power
        self.pipeline = PipelineService(
            frames, parts.settings.published, parts.frames, parts.products, measured, world.latest, developed, parts.board, clock,
            lambda: None,
        )  # fmt: skip
        self.shutdown = ShutdownService(
            power=Power(self.bus), commands=parts.power, state=parts.power_state, camera=self.camera.status,
            camera_commands=self.camera.commands, frames=frames, developed=developed, board=parts.board, clock=clock,
            beat=lambda: None,
        )  # fmt: skip
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in (self.pipeline, self.shutdown, self.camera)]
        self.faults: list[Exception] = []

    def __enter__(self) -> Self:
        self.pipeline.open()
        self.shutdown.open()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.shutdown.close()
        self.pipeline.close()
        assert not self.faults

    def _run(self, one: PipelineService | ShutdownService | Camera) -> None:
        try:
            while not self._stop.is_set():
                one.step()
        except Exception as error:  # noqa: BLE001 - shown by the assertion above
            self.faults.append(error)

    def wait_for_phase(self, phase: PowerPhase) -> None:
        wait_for(lambda: self.state.value.phase is phase, f"phase {phase}", LONG_S)


@pytest.fixture
def works(bus: MockBus, tmp_path: Path) -> Iterator[Works]:
    with ExitStack() as running:
        world = running.enter_context(make_world(tmp_path / "data"))
        yield running.enter_context(Works(world, bus.address))


def lock() -> tuple[str, ...]:
    return ("shutdown", "nightjar", WHY, "delay")


def rows(works: Works) -> int:
    """Count the frames as another process sees them."""
    with closing(sqlite3.connect(f"file:{works.world.parts.folder.root}/nightjar.db?mode=ro", uri=True)) as database:
        return int(database.execute("select count(*) from frame").fetchone()[0])


@pytest.mark.parametrize(("order", "method"), [(Reboot(), "Reboot"), (PowerOff(), "PowerOff")])
def test_the_machine_goes_after_the_running_frame_is_stored(works: Works, bus: MockBus, order: PowerCommand, method: str) -> None:
    bus.look(method, works.world.parts.folder.root)
    wait_for(lambda: bus.locks() == [lock()], "the lock")
    works.camera.expose()
    works.orders.put(order)
    works.wait_for_phase(PowerPhase.GOING)
    seen = bus.seen()
    assert (len(seen.started), len(seen.pictures), seen.locks) == (1, 1, [lock()]), "at the call, not some time"
    assert bus.texts("login1", "Reboot", "PowerOff") == [f"{method} False"]
    wait_for(lambda: bus.locks() == [], "the lock to be given back", LONG_S)
    assert works.camera.told == [PauseCapture]


def test_a_bus_that_was_killed_and_comes_back_is_held_and_obeyed_again(works: Works, bus: MockBus) -> None:
    wait_for(lambda: bus.locks() == [lock()], "the lock")
    bus.kill()
    bus.start()
    began_s = time.monotonic()
    wait_for(lambda: bus.locks() == [lock()], "a lock at the new logind", LONG_S)
    print(f"held again {time.monotonic() - began_s:.1f} s after the bus was there again")
    bus.look("Reboot", works.world.parts.folder.root)
    works.camera.expose()
    works.orders.put(Reboot())
    works.wait_for_phase(PowerPhase.GOING)
    assert (len(bus.seen().started), bus.seen().locks) == (1, [lock()])


def test_a_shutdown_by_somebody_else_waits_for_the_frame_too(works: Works, bus: MockBus) -> None:
    wait_for(lambda: bus.locks() == [lock()], "the lock")
    works.camera.expose()
    bus.prepare_for_shutdown(is_on=True)
    while rows(works) == 0:
        assert bus.locks() == [lock()] or rows(works) == 1
    wait_for(lambda: bus.locks() == [], "the lock to be given back", LONG_S)
    assert bus.calls("login1", "Reboot", "PowerOff") == []
    bus.prepare_for_shutdown(is_on=False)
    works.wait_for_phase(PowerPhase.RUNNING)
    wait_for(lambda: bus.locks() == [lock()], "the lock to be taken again", LONG_S)
    wait_for(lambda: works.camera.told == [PauseCapture, ResumeCapture], "capture to go on", LONG_S)


def test_a_refused_restart_is_an_issue_and_capture_goes_on(works: Works, bus: MockBus) -> None:
    bus.refuse(LOGIN, "Reboot", "b", "org.freedesktop.DBus.Error.AccessDenied")
    works.orders.put(Reboot())
    wait_for(lambda: bool(works.state.value.message) and works.state.value.phase is PowerPhase.RUNNING, "the refusal", LONG_S)
    assert "The machine was not restarted" in works.state.value.message
    assert [issue.key for issue in works.world.parts.board.issues] == ["power.refused"]
    wait_for(lambda: works.camera.told == [PauseCapture, ResumeCapture], "capture to go on", LONG_S)
    wait_for(lambda: bus.locks() == [lock()], "exactly one lock", LONG_S)


def test_without_a_bus_the_state_says_so(tmp_path: Path) -> None:
    with make_world(tmp_path / "data") as world, Works(world, f"unix:path={tmp_path}/nothing") as works:
        wait_for(lambda: works.state.value.unavailable.startswith("not available on this machine"), "the state", LONG_S)
        works.orders.put(Reboot())
        wait_for(lambda: "not available on this machine" in works.state.value.message, "the refusal", LONG_S)


# The panel


@pytest.fixture
def panel(bus: MockBus, tmp_path: Path) -> Iterator[tuple[Caller, Panel]]:
    """Return an admin at a panel whose clock and name are on the bus."""
    connection = Bus(bus.address)
    with make_world(tmp_path / "data") as world:
        world.parts.certificates.open()
        world.claim()
        parts = replace(world.parts, time_and_date=TimeAndDate(connection), host_name=HostName(connection))
        made = Panel(parts)
        made.step()
        made.step()
        yield callers(made, world)["admin"], made


def test_the_panel_reads_and_sets_time_and_name(panel: tuple[Caller, Panel], bus: MockBus) -> None:
    admin, _ = panel
    page = admin.get("/machine").text
    assert "https://nightjar.local" in page
    assert "on, and the clock follows it" in page
    assert admin.post("/machine/time", {"browser_ms": "1790000000123"}).status == 303
    assert admin.post("/machine/zone", {"zone": "Europe/Vienna"}).status == 303
    assert admin.post("/machine/network-time", {"on": "yes"}).status == 303
    assert admin.post("/machine/name", {"name": "roof"}).status == 303
    network_off, set_time, *rest = bus.texts("timedate1", "SetTime", "SetNTP", "SetTimezone")
    network_on = "SetNTP True False"
    assert [network_off, *rest] == ["SetNTP False False", network_on, 'SetTimezone "Europe/Vienna" False', network_on]
    method, moment_us, *flags = set_time.split()
    assert [method, *flags] == ["SetTime", "False", "False"]
    assert 0 <= int(moment_us) - 1790000000123000 < LONG_S * 1e6, "the browser's time, and what has passed since"
    assert bus.texts("hostname1", "SetStaticHostname") == ['SetStaticHostname "roof" False']
    page = admin.get("/machine").text
    assert "Europe/Vienna" in page
    assert "https://roof.local" in page


def test_a_page_does_not_wait_for_a_service_that_hangs(panel: tuple[Caller, Panel], bus: MockBus) -> None:
    admin, _ = panel
    bus.freeze()
    started = time.monotonic()
    for target in ("/machine", "/machine/time", "/api/v1/machine"):
        assert admin.get(target).status == 200
    assert time.monotonic() - started < 3
