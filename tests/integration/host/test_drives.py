"""Drives with a udisks2 that is made up: a USB stick as udisks2 tells of one, what it is asked for, and what it may refuse."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from appliance.domain.errors import DeniedError, MachineError, ServiceError, UnavailableError
from appliance.export.policy import mount_options, refusal
from appliance.host.bus import RESYNC, Bus, Signal
from appliance.host.drives import ROOT, SERVICE, Drives, Volume
from tests.integration.host.madeupudisks import (
    BLOCK,
    FILE_SYSTEM,
    OBJECTS,
    STICK,
    STICK_DRIVE,
    MadeUpUdisks,
    block,
    drive,
    made_up_udisks,
    mounted,
)
from tests.integration.host.standin import START_S, Call, Interfaces, Refusal, bare_bus

pytestmark = pytest.mark.needs("dbus-daemon")

OF_THE_STICK = Volume(
    object_path=STICK,
    device="/dev/sda1",
    drive_path=STICK_DRIVE,
    fs_type="exfat",
    label="HOLIDAY",
    uuid="1234-ABCD",
    size_bytes=32 << 30,
    is_removable=True,
    connection_bus="usb",
    is_read_only=False,
    is_system_hint=False,
    mount_points=(),
    model="Acme Flash",
)
ALONE = {"auth.no_user_interaction": ("b", True)}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with bare_bus(tmp_path) as address:
        yield address


@pytest.fixture
def udisks(address: str, tmp_path: Path) -> Iterator[MadeUpUdisks]:
    with made_up_udisks(address, tmp_path / "stick") as udisks:
        yield udisks


@pytest.fixture
def drives(address: str, udisks: MadeUpUdisks) -> Drives:
    udisks.plug()
    return Drives(Bus(address))


def test_a_stick_is_told_of_exactly(drives: Drives) -> None:
    (stick,) = drives.volumes()
    assert stick == OF_THE_STICK
    assert refusal(stick, (stick,), set()) is None


def test_what_can_hold_a_file_system_is_told_of_and_nothing_else(drives: Drives, udisks: MadeUpUdisks) -> None:
    card, reader, whole = (f"{ROOT}/drives/{name}" for name in ("card", "reader", "whole"))
    udisks.objects |= {
        f"{ROOT}/Manager": {f"{SERVICE}.Manager": {"Version": ("s", "2.10.1")}},
        card: drive("", "SD32G", bus="sdio", removable=False),
        reader: drive("Acme", "Reader", bus="usb", removable=True),
        whole: drive("Ünlü", "", bus="usb", removable=True),
    }
    blocks: dict[str, Interfaces] = {
        "mmcblk0": {BLOCK: block("/dev/mmcblk0", card, HintSystem=True), f"{SERVICE}.PartitionTable": {}},
        "mmcblk0p7": {
            BLOCK: block("/dev/mmcblk0p7", card, fs=("ext4", "data", "u-7"), HintSystem=True),
            FILE_SYSTEM: mounted("/data", "/var/lib/nightjar"),
            f"{SERVICE}.Partition": {"IsContainer": ("b", False)},
        },
        "mmcblk0p9": {BLOCK: block("/dev/mmcblk0p9", card), f"{SERVICE}.Partition": {"IsContainer": ("b", True)}},
        "sdb": {BLOCK: block("/dev/sdb", reader, size=0)},
        "sdc": {
            BLOCK: block("/dev/sdc", whole, fs=("vfat", "A\N{WHITE SMILING FACE}B", "u-c"), ReadOnly=True),
            FILE_SYSTEM: mounted(),
        },
        "sdd": {BLOCK: block("/dev/sdd", whole, HintIgnore=True)},
        "ram0": {BLOCK: block("/dev/ram0", "/")},
        "dm_2d0": {BLOCK: block("/dev/dm-0", "/", fs=("ext4", "", "u-dm")), FILE_SYSTEM: mounted()},
        "loop0": {BLOCK: block("/dev/loop0", "/", fs=("vfat", "NIGHTJAR", "u-l")), FILE_SYSTEM: mounted(), f"{SERVICE}.Loop": {}},
    }
    udisks.objects |= {f"{ROOT}/block_devices/{name}": interfaces for name, interfaces in blocks.items()}
    found = {volume.device: volume for volume in drives.volumes()}
    assert list(found) == ["/dev/loop0", "/dev/mmcblk0p7", "/dev/sda1", "/dev/sdc"]
    assert found["/dev/sdc"].model == "Ünlü"
    assert (found["/dev/sdc"].label, found["/dev/sdc"].is_read_only) == ("A\N{WHITE SMILING FACE}B", True)
    assert found["/dev/mmcblk0p7"].mount_points == ("/data", "/var/lib/nightjar")
    reasons = {device: refusal(volume, found.values(), set()) for device, volume in found.items()}
    assert "not on USB" in (reasons["/dev/loop0"] or "")
    assert "not on USB" in (reasons["/dev/mmcblk0p7"] or "")
    assert "write-protected" in (reasons["/dev/sdc"] or "")
    assert reasons["/dev/sda1"] is None


def test_what_udisks_leaves_out_or_says_in_another_shape_is_nothing(drives: Drives, udisks: MadeUpUdisks) -> None:
    path = f"{ROOT}/block_devices/sdb1"
    udisks.objects[path] = {BLOCK: {"Size": ("t", 1), "Drive": ("o", "/gone"), "IdType": ("u", 5), "ReadOnly": ("s", "yes")}}
    (_, odd) = drives.volumes()
    assert odd == Volume(path, "", "/gone", "", "", "", 1, False, "", False, False, (), "")


def test_mounting_asks_for_what_the_policy_says_and_for_no_password(drives: Drives, udisks: MadeUpUdisks, tmp_path: Path) -> None:
    stick = drives.volumes()[0]
    assert drives.mount(stick, mount_options("exfat", is_look_only=False)) == tmp_path / "stick"
    assert drives.volumes()[0].mount_points == (str(tmp_path / "stick"),)
    drives.unmount(stick)
    drives.mount(stick, mount_options("ext4", is_look_only=True))
    drives.unmount(stick, force=True)
    drives.power_off(stick)
    assert drives.volumes() == ()
    first, second = "noexec,nosuid,nodev,nosymfollow,noatime", "noexec,nosuid,nodev,nosymfollow,noatime,errors=remount-ro,ro"
    assert udisks.calls == [
        Call(STICK, "Mount", ({**ALONE, "options": ("s", first)},)),
        Call(STICK, "Unmount", (ALONE,)),
        Call(STICK, "Mount", ({**ALONE, "options": ("s", second)},)),
        Call(STICK, "Unmount", ({**ALONE, "force": ("b", True)},)),
        Call(STICK_DRIVE, "PowerOff", (ALONE,)),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("Error.NotAuthorized", DeniedError, "the rules of this machine do not allow it"),
        ("Error.NotAuthorizedCanObtain", DeniedError, "the rules of this machine do not allow it"),
        ("Error.AlreadyMounted", ServiceError, "it is mounted already"),
        ("Error.DeviceBusy", ServiceError, "something on this machine still uses it"),
        ("Error.Timedout", ServiceError, "it took too long"),
        ("Error.OptionNotPermitted", ServiceError, "Mount option `x' is not allowed"),
        ("Error.Failed", ServiceError, "Mount option `x' is not allowed"),
    ],
)
def test_a_refusal_is_said_for_people(
    drives: Drives, udisks: MadeUpUdisks, name: str, kind: type[MachineError], words: str
) -> None:
    udisks.refusal = Refusal(name, "Mount option `x' is not allowed")
    with pytest.raises(kind, match=words):
        drives.mount(OF_THE_STICK, ("x",))


def test_a_stick_is_seen_to_come_and_to_go(address: str, udisks: MadeUpUdisks) -> None:
    drives = Drives(Bus(address))
    with closing(drives.watch()) as watch:
        udisks.plug()
        said = [watch.take(START_S), watch.take(START_S)]
        assert [(one.member, one.body[0]) for one in said if isinstance(one, Signal)] == [
            ("InterfacesAdded", STICK_DRIVE),
            ("InterfacesAdded", STICK),
        ]
        udisks.pull()
        gone = watch.take(START_S)
        assert gone == Signal(ROOT, OBJECTS, "InterfacesRemoved", (STICK, [BLOCK, FILE_SYSTEM]))


def test_without_udisks_it_is_not_available_and_its_coming_is_heard(address: str, tmp_path: Path) -> None:
    drives = Drives(Bus(address))
    with closing(drives.watch()) as watch:
        for ask in (drives.volumes, lambda: drives.mount(OF_THE_STICK, ()), lambda: drives.power_off(OF_THE_STICK)):
            with pytest.raises(UnavailableError, match=r"not available on this machine: udisks2$"):
                ask()
        with made_up_udisks(address, tmp_path):
            assert watch.take(START_S) is RESYNC
            assert drives.volumes() == ()
