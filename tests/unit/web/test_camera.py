"""The page of the camera's driver."""

import pytest

from appliance.domain.driver import PluggedCamera
from appliance.settings.schema import Transport
from appliance.web.app import Panel
from tests.unit.web.machinery import FakeCameraDrivers
from tests.unit.web.world import Caller, World, callers

ZWO = PluggedCamera("ZWO <ASI178MC>", "indi_asi_ccd", "indi-asi")


@pytest.fixture
def drivers(world: World) -> FakeCameraDrivers:
    world.claim()
    assert isinstance(world.parts.camera_drivers, FakeCameraDrivers)
    return world.parts.camera_drivers


@pytest.fixture
def people(world: World, drivers: FakeCameraDrivers) -> dict[str, Caller]:
    assert drivers.is_followed
    return callers(Panel(world.parts), world)


def chosen(world: World) -> tuple[str, str]:
    camera = world.parts.settings.published.value.camera
    return camera.driver, camera.device


def test_the_driver_of_the_camera_that_is_plugged_in_is_proposed(drivers: FakeCameraDrivers, people: dict[str, Caller]) -> None:
    assert "No camera is found on USB" in people["admin"].get("/camera").text
    drivers.cameras = (ZWO, PluggedCamera("Mars-C", "", "indi-playerone"))
    page = people["admin"].get("/camera").text
    assert "ZWO &lt;ASI178MC&gt;" in page
    assert "Its driver is indi_asi_ccd." in page
    assert page.count('<input type="hidden" name="driver" value="indi_asi_ccd">') == 2
    assert "package is indi-playerone." in page
    assert 'action="/camera/driver"' not in people["staff"].get("/camera").text


def test_the_admins_choice_is_what_the_indi_server_is_told(
    world: World, drivers: FakeCameraDrivers, people: dict[str, Caller]
) -> None:
    drivers.cameras = (ZWO,)
    settings = world.parts.settings.published.value
    camera = settings.camera.model_copy(update={"device": "CCD Simulator"})
    world.parts.settings.save(settings.model_copy(update={"camera": camera}), "test")
    reply = people["admin"].post("/camera/driver", {"driver": "indi_asi_ccd"})
    assert (reply.status, reply.header("Location")) == (303, "/camera?done=driver")
    assert chosen(world) == ("indi_asi_ccd", "")
    page = people["admin"].get("/camera").text
    assert "Its driver indi_asi_ccd is in use." in page
    assert page.count('class="badge good">in use') == 1
    assert people["admin"].post("/camera/driver", {"driver": ""}).status == 303
    assert chosen(world) == ("", "")
    told = [(entry.action, entry.detail) for entry in world.parts.audit.page() if "driver" in entry.action]
    assert told == [("camera driver chosen", "none"), ("camera driver chosen", "indi_asi_ccd")]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"driver": "indi_gone_ccd"}, "No such driver of cameras is installed"),
        ({"driver": "../sh"}, "No such driver"),
        ({}, "Choose a driver."),
    ],
)
def test_what_is_not_installed_is_not_run(world: World, people: dict[str, Caller], form: dict[str, str], words: str) -> None:
    reply = people["admin"].post("/camera/driver", form)
    assert reply.status == 400
    assert words in reply.text
    assert chosen(world) == ("", "")
    assert not [entry for entry in world.parts.audit.page() if "driver" in entry.action]


def test_where_the_server_follows_no_setting_nothing_is_offered(
    world: World, drivers: FakeCameraDrivers, people: dict[str, Caller]
) -> None:
    drivers.is_followed = False
    assert 'action="/camera/driver"' not in people["admin"].get("/camera").text
    reply = people["admin"].post("/camera/driver", {"driver": "indi_asi_ccd"})
    assert reply.status == 409
    assert chosen(world) == ("", "")


def test_that_another_machines_server_is_used_is_said(world: World, people: dict[str, Caller]) -> None:
    settings = world.parts.settings.published.value
    camera = settings.camera.model_copy(update={"transport": Transport.REMOTE, "remote_host": "192.0.2.7"})
    world.parts.settings.save(settings.model_copy(update={"camera": camera}), "test")
    assert "INDI server is used" in people["staff"].get("/camera").text
