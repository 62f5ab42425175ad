"""What the service relies on, of every camera: the real one behind indiserver and the scripted one of the unit tests."""

import time
from collections.abc import Iterator

import pytest

from appliance.camera.indicamera import IndiCamera
from appliance.camera.port import Camera
from appliance.domain.clock import SystemClock
from appliance.domain.errors import CameraLostError
from appliance.domain.frame import Exposure, FrameKind, RawFrame
from appliance.host.driverhost import ChildDriverHost
from tests.unit.camera.scripted import HandClock, ScriptedCamera

pytestmark = pytest.mark.needs("indiserver", "indi_simulator_ccd")

EXPOSURE = Exposure(FrameKind.LIGHT, 0.05, 0.0)


@pytest.fixture(params=["indi", "scripted"])
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    if request.param == "scripted":
        yield ScriptedCamera(HandClock())
        return
    host = ChildDriverHost(("indi_simulator_ccd",))
    host.start()
    made = IndiCamera(lambda: host.address, "", SystemClock())
    try:
        yield made
    finally:
        made.close()
        host.close()


def prepare(camera: Camera) -> None:
    deadline = time.monotonic() + 20
    while camera.prepare(0.5) is not None:
        assert time.monotonic() < deadline


def expose(camera: Camera) -> RawFrame:
    camera.start(EXPOSURE)
    deadline = time.monotonic() + 20
    while (frame := camera.poll(0.5)) is None:
        assert time.monotonic() < deadline
    return frame


def test_a_prepared_camera_has_a_name_and_takes_frames(camera: Camera) -> None:
    prepare(camera)
    description = camera.describe()
    assert description.device in description.devices
    for _ in range(3):
        frame = expose(camera)
        assert frame.exposure == EXPOSURE
        assert not frame.pixels.flags.writeable


def test_a_frame_is_given_once(camera: Camera) -> None:
    prepare(camera)
    expose(camera)
    with pytest.raises(ValueError, match="without an exposure"):
        camera.poll(0.0)


def test_an_aborted_exposure_gives_no_frame_and_the_next_one_does(camera: Camera) -> None:
    prepare(camera)
    camera.start(Exposure(FrameKind.LIGHT, 30.0, 0.0))
    assert camera.abort(3.0)
    with pytest.raises(ValueError, match="without an exposure"):
        camera.poll(0.0)
    assert expose(camera).exposure == EXPOSURE


def test_a_closed_camera_takes_no_exposure(camera: Camera) -> None:
    prepare(camera)
    camera.close()
    camera.close()
    with pytest.raises(CameraLostError):
        camera.start(EXPOSURE)
