"""Installed INDI drivers of cameras, and cameras on USB: on made-up trees, and this machine's own packages."""

from pathlib import Path

import pytest

from appliance.domain.driver import CameraDriver, PluggedCamera
from appliance.host.indidrivers import MAKES, IndiDrivers

RULES = Path(__file__).parents[3] / "rootfs-overlay/usr/lib/udev/rules.d/60-nightjar-cameras.rules"
CATALOGUE = """<?xml version="1.0" encoding="UTF-8"?>
<driversList>
<devGroup group="CCDs">
  <device label="ZWO CCD" mdpd="true" manufacturer="ZWO"><driver name="ZWO CCD">indi_asi_ccd</driver></device>
  <device label="Canon DSLR"><driver name="Canon DSLR">indi_canon_ccd</driver></device>
  <device label="GPhoto CCD"><driver>indi_gphoto_ccd</driver></device>
  <device label="GPhoto CCD"><driver>indi_gphoto_ccd</driver></device>
  <device label="Gone"><driver>indi_gone_ccd</driver></device>
  <device label="Outside"><driver>../../bin/sh</driver></device>
  <device label="Guide Simulator"><driver>indi_simulator_guide</driver></device>
  <device><version>1</version></device>
</devGroup>
<devGroup group="Filter Wheels"><device label="ZWO EFW"><driver>indi_asi_wheel</driver></device></devGroup>
</driversList>
"""
PROGRAMS = ("indi_asi_ccd", "indi_asi_wheel", "indi_canon_ccd", "indi_gphoto_ccd", "indi_simulator_guide", "nightjar-sky", "sh")


class Machine:
    """Trees in the place of the machine's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs, self.catalogues = folder / "bin", folder / "indi"
        for made in (self.programs, self.catalogues):
            made.mkdir()
        for name in PROGRAMS:
            self.install(name)
        (self.catalogues / "indi_cameras.xml").write_text(CATALOGUE)

    def install(self, name: str) -> None:
        (self.programs / name).touch(0o755)

    def plug(self, socket: str, vendor: str, *interfaces: str, manufacturer: str = "", product: str = "") -> None:
        usb = self.folder / "sys/bus/usb/devices"
        files = {f"{socket}/idVendor": vendor, f"{socket}/manufacturer": manufacturer, f"{socket}/product": product}
        for number, kind in enumerate(interfaces):
            words = zip(("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"), kind.split(), strict=True)
            files |= {f"{socket}:1.{number}/{name}": word for name, word in words}
        for name, text in files.items():
            (usb / name).parent.mkdir(parents=True, exist_ok=True)
            (usb / name).write_text(f"{text}\n")

    @property
    def drivers(self) -> IndiDrivers:
        return IndiDrivers(is_followed=True, programs=self.programs, catalogues=self.catalogues, root=self.folder)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_drivers_of_cameras_are_listed_that_are_installed_and_no_others(machine: Machine) -> None:
    assert machine.drivers.installed() == (
        CameraDriver("indi_asi_ccd", ("ZWO CCD",)),
        CameraDriver("indi_canon_ccd", ("Canon DSLR",)),
        CameraDriver("indi_gphoto_ccd", ("GPhoto CCD",)),
        CameraDriver("nightjar-sky", ("Simulated sky, for trying things out",)),
    )


@pytest.mark.parametrize("content", ["", "<driversList><devGroup", "<driversList/>", "x" * (1 << 21)])
def test_a_list_that_cannot_be_read_costs_its_own_drivers_only(machine: Machine, content: str) -> None:
    (machine.catalogues / "indi_broken.xml").write_text(content)
    assert len(machine.drivers.installed()) == 4


@pytest.mark.needs("indiserver")
def test_the_packages_of_this_machine_list_its_simulator() -> None:
    found = {driver.name: driver.cameras for driver in IndiDrivers(is_followed=True).installed()}
    assert found["indi_simulator_ccd"] == ("CCD Simulator",)
    assert "indi_simulator_telescope" not in found
    assert "indi_simulator_guide" not in found


def test_the_driver_of_a_camera_on_usb_is_proposed(machine: Machine) -> None:
    machine.plug("1-1", "1d6b", "09 00 00", product="hub")
    machine.plug("1-1.2", "03c3", "ff 00 00", manufacturer="ZWO", product="ASI178MC")
    machine.plug("1-1.3", "04a9", "06 01 01", product="Canon EOS 600D")
    assert machine.drivers.plugged() == (
        PluggedCamera("ZWO ASI178MC", "indi_asi_ccd", "indi-asi"),
        PluggedCamera("Canon EOS 600D", "indi_canon_ccd", "indi-gphoto"),
    )


def test_makers_of_cameras_make_other_things_too(machine: Machine) -> None:
    machine.plug("1-1", "04a9", "07 01 02", product="Canon printer")
    assert machine.drivers.plugged() == ()


def test_what_calls_itself_a_camera_gets_the_first_driver_of_webcams_that_is_installed(machine: Machine) -> None:
    machine.plug("2-1", "046d", "01 01 00", "0e 01 00", "0e 02 00", product="HD Webcam C270")
    assert [camera.driver for camera in machine.drivers.plugged()] == [""]
    (machine.catalogues / "drivers.xml").write_text(
        '<driversList><devGroup group="CCDs"><device label="V4L2 CCD"><driver>indi_v4l2_ccd</driver></device>'
        '<device label="INDI Webcam"><driver>indi_webcam_ccd</driver></device></devGroup></driversList>'
    )
    machine.install("indi_v4l2_ccd")
    assert [camera.driver for camera in machine.drivers.plugged()] == ["indi_v4l2_ccd"]
    machine.install("indi_webcam_ccd")
    assert machine.drivers.plugged() == (PluggedCamera("HD Webcam C270", "indi_webcam_ccd", "indi-webcam"),)


def test_a_camera_whose_driver_is_missing_is_told_with_its_package_and_its_name_is_bounded(machine: Machine) -> None:
    machine.plug("1-1", "a0a0", "ff 00 00", product="N" * 300)
    machine.plug("1-2", "1278", "ff 00 00", product="\x1b[31mred\x07")
    assert machine.drivers.plugged() == (
        PluggedCamera("N" * 60, "", "indi-playerone"),
        PluggedCamera("[31mred", "", "indi-sx"),
    )


def test_every_make_whose_node_the_indi_server_gets_has_a_driver_and_no_other() -> None:
    rules = [line for line in RULES.read_text().split("\n") if 'GOTO="nightjar_camera"' in line]
    named = {number for line in rules for number in line.split('idVendor}=="')[1].split('"')[0].split("|")}
    assert named == MAKES.keys()
