"""The sky simulator under a real indiserver, looked at through pyindi-client and the UNIX socket like any camera."""

import io
import os
import queue
import signal
import socket
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PyIndi
import pytest
from astropy.io import fits

from appliance.domain.frame import Exposure, FrameKind
from appliance.host.driverhost import ChildDriverHost
from appliance.skysim.config import scene_from
from appliance.skysim.render import render
from tests.integration.camera.rig import driver_pids
from tests.integration.web.crowding import crowding

PROGRAM = Path(__file__).parents[3] / "appliance" / "skysim" / "nightjar-sky"
DEVICE = "Nightjar Sky"
SMALL = {"NIGHTJAR_SKYSIM_WIDTH": "320", "NIGHTJAR_SKYSIM_HEIGHT": "240", "NIGHTJAR_CLOCK": "2026-01-31T22:00:00+00:00@1"}


class Client(PyIndi.BaseClient):  # type: ignore[misc] # PyIndi has no types
    """Keeps every frame and every state of the exposure that the driver sends."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.exposures: list[tuple[str, float]] = []

    def updateProperty(self, prop: Any) -> None:  # noqa: ANN401, N802 - PyIndi's own
        if prop.getType() == PyIndi.INDI_BLOB:
            blob = PyIndi.PropertyBlob(prop)[0]
            self.frames.put((blob.getFormat(), bytes(blob.getblobdata())))
        elif prop.getName() == "CCD_EXPOSURE":
            number = PyIndi.PropertyNumber(prop)
            self.exposures.append((prop.getStateAsString(), number[0].getValue()))


class Camera:
    """The simulator as a client sees it."""

    def __init__(self, host: ChildDriverHost) -> None:
        self.host = host
        self.client = Client()
        self.client.setServer(*host.address)
        until(self.client.connectServer)
        until(lambda: self.client.getDevice(DEVICE) and self.device.getSwitch("CONNECTION"))
        self.client.connectDevice(DEVICE)
        self.client.setBLOBMode(PyIndi.B_ALSO, DEVICE, None)
        until(lambda: self.device.getBLOB("CCD1"))

    @property
    def device(self) -> Any:  # noqa: ANN401 - PyIndi has no types
        return self.client.getDevice(DEVICE)

    def set_numbers(self, name: str, **values: float) -> None:
        vector = self.device.getNumber(name)
        for element in vector:
            if element.getName() in values:
                element.setValue(values[element.getName()])
        self.client.sendNewProperty(vector)

    def set_switch(self, name: str, on: str) -> None:
        vector = self.device.getSwitch(name)
        for element in vector:
            element.setState(PyIndi.ISS_ON if element.getName() == on else PyIndi.ISS_OFF)
        self.client.sendNewProperty(vector)

    def state(self, name: str) -> str:
        return str(self.device.getProperty(name).getStateAsString())

    def number(self, name: str, element: str) -> float:
        return next(float(e.getValue()) for e in self.device.getNumber(name) if e.getName() == element)

    def expose(self, duration_s: float, timeout: float = 60.0) -> tuple[fits.Header, npt.NDArray[np.uint16]]:
        self.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=duration_s)
        format_, data = self.client.frames.get(timeout=timeout)
        if format_ == ".fits.z":
            data = zlib.decompress(data)
        with fits.open(io.BytesIO(data)) as files:
            files.verify("exception")
            return files[0].header.copy(), files[0].data.copy()


def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


@contextmanager
def camera(**environment: str) -> Iterator[Camera]:
    """Run the simulator under an indiserver of its own."""
    host = ChildDriverHost((PROGRAM,), environment=SMALL | environment)
    try:
        host.start()
        made = Camera(host)
        try:
            yield made
        finally:
            made.client.disconnectServer()
    finally:
        host.close()


@pytest.fixture
def sky() -> Iterator[Camera]:
    with camera() as made:
        yield made


def test_a_frame_is_exactly_what_scene_and_header_say(sky: Camera) -> None:
    sky.set_numbers("CCD_GAIN", GAIN=150)
    sky.set_numbers("CCD_OFFSET", OFFSET=30)
    header, pixels = sky.expose(0.3)
    when = datetime.fromisoformat(header["DATE-OBS"]).replace(tzinfo=UTC)
    assert when - datetime(2026, 1, 31, 22, tzinfo=UTC) < timedelta(seconds=30)
    assert (header["INSTRUME"], header["BAYERPAT"], header["FRAME"]) == (DEVICE, "RGGB", "Light")
    wanted = render(scene_from(SMALL), Exposure(FrameKind.LIGHT, 0.3, 150.0, 1, 30), when)
    assert np.array_equal(pixels, wanted)


def test_the_exposure_counts_down_and_ends_well(sky: Camera) -> None:
    sky.client.exposures.clear()
    start = time.monotonic()
    sky.expose(2.2)
    assert time.monotonic() - start >= 2.2
    until(lambda: sky.client.exposures[-1][0] == "Ok")
    states = sky.client.exposures
    busy = [value for state, value in states if state == "Busy"]
    assert busy[0] == pytest.approx(2.2)
    assert len(busy) >= 3
    assert busy == sorted(busy, reverse=True)
    assert states[-1] == ("Ok", 0.0)


def test_accelerated_time_shortens_the_wait_and_dates_the_frame() -> None:
    with camera(NIGHTJAR_CLOCK="2026-06-15T22:00:00+00:00@60") as sky:
        start = time.monotonic()
        first, _ = sky.expose(30.0)
        took = time.monotonic() - start
        second, _ = sky.expose(30.0)
    assert 0.5 <= took < 5.0
    dates = [datetime.fromisoformat(header["DATE-OBS"]) for header in (first, second)]
    assert dates[1] - dates[0] >= timedelta(seconds=30)
    assert dates[0].date().isoformat() == "2026-06-15"
    assert first["EXPTIME"] == 30.0


def test_an_aborted_exposure_gives_no_frame_and_the_next_one_does(sky: Camera) -> None:
    sky.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=60.0)
    until(lambda: sky.state("CCD_EXPOSURE") == "Busy")
    sky.set_switch("CCD_ABORT_EXPOSURE", "ABORT")
    until(lambda: sky.state("CCD_EXPOSURE") == "Idle")
    header, _ = sky.expose(0.05)
    assert header["EXPTIME"] == 0.05
    assert sky.client.frames.empty()


def test_a_new_exposure_takes_the_place_of_a_running_one(sky: Camera) -> None:
    sky.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=60.0)
    until(lambda: sky.state("CCD_EXPOSURE") == "Busy")
    header, _ = sky.expose(0.05)
    assert header["EXPTIME"] == 0.05


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 1e9])
def test_an_impossible_exposure_is_refused(sky: Camera, duration_s: float) -> None:
    sky.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=duration_s)
    until(lambda: sky.state("CCD_EXPOSURE") == "Alert")
    assert sky.expose(0.05)[0]["EXPTIME"] == 0.05


def test_what_no_client_should_send_changes_nothing(sky: Camera) -> None:
    for message in (
        b"<newNumberVector device='Nightjar Sky' name='CCD_GAIN'><oneNumber name='GAIN'>nan</oneNumber></newNumberVector>",
        b"<newNumberVector device='Nightjar Sky' name='CCD_GAIN'><oneNumber name='GAIN'>1;drop</oneNumber></newNumberVector>",
        b"<newNumberVector device='Nightjar Sky' name='CCD_GAIN'><oneNumber name='LOSS'>3</oneNumber></newNumberVector>",
        b"<newSwitchVector device='Nightjar Sky' name='CONNECTION'><oneSwitch name='CONNECT'>Off</oneSwitch></newSwitchVector>",
        b"<newNumberVector device='Nightjar Sky' name='CCD_INFO'><oneNumber name='CCD_MAX_X'>9</oneNumber></newNumberVector>",
    ):
        raw_client(sky.host, message)
    until(lambda: sky.state("CCD_GAIN") == "Alert")
    assert sky.expose(0.05)[0]["GAIN"] == 0.0
    assert sky.number("CCD_INFO", "CCD_MAX_X") == 320


def raw_client(host: ChildDriverHost, message: bytes) -> None:
    """Send bytes to indiserver's TCP port as no library would."""
    with socket.create_connection(("127.0.0.1", host.port), 5) as connection:
        connection.sendall(b"<getProperties version='1.7'/>" + message)
        connection.settimeout(0.3)
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            pass


