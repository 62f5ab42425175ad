"""The camera service on a real indiserver with libindi's own simulator: nothing is lost, and everything comes back."""

import os
import signal
import time
from itertools import pairwise

import numpy as np
import pytest

from appliance.camera.indi import IndiConnection
from appliance.domain.clock import clock_from
from appliance.domain.commands import PauseCapture, ReconnectCamera, ResumeCapture
from appliance.domain.frame import BayerPattern
from appliance.host.driverhost import ChildDriverHost, StaticDriverHost
from tests.integration.camera.rig import Rig, camera_settings, driver_pids, open_files, rss_kb, running, threads

pytestmark = pytest.mark.needs("indiserver", "indi_simulator_ccd")

SIMULATOR = "CCD Simulator"
RESUME_S = 120


def simulator() -> ChildDriverHost:
    return ChildDriverHost(("indi_simulator_ccd",))


def ask(drivers: ChildDriverHost, name: str, element: str) -> None:
    """Turn a switch of the simulator on, over a connection of our own."""
    deadline = time.monotonic() + 10
    connection = IndiConnection(*drivers.address)
    while not connection.connect():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    try:
        while connection.get(SIMULATOR, name) is None and time.monotonic() < deadline:
            connection.changes.wait(connection.changes.revision, 0.2)
        assert connection.set_switch(SIMULATOR, name, element)
        time.sleep(0.2)  # the driver's answer must not meet a closed connection
    finally:
        connection.close()


def assert_balanced(rig: Rig) -> None:
    status = rig.status.value
    assert status.started - status.received - status.dropped in (0, 1), "each started exposure is received, dropped or runs"


def test_500_frames_at_the_shortest_cadence_none_lost_and_memory_flat() -> None:
    with running(simulator()) as rig:
        rig.keeps = 2
        rig.receive(100, 60)  # buffers of libindi and numpy have their size now
        before = rss_kb()
        seconds = rig.receive(400, 200)
        growth = rss_kb() - before
        status = rig.status.value
        print(f"500 frames, {400 / seconds:.1f} a second, memory grew by {growth} kB over 400")
        assert status.received >= 500
        assert status.dropped == 0
        assert rig.frames.dropped == 0
        assert_balanced(rig)
        assert growth < 4096
        assert rig.issues_seen == set()


def test_a_frame_is_what_the_settings_ask_for() -> None:
    with running(simulator(), camera_settings(duration_s=0.05, gain=40, binning=2, offset_adu=100)) as rig:
        rig.receive(2, 30)
        frame = rig.taken[-1]
        assert frame.pixels.shape == (512, 640)
        assert frame.pixels.dtype == np.uint16
        assert not frame.pixels.flags.writeable
        assert (frame.exposure.duration_s, frame.exposure.gain, frame.exposure.binning, frame.exposure.offset_adu) == (
            0.05,
            40,
            2,
            100,
        )
        assert frame.sensor_temperature_c is not None
        assert frame.started_at.utcoffset() is not None
        status = rig.status.value
        assert (status.device, status.devices) == (SIMULATOR, (SIMULATOR,))


def test_a_changed_setting_shows_in_the_next_exposure() -> None:
    with running(simulator()) as rig:
        rig.receive(2, 30)
        rig.settings.publish(camera_settings(duration_s=0.2, binning=4))
        rig.receive(2, 30)
        assert rig.taken[-1].exposure.duration_s == 0.2
        assert rig.taken[-1].pixels.shape == (256, 320)


def test_a_bayer_mosaic_is_named() -> None:
    drivers = simulator()
    drivers.start()
    ask(drivers, "SIMULATE_BAYER", "INDI_ENABLED")  # the simulator takes it before it is switched on
    with running(drivers) as rig:
        rig.receive(1, 30)
        assert rig.taken[-1].bayer is BayerPattern.RGGB


def test_an_unknown_device_is_waited_for_and_a_right_one_found_at_once() -> None:
    with running(simulator(), camera_settings(device="No Such Camera")) as rig:
        rig.until(lambda: "No Such Camera" in rig.status.value.message, 10)
        rig.settings.publish(camera_settings(device=SIMULATOR))
        rig.receive(1, 30)


def test_a_slow_consumer_stops_the_camera_and_nothing_is_lost() -> None:
    with running(simulator()) as rig:
        taken = 0
        while taken < 12:
            for _ in range(6):
                rig.step(takes=False)
            assert len(rig.frames) <= 2
            taken += rig.frames.take(0) is not None
        rig.until(lambda: len(rig.frames) == 2 and rig.status.value.state == "waiting", 30, takes=False)
        status = rig.status.value
        assert (status.dropped, rig.frames.dropped) == (0, 0)
        assert status.started == status.received == taken + 2
        before = status.started
        for _ in range(10):
            rig.step(takes=False)
        assert rig.status.value.started == before, "no exposure starts while there is no room for its frame"


def test_the_period_is_kept() -> None:
    with running(simulator(), camera_settings(period_s=1.0)) as rig:
        rig.receive(1, 30)
        seconds = rig.receive(5, 30)
        assert 4.0 < seconds < 7.0
        moments = [frame.started_at for frame in rig.taken[-4:]]
        gaps = [(b - a).total_seconds() for a, b in pairwise(moments)]
        assert all(0.8 < gap < 1.3 for gap in gaps), gaps
        assert rig.status.value.next_expected_at is not None


