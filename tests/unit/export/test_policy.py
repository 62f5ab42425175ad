"""Which volumes may be used: every combination, against the sentence of the rule."""

import itertools

import pytest

from appliance.export.policy import FILE_SYSTEMS, is_labelled, is_shown, mount_options, refusal
from tests.unit.export.volumes import FakeVolume

STICK = FakeVolume()
NOBODY: frozenset[str] = frozenset()

BUSES = ("usb", "", "sdio", "ieee1394", "ata", "USB")
TYPES = (
    "vfat",
    "exfat",
    "ext4",
    "",
    "ext2",
    "ext3",
    "ntfs",
    "btrfs",
    "xfs",
    "squashfs",
    "iso9660",
    "crypto_LUKS",
    "hfsplus",
    "f2fs",
    "VFAT",
)


def test_the_whole_matrix_lets_exactly_the_usable_ones_pass() -> None:
    passed = 0
    for bus, fs_type, removable, system, read_only, mounted, uuid, drive in itertools.product(
        BUSES, TYPES, (True, False), (True, False), (True, False), ((), ("/somewhere",)), ("1234-ABCD", "", "0000-0000"),
        ("/drives/a", "/", "")
    ):  # fmt: skip
        volume = FakeVolume(
            fs_type=fs_type, connection_bus=bus, is_removable=removable, is_system_hint=system, is_read_only=read_only,
            mount_points=mounted, uuid=uuid, drive_path=drive,
        )  # fmt: skip
        found = refusal(volume, [volume], NOBODY)
        is_usable = (
            bus == "usb" and fs_type in {"vfat", "exfat", "ext4"} and removable and not system and not read_only
            and not mounted and uuid == "1234-ABCD" and drive == "/drives/a"
        )  # fmt: skip
        assert (found is None) == is_usable, volume
        assert found is None or (found.endswith(".") and len(found) > 20)
        passed += is_usable
    assert passed == len(FILE_SYSTEMS) == 3


def test_a_loop_device_is_refused_whatever_it_says_of_itself() -> None:
    for drive in ("/", ""):
        loop = FakeVolume(object_path="/block/loop0", drive_path=drive)
        assert "not on USB" in (refusal(loop, [loop], NOBODY) or "")
        assert is_shown(loop)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (FakeVolume(connection_bus="sdio"), "not on USB"),
        (FakeVolume(is_removable=False), "built-in"),
        (FakeVolume(is_system_hint=True), "in use on this machine"),
        (FakeVolume(mount_points=("/media/x",)), "in use on this machine"),
        (FakeVolume(fs_type=""), "no file system"),
        (FakeVolume(fs_type="crypto_LUKS"), "encrypted"),
        (FakeVolume(fs_type="ntfs"), "is ntfs"),
        (FakeVolume(fs_type="<b>\n" + "x" * 90), "is b" + "x" * 19 + "."),
        (FakeVolume(is_read_only=True), "write-protected"),
        (FakeVolume(uuid=""), "no id"),
        (FakeVolume(uuid="0000-0000"), "no id"),
        (FakeVolume(uuid="../../etc"), "no id"),
        (FakeVolume(uuid="a" * 65), "no id"),
    ],
)
def test_each_refusal_says_why(volume: FakeVolume, words: str) -> None:
    assert words in (refusal(volume, [volume], NOBODY) or "")


def test_what_this_service_mounted_itself_is_not_in_use_by_others() -> None:
    mounted = FakeVolume(mount_points=("/run/media/nightjar/HOLIDAY",))
    assert refusal(mounted, [mounted], {"/block/sda1"}) is None
    assert refusal(mounted, [mounted], {"/block/sdb1"}) is not None


def test_no_volume_of_a_drive_that_the_machine_runs_from_is_used() -> None:
    root = FakeVolume(object_path="/block/sda2", fs_type="squashfs", mount_points=("/",), uuid="")
    firmware = FakeVolume(object_path="/block/sda1", fs_type="vfat", label="NIGHTJAR-FW")
    assert "in use on this machine" in (refusal(firmware, [root, firmware], NOBODY) or "")
    elsewhere = FakeVolume(object_path="/block/sdb1", drive_path="/drives/other", fs_type="vfat")
    assert refusal(elsewhere, [root, elsewhere], NOBODY) is None


def test_two_sticks_with_one_id_are_both_refused_in_either_case_of_letters() -> None:
    twin = FakeVolume(object_path="/block/sdb1", drive_path="/drives/twin", uuid="1234-abcd")
    assert "same file-system id" in (refusal(STICK, [STICK, twin], NOBODY) or "")
    assert "same file-system id" in (refusal(twin, [STICK, twin], NOBODY) or "")


@pytest.mark.parametrize(
    "twin", [{"connection_bus": "sdio"}, {"drive_path": "/"}, {"fs_type": "ntfs"}, {"is_read_only": True}, {"uuid": "9999-0000"}]
)
def test_what_could_not_be_taken_for_the_stick_is_no_twin(twin: dict[str, object]) -> None:
    other = FakeVolume(**{"object_path": "/block/sdb1", "drive_path": "/drives/twin", **twin})  # type: ignore[arg-type]
    assert refusal(STICK, [STICK, other], NOBODY) is None


def test_what_the_machine_is_made_of_is_not_shown() -> None:
    assert not is_shown(FakeVolume(connection_bus="", drive_path="/drives/card", is_system_hint=True))
    assert is_shown(FakeVolume(connection_bus="sdio", drive_path="/drives/card"))
    assert is_shown(FakeVolume(is_system_hint=True))


@pytest.mark.parametrize(("label", "is_one"), [("NIGHTJAR", True), ("nightjar-2", True), ("MY NIGHTJAR", False), ("", False)])
def test_a_label_asks_by_its_beginning(label: str, *, is_one: bool) -> None:
    assert is_labelled(FakeVolume(label=label)) is is_one


@pytest.mark.parametrize("fs_type", FILE_SYSTEMS)
@pytest.mark.parametrize("is_look_only", [True, False])
def test_nothing_on_a_stick_is_run_owned_or_followed(fs_type: str, *, is_look_only: bool) -> None:
    options = mount_options(fs_type, is_look_only=is_look_only)
    assert {"noexec", "nosuid", "nodev", "nosymfollow", "noatime"} <= set(options)
    assert ("ro" in options) is is_look_only
    assert not {"rw", "exec", "suid", "dev"} & set(options)


def test_a_superblock_cannot_ask_for_a_panic() -> None:
    assert "errors=remount-ro" in mount_options("ext4", is_look_only=False)
    assert "errors=remount-ro" in mount_options("ext4", is_look_only=True)
