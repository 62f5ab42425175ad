"""A host with a real indiserver: it starts, restarts, says what it hears, and leaves nothing behind."""

import logging
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.camera.indi import IndiConnection
from appliance.host.driverhost import ChildDriverHost
from tests.integration.camera.rig import driver_pids, group_pids

pytestmark = pytest.mark.needs("indiserver", "indi_simulator_ccd")

DRIVER = "indi_simulator_ccd"


def eventually(condition: Callable[[], bool], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def host() -> Iterator[ChildDriverHost]:
    made = ChildDriverHost((DRIVER,))
    made.start()
    try:
        eventually(lambda: len(driver_pids(made)) == 1)
        yield made
    finally:
        made.close()


def offers_a_camera(host: ChildDriverHost) -> bool:
    connection = IndiConnection(*host.address)
    try:
        if not connection.connect():
            return False
        connection.changes.wait(connection.changes.revision, 1.0)
        return bool(connection.cameras())
    finally:
        connection.close()


def test_a_second_start_changes_nothing(host: ChildDriverHost) -> None:
    pid = host.pid
    host.start()
    assert host.pid == pid


def test_a_restart_is_a_new_server_on_a_port_of_its_own(host: ChildDriverHost) -> None:
    pid, (old,) = host.pid, driver_pids(host)
    host.restart()
    assert host.pid != pid
    assert host.is_running
    eventually(lambda: len(driver_pids(host)) == 1 and offers_a_camera(host))
    assert old not in driver_pids(host)


def test_close_ends_the_server_and_drivers_that_hang(host: ChildDriverHost) -> None:
    assert host.pid is not None
    group = host.pid
    (driver,) = driver_pids(host)
    os.kill(driver, signal.SIGSTOP)
    assert set(group_pids(group)) == {group, driver}
    host.close()
    eventually(lambda: group_pids(group) == [])
    assert not host.is_running


def test_close_ends_drivers_that_outlived_their_server(host: ChildDriverHost) -> None:
    assert host.pid is not None
    group = host.pid
    (driver,) = driver_pids(host)
    os.kill(driver, signal.SIGSTOP)
    os.kill(group, signal.SIGKILL)
    eventually(lambda: not host.is_running)
    assert group_pids(group) == [driver]
    host.close()
    eventually(lambda: group_pids(group) == [])


def test_a_driver_is_stopped_and_started_by_name_also_one_that_hangs(host: ChildDriverHost) -> None:
    (driver,) = driver_pids(host)
    os.kill(driver, signal.SIGSTOP)
    host.stop_driver(DRIVER)
    eventually(lambda: driver not in driver_pids(host))
    host.start_driver(DRIVER)
    eventually(lambda: len(driver_pids(host)) == 1 and offers_a_camera(host))


def test_what_the_server_says_is_logged(host: ChildDriverHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "appliance.host.driverhost")
    (driver,) = driver_pids(host)
    os.kill(driver, signal.SIGKILL)

    def is_heard() -> bool:
        host.tend()
        return any("restart #" in record.getMessage() for record in caplog.records)

    eventually(is_heard)


def test_its_folder_is_private_and_goes_with_it(host: ChildDriverHost) -> None:
    folder = host._folder
    assert folder is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "fifo").stat().st_mode) == 0o600
    host.close()
    assert not folder.exists()


def test_the_environment_reaches_the_drivers_and_home_is_not_the_users(host: ChildDriverHost) -> None:
    host.close()
    other = ChildDriverHost((DRIVER,), environment={"NIGHTJAR_MARK": "here"})
    other.start()
    try:
        eventually(lambda: len(driver_pids(other)) == 1)
        (driver,) = driver_pids(other)
        eventually(lambda: DRIVER.encode() in Path(f"/proc/{driver}/cmdline").read_bytes())
        words = Path(f"/proc/{driver}/environ").read_bytes().split(b"\0")
        assert b"NIGHTJAR_MARK=here" in words
        assert f"HOME={other._folder}".encode() in words
    finally:
        other.close()


def test_a_driver_in_a_folder_whose_name_has_spaces_runs_and_restarts(tmp_path: Path) -> None:
    folder = tmp_path / "my programs' folder"
    folder.mkdir()
    program = folder / "a-camera"
    program.write_text(f"#!/bin/sh\nexec {DRIVER}\n")
    program.chmod(0o755)
    made = ChildDriverHost((program,))
    made.start()
    try:
        eventually(lambda: offers_a_camera(made))
        (old,) = driver_pids(made)
        made.stop_driver("a-camera")
        made.start_driver("a-camera")
        eventually(lambda: offers_a_camera(made) and driver_pids(made) not in ([], [old]))
    finally:
        made.close()


def test_the_server_dies_with_a_parent_that_is_killed(tmp_path: Path, project: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import time\nfrom appliance.host.driverhost import ChildDriverHost\n"
        f"host = ChildDriverHost(({DRIVER!r},))\nhost.start()\nprint(host.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True, cwd=project, env=os.environ | {"PYTHONPATH": "."}
    ) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        eventually(lambda: len(group_pids(group)) == 2)
        parent.kill()
        parent.wait()
    eventually(lambda: group_pids(group) == [])
