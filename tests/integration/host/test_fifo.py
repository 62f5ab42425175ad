"""A real indiserver that others run: told its drivers through the FIFO, told again after it was started afresh."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.camera.indi import IndiConnection
from appliance.domain.errors import CameraError
from appliance.host import fifo
from appliance.host.fifo import FifoDriverHost

pytestmark = pytest.mark.needs("indiserver", "indi_simulator_ccd")

CCD = "indi_simulator_ccd"
WITHIN_S = 60.0


class Server:
    """What nightjar-indi.service is: an indiserver that somebody else ends and starts."""

    def __init__(self, folder: Path, port: int) -> None:
        self.fifo, self.socket_name, self.port = folder / "fifo", f"/nightjar-test-{secrets.token_hex(8)}", port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        os.mkfifo(self.fifo, 0o600)

    def drivers(self) -> set[str]:
        """Return the process ids of the drivers that run."""
        assert self._process is not None
        return set(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split())

    def start(self) -> None:
        command = ["indiserver", "-u", self.socket_name, "-p", str(self.port), "-f", str(self.fifo)]
        environment = os.environ | {"HOME": str(self._folder)}
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


@pytest.fixture
def server(tmp_path: Path, free_port: int) -> Iterator[Server]:
    made = Server(tmp_path, free_port)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def host(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FifoDriverHost]:
    monkeypatch.setattr(fifo, "LOOK_EVERY_S", 0.0)
    made = FifoDriverHost((CCD,), server.restart, fifo=server.fifo, socket_name=server.socket_name, port=server.port)
    eventually(lambda: made.is_running)
    try:
        yield made
    finally:
        made.close()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def offers_a_camera(host: FifoDriverHost) -> bool:
    connection = IndiConnection(*host.address)
    try:
        if not connection.connect():
            return False
        connection.changes.wait(connection.changes.revision, 1.0)
        return bool(connection.cameras())
    finally:
        connection.close()


def offers_a_camera_once_tended(host: FifoDriverHost) -> bool:
    host.tend()
    return offers_a_camera(host)


def test_the_driver_is_started_when_the_camera_service_starts_the_host(host: FifoDriverHost) -> None:
    assert not offers_a_camera(host)
    host.start()
    eventually(lambda: offers_a_camera(host))


def test_a_driver_is_stopped_and_started(host: FifoDriverHost) -> None:
    host.start()
    eventually(lambda: offers_a_camera(host))
    host.stop_driver(CCD)
    eventually(lambda: not offers_a_camera(host))
    host.start_driver(CCD)
    eventually(lambda: offers_a_camera(host))


def test_no_command_of_many_is_lost(host: FifoDriverHost) -> None:
    host.start()
    for _ in range(20):
        host.stop_driver(CCD)
        host.start_driver(CCD)
    host.stop_driver(CCD)
    eventually(lambda: not offers_a_camera(host))
    host.start_driver(CCD)
    eventually(lambda: offers_a_camera(host))


def test_the_driver_that_is_chosen_meanwhile_is_run_and_given_up_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fifo, "LOOK_EVERY_S", 0.0)
    chosen: list[str] = []
    host = FifoDriverHost(lambda: chosen[:], server.restart, fifo=server.fifo, socket_name=server.socket_name, port=server.port)
    eventually(lambda: host.is_running)
    host.start()
    assert not offers_a_camera_once_tended(host)
    chosen.append(CCD)
    eventually(lambda: offers_a_camera_once_tended(host))
    chosen.clear()
    eventually(lambda: not offers_a_camera_once_tended(host))
    eventually(lambda: server.drivers() == set())
    host.close()


def test_a_restarted_server_is_told_its_drivers_again(host: FifoDriverHost, server: Server) -> None:
    host.start()
    eventually(lambda: offers_a_camera(host))
    host.restart()
    assert host.is_running
    eventually(lambda: offers_a_camera_once_tended(host))
    server.restart()  # by itself, as after a crash: nobody here asked for it
    eventually(lambda: offers_a_camera_once_tended(host))


def test_who_comes_after_a_crash_leaves_no_second_driver_at_the_camera(host: FifoDriverHost, server: Server) -> None:
    host.start()
    eventually(lambda: offers_a_camera(host))
    before = server.drivers()
    assert len(before) == 1
    host.close()  # a program that ended says no more than that
    after = FifoDriverHost((CCD,), server.restart, fifo=server.fifo, socket_name=server.socket_name, port=server.port)
    try:
        after.start()
        eventually(lambda: bool(server.drivers()) and server.drivers().isdisjoint(before))
        eventually(lambda: offers_a_camera(after))
        assert len(server.drivers()) == 1
    finally:
        after.close()


def test_a_server_that_ended_is_missed(host: FifoDriverHost, server: Server) -> None:
    host.start()
    server.stop()
    eventually(lambda: not host.is_running)
    with pytest.raises(CameraError, match="nobody reads"):
        host.start_driver(CCD)
    host.start()
    eventually(lambda: offers_a_camera_once_tended(host))


@pytest.mark.parametrize("name", ["indi_no_such", f"{CCD}\nstart {CCD}", "/bin/sh"])
def test_a_name_that_is_not_installed_reaches_no_server(host: FifoDriverHost, name: str) -> None:
    with pytest.raises(CameraError, match="is installed"):
        host.start_driver(name)
    assert not offers_a_camera(host)