def test_darks_parts_and_binning(sky: Camera) -> None:
    sky.set_switch("CCD_FRAME_TYPE", "FRAME_DARK")
    header, dark = sky.expose(1.0)
    assert header["IMAGETYP"] == "Dark Frame"
    assert np.median(dark) == pytest.approx(64 * 16, abs=16)
    sky.set_numbers("CCD_FRAME", X=101, Y=51, WIDTH=100, HEIGHT=60)
    header, part = sky.expose(0.05)
    assert part.shape == (60, 100)
    assert header["BAYERPAT"] == "RGGB"
    sky.set_numbers("CCD_BINNING", HOR_BIN=2, VER_BIN=2)
    header, binned = sky.expose(0.05)
    assert binned.shape == (30, 50)
    assert "BAYERPAT" not in header


def test_size_and_mosaic_can_be_changed(sky: Camera) -> None:
    assert sky.device.getText("CCD_CFA")[2].getText() == "RGGB"
    sky.set_numbers("SKY_SIZE", WIDTH=400, HEIGHT=300)
    until(lambda: sky.number("CCD_INFO", "CCD_MAX_X") == 400)
    sky.set_switch("SKY_BAYER", "BGGR")
    until(lambda: sky.device.getText("CCD_CFA") and sky.device.getText("CCD_CFA")[2].getText() == "BGGR")
    header, pixels = sky.expose(0.05)
    assert pixels.shape == (300, 400)
    assert header["BAYERPAT"] == "BGGR"
    sky.set_switch("SKY_BAYER", "MONO")
    until(lambda: not sky.device.getText("CCD_CFA"))
    assert "BAYERPAT" not in sky.expose(0.05)[0]