def test_the_period_follows_an_accelerated_clock() -> None:
    clock = clock_from("2026-01-31T18:00:00+00:00@60")
    with running(simulator(), camera_settings(period_s=60), clock) as rig:
        rig.receive(1, 30)
        assert rig.receive(4, 30) < 8


def test_a_pause_holds_and_a_resume_goes_on() -> None:
    with running(simulator()) as rig:
        rig.receive(2, 30)
        rig.commands.put(PauseCapture())
        rig.until(lambda: rig.status.value.state == "paused", 10)
        count = rig.status.value.started
        for _ in range(3):
            rig.step()
        assert rig.status.value.started == count
        rig.commands.put(ResumeCapture())
        rig.receive(2, 10)
        assert rig.status.value.dropped == 0


def test_a_person_may_ask_for_a_new_connection() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        rig.receive(2, 30)
        server = drivers.pid
        rig.commands.put(ReconnectCamera())
        rig.until(lambda: drivers.pid != server, 10)
        rig.receive(2, 60)
        assert rig.issues == set()


def test_frames_resume_after_a_sigkill_of_the_server() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        rig.receive(3, 30)
        assert drivers.pid is not None
        os.kill(drivers.pid, signal.SIGKILL)
        rig.until(lambda: "camera.absent" in rig.issues, 30)
        seconds = rig.receive(3, RESUME_S)
        print(f"frames resumed {seconds:.1f} s after SIGKILL of indiserver")
        assert rig.issues == set(), "the issue clears by itself"
        assert_balanced(rig)


def test_frames_resume_after_a_sigstop_of_the_driver() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        rig.receive(3, 30)
        (pid,) = driver_pids(drivers)
        os.kill(pid, signal.SIGSTOP)
        rig.until(lambda: "camera.hung" in rig.issues, 60)
        seconds = rig.receive(3, RESUME_S)
        print(f"frames resumed {seconds:.1f} s after the driver was found to hang")
        assert rig.issues == set()
        assert driver_pids(drivers) != [pid]
        assert_balanced(rig)


def test_frames_resume_after_the_server_itself_hangs() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        rig.receive(3, 30)
        assert drivers.pid is not None
        os.kill(drivers.pid, signal.SIGSTOP)
        seconds = rig.receive(3, RESUME_S)
        print(f"frames resumed {seconds:.1f} s after SIGSTOP of indiserver")
        assert rig.issues == set()


def test_frames_resume_after_the_driver_has_crashed_more_often_than_the_server_forgives() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        for _ in range(11):
            rig.receive(2, RESUME_S)
            (pid,) = driver_pids(drivers)
            os.kill(pid, signal.SIGSEGV)
        seconds = rig.receive(3, RESUME_S)
        print(f"frames resumed {seconds:.1f} s after the eleventh crash")
        assert rig.issues == set()
        assert_balanced(rig)


def test_frames_resume_after_a_crash_inside_the_driver() -> None:
    drivers = simulator()
    with running(drivers) as rig:
        rig.receive(2, 30)
        ask(drivers, "CCD_SIMULATE_CRASH", "CRASH")
        rig.receive(1, RESUME_S)
        rig.receive(3, RESUME_S)
        assert rig.issues == set()
        assert_balanced(rig)


def test_a_remote_server_is_reached_over_tcp(free_port: int) -> None:
    server = ChildDriverHost(("indi_simulator_ccd",), port=free_port)
    server.start()
    try:
        remote = camera_settings(transport="remote", remote_host="127.0.0.1", remote_port=free_port)
        with running(StaticDriverHost("nowhere", 1), remote) as rig:
            rig.receive(5, 40)
            assert rig.status.value.dropped == 0
            server.restart()
            rig.receive(3, RESUME_S)
            assert rig.issues == set()
    finally:
        server.close()


def test_a_remote_server_that_is_not_there_is_looked_for_for_ever(free_port: int) -> None:
    remote = camera_settings(transport="remote", remote_host="127.0.0.1", remote_port=free_port)
    with running(StaticDriverHost("nowhere", 1), remote) as rig:
        for _ in range(6):
            rig.step()
        assert rig.status.value.state in ("starting", "absent")
        server = ChildDriverHost(("indi_simulator_ccd",), port=free_port)
        server.start()
        try:
            rig.receive(1, 40)
        finally:
            server.close()


def test_50_connections_leave_no_thread_file_or_memory_behind() -> None:
    drivers = simulator()
    drivers.start()
    try:
        marks = []
        for turn in range(50):
            connection = IndiConnection(*drivers.address)
            deadline = time.monotonic() + 10
            while not connection.connect():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            while not connection.cameras():
                assert time.monotonic() < deadline
                connection.changes.wait(connection.changes.revision, 0.2)
            connection.close()
            if turn in (9, 49):
                marks.append((threads(), open_files(), rss_kb()))
        print(f"threads, files, kB after 10 connections {marks[0]}, after 50 {marks[1]}")
        assert marks[1][0] <= marks[0][0]
        assert marks[1][1] <= marks[0][1]
        assert marks[1][2] - marks[0][2] < 4096
    finally:
        drivers.close()
