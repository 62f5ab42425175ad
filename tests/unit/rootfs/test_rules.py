"""What lies in rootfs-overlay for udev and the kernel's modules, word by word: exactly these makes, drivers and modules."""

import re
from pathlib import Path

import pytest

OVERLAY = Path(__file__).parents[3] / "rootfs-overlay/usr/lib"
RULES = OVERLAY / "udev/rules.d"
MODULES = OVERLAY / "modprobe.d/nightjar.conf"

STATEMENT = re.compile(r'([A-Z]+)(?:\{([^}]+)\})?(==|!=|:=|\+=|=)"([^"]*)"\Z')
KEYS = {
    "ACTION", "SUBSYSTEM", "SUBSYSTEMS", "DRIVERS", "ENV", "ATTR", "TEST", "IMPORT", "GOTO", "LABEL", "OWNER", "GROUP", "MODE",
}  # fmt: skip
"""Those that our rules use: none runs a program."""

VENDORS = {
    "03c3", "a0a0", "1278", "0d97", "0f18", "125c", "1887", "156c", "19b4", "07ee",
    "04a9", "04b0", "054c", "04cb", "0a17", "25fb",
}  # fmt: skip

_ARM64 = """
9p adfs affs autofs4 bcachefs befs bfs binfmt_misc btrfs ceph cifs coda configfs ecryptfs efivarfs efs erofs exfat ext4
f2fs freevxfs gadgetfs gfs2 hfs hfsplus hpfs isofs jffs2 jfs kafs minix msdos nfs nfsd nilfs2 ntfs3 ocfs2 ocfs2_dlmfs
omfs overlay qnx4 qnx6 reiserfs romfs squashfs sunrpc sysv ubifs udf ufs usb_f_fs vfat xenfs xfs zonefs
"""
FILE_SYSTEMS = set(_ARM64.split())
"""Modules of Debian's kernel 6.12 for arm64 that bring a file system: those with an alias `fs-...`."""
KEPT = {"vfat", "exfat", "ext4", "squashfs", "overlay", "autofs4", "configfs", "efivarfs", "binfmt_misc"}
OF_OTHER_KERNELS = {"cramfs", "ntfs", "orangefs", "vboxsf", "virtiofs", "cuse", "ksmbd"}
"""Modules here and file systems there, or with no alias."""
KEYBOARDS = {"usbhid", "usbkbd", "usbmouse"}


def statements(rules: Path) -> list[list[tuple[str, str, str, str]]]:
    """Return each rule as key, its argument, operator and value."""
    found = []
    for line in rules.read_text().splitlines():
        if line and not line.startswith("#"):
            matches = [STATEMENT.match(part) for part in line.split(", ")]
            assert all(matches), line
            found.append([match.groups("") for match in matches if match])
    return [[(key, argument, operator, value) for key, argument, operator, value in rule] for rule in found]


def test_these_are_all_rule_files() -> None:
    assert sorted(path.name for path in RULES.iterdir()) == ["60-nightjar-cameras.rules", "61-nightjar-usb.rules"]


@pytest.mark.parametrize("name", ["60-nightjar-cameras.rules", "61-nightjar-usb.rules"])
def test_every_statement_is_one_and_runs_nothing(name: str) -> None:
    rules = statements(RULES / name)
    used = {(key, argument) for rule in rules for key, argument, _, _ in rule}
    assert {key for key, _ in used} <= KEYS
    assert {argument for key, argument in used if key == "IMPORT"} <= {"builtin"}
    labels = {value for rule in rules for key, _, _, value in rule if key == "LABEL"}
    assert {value for rule in rules for key, _, _, value in rule if key == "GOTO"} == labels


def test_exactly_these_makes_are_the_indi_servers() -> None:
    rules = statements(RULES / "60-nightjar-cameras.rules")
    vendors = [value for rule in rules for key, argument, _, value in rule if (key, argument) == ("ATTR", "idVendor")]
    assert sorted("|".join(vendors).split("|")) == sorted(VENDORS)
    given = [(key, operator, value) for rule in rules for key, _, operator, value in rule if key in {"OWNER", "GROUP", "MODE"}]
    assert given == [("OWNER", ":=", "root"), ("GROUP", ":=", "nightjar-indi"), ("MODE", ":=", "0660")]


def test_exactly_the_soldered_network_cards_are_let_through() -> None:
    rules = statements(RULES / "61-nightjar-usb.rules")
    assert [value for rule in rules for key, _, _, value in rule if key == "DRIVERS"] == ["smsc95xx|lan78xx"]
    (flag,) = [value for rule in rules for key, _, _, value in rule if key == "TEST"]
    runtime = (OVERLAY / "systemd/system/nightjar.service.d/certificates.conf").read_text()
    assert Path(flag).parent.name not in re.findall(r"^RuntimeDirectory=(.*)$", runtime, re.MULTILINE), "the panel could write it"
    assigned = [
        (key, argument, value) for rule in rules for key, argument, operator, value in rule if operator == "=" and key == "ATTR"
    ]
    assert assigned == [("ATTR", "authorized", "0"), ("ATTR", "device/authorized", "0")]


def test_every_module_is_blocked_by_device_and_by_name() -> None:
    lines = [line for line in MODULES.read_text().splitlines() if line and not line.startswith("#")]
    blacklisted = [line.split()[1] for line in lines if line.startswith("blacklist ")]
    assert lines == [words for name in blacklisted for words in (f"blacklist {name}", f"install {name} /bin/false")]
    assert len(blacklisted) == len(set(blacklisted))
    assert set(blacklisted) == FILE_SYSTEMS - KEPT | OF_OTHER_KERNELS | KEYBOARDS


def test_what_the_appliance_itself_mounts_is_not_blocked() -> None:
    blocked = set(re.findall(r"^(?:blacklist|install) (\S+)", MODULES.read_text(), re.MULTILINE))
    assert not blocked & (KEPT | {"fat", "jbd2", "mbcache", "usb_storage", "uas", "smsc95xx", "lan78xx", "uvcvideo", "fuse"})