def test_a_running_exposure_keeps_its_size(sky: Camera) -> None:
    sky.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=1.0)
    until(lambda: sky.state("CCD_EXPOSURE") == "Busy")
    sky.set_numbers("SKY_SIZE", WIDTH=400, HEIGHT=300)
    until(lambda: sky.state("SKY_SIZE") == "Alert")
    sky.client.frames.get(timeout=60)


def test_frames_can_come_compressed_and_sizes_stay_true(sky: Camera) -> None:
    _, plain = sky.expose(0.05)
    sky.set_switch("CCD_COMPRESSION", "INDI_ENABLED")
    _, packed = sky.expose(0.05)
    sky.set_switch("CCD_COMPRESSION", "INDI_DISABLED")
    sky.set_numbers("SKY_SIZE", WIDTH=640, HEIGHT=480)
    until(lambda: sky.number("CCD_INFO", "CCD_MAX_X") == 640)
    _, larger = sky.expose(0.05)
    assert (plain.shape, packed.shape, larger.shape) == ((240, 320), (240, 320), (480, 640))


def test_disconnecting_takes_the_properties_away_and_connecting_brings_them_back(sky: Camera) -> None:
    sky.client.disconnectDevice(DEVICE)
    until(lambda: not sky.device.getNumber("CCD_EXPOSURE"))
    sky.client.connectDevice(DEVICE)
    until(lambda: sky.device.getNumber("CCD_EXPOSURE") and sky.device.getBLOB("CCD1"))
    assert sky.expose(0.05)[1].shape == (240, 320)


def test_a_twelve_megapixel_frame_arrives_whole() -> None:
    with camera(NIGHTJAR_SKYSIM_WIDTH="4056", NIGHTJAR_SKYSIM_HEIGHT="3040") as sky:
        header, pixels = sky.expose(0.05, timeout=60)
        (pid,) = driver_pids(sky.host)
        peak_kb = next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line)
    print(f"peak of the driver at 4056 x 3040: {peak_kb // 1024} MB")
    assert pixels.shape == (3040, 4056)
    assert header["NAXIS1"] == 4056
    assert peak_kb < 600 * 1024


def test_a_frame_waits_for_a_server_that_does_not_read() -> None:
    with camera(NIGHTJAR_SKYSIM_WIDTH="1280", NIGHTJAR_SKYSIM_HEIGHT="960") as sky:
        sky.expose(0.05)  # the maps of the lens are made
        sky.set_numbers("CCD_EXPOSURE", CCD_EXPOSURE_VALUE=2.0)
        until(lambda: sky.state("CCD_EXPOSURE") == "Busy")
        assert sky.host.pid is not None
        os.kill(sky.host.pid, signal.SIGSTOP)
        time.sleep(3.0)
        os.kill(sky.host.pid, signal.SIGCONT)
        _, data = sky.client.frames.get(timeout=60)
    with fits.open(io.BytesIO(data)) as files:
        header, pixels = files[0].header, files[0].data
    when = datetime.fromisoformat(header["DATE-OBS"]).replace(tzinfo=UTC)
    assert np.array_equal(pixels, render(scene_from({}), Exposure(FrameKind.LIGHT, 2.0, 0.0, 1, 64), when))


def test_it_starts_quickly_rests_quietly_and_ends_with_its_server() -> None:
    start = time.monotonic()
    with camera() as sky:
        assert time.monotonic() - start < 5.0 * crowding()
        sky.expose(0.05)
        (pid,) = driver_pids(sky.host)
        time.sleep(0.3)
        before = cpu_ticks(pid)
        time.sleep(2.0)
        assert cpu_ticks(pid) - before <= 1
        assert sky.host.pid is not None
        os.kill(sky.host.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize(("name", "text"), [("NIGHTJAR_SKYSIM_WIDTH", "wide"), ("NIGHTJAR_CLOCK", "soon")])
def test_a_bad_environment_is_one_line_and_exit_code_two(name: str, text: str) -> None:
    done = subprocess.run([PROGRAM], env=os.environ | {name: text}, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
