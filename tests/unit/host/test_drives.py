"""Drives, as far as no udisks is needed: what is asked for, and answers of another shape."""

import pytest

from appliance.domain.errors import MachineError, ServiceError, UnavailableError
from appliance.host.drives import ROOT, SERVICE, Drives, Volume
from tests.unit.host.madeupbus import MadeUpBus

STICK = Volume("/block/sda1", "/dev/sda1", "/drive", "vfat", "", "1234-ABCD", 1, True, "usb", False, False, (), "")
ALONE = {"auth.no_user_interaction": ("b", True)}


class PatientBus(MadeUpBus):
    """Udisks may take its time with a slow stick."""

    def call(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: tuple[object, ...] = (),
        *,
        timeout_s: float = 10.0,
    ) -> tuple[object, ...]:
        assert timeout_s < 30, "whoever waits must beat every 30 s"
        return super().call(service, path, interface, method, signature, body)


def test_letting_go_asks_the_volume_and_then_its_drive() -> None:
    bus = PatientBus()
    drives = Drives(bus)
    drives.unmount(STICK)
    drives.power_off(STICK)
    drives.watch()
    assert bus.asked == [
        (SERVICE, "/block/sda1", f"{SERVICE}.Filesystem", "Unmount", "a{sv}", (ALONE,)),
        (SERVICE, "/drive", f"{SERVICE}.Drive", "PowerOff", "a{sv}", (ALONE,)),
        (SERVICE, ROOT, None, None),
    ]


@pytest.mark.parametrize("answer", [("",), ("relative",), (b"/media/x",), (), ("/media/x", "/media/y")])
def test_a_mount_point_that_is_none_is_an_error(answer: tuple[object, ...]) -> None:
    with pytest.raises(MachineError, match="did not say where"):
        Drives(PatientBus({"Mount": [answer]})).mount(STICK, ())


def test_a_list_that_is_none_is_an_error() -> None:
    with pytest.raises(MachineError, match="no list of drives"):
        Drives(MadeUpBus({"GetManagedObjects": [("none",)]})).volumes()


def test_a_refusal_keeps_its_name_and_an_absence_stays_one() -> None:
    bus = PatientBus({"Unmount": [ServiceError(f"{SERVICE}.Error.DeviceBusy", "target is busy"), UnavailableError("away")]})
    with pytest.raises(ServiceError, match="something on this machine still uses it") as refused:
        Drives(bus).unmount(STICK)
    assert refused.value.name == f"{SERVICE}.Error.DeviceBusy"
    with pytest.raises(UnavailableError, match="away"):
        Drives(bus).unmount(STICK, force=True)
