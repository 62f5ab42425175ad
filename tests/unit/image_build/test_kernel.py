"""Which modules are chosen, and the archive that the initrd is."""

import subprocess
from pathlib import Path

import pytest

from imagebuild.cpio import Archive
from imagebuild.kernel import APPLETS, Chosen, Modules
from imagebuild.run import BuildError

ROOT = Path(__file__).parents[3]
MODULES = Modules(
    "6.12",
    Path(),
    {"squashfs": "kernel/fs/squashfs.ko.xz", "uas": "kernel/usb/uas.ko.xz", "usb_storage": "kernel/usb/usb-storage.ko.xz"},
    {
        "kernel/fs/squashfs.ko.xz": (),
        "kernel/usb/uas.ko.xz": ("kernel/usb/usb-storage.ko.xz", "kernel/scsi.ko.xz"),
        "kernel/usb/usb-storage.ko.xz": ("kernel/scsi.ko.xz",),
    },
    frozenset({"virtio_pci"}),
)


def test_a_module_brings_what_it_needs() -> None:
    assert MODULES.closure(["uas"]) == {"kernel/usb/uas.ko.xz", "kernel/usb/usb-storage.ko.xz", "kernel/scsi.ko.xz"}


def test_a_pattern_takes_all_that_fit_and_what_is_built_in_needs_nothing() -> None:
    assert MODULES.closure(["squash*", "virtio_pci"]) == {"kernel/fs/squashfs.ko.xz"}


def test_a_name_that_the_kernel_does_not_know_stops_the_build() -> None:
    with pytest.raises(BuildError, match=r"names 'squashfss', which kernel 6\.12 does not have"):
        MODULES.closure(["squashfss"])


def test_no_module_is_chosen_that_is_blocked_on_the_card() -> None:
    chosen = Chosen.read(ROOT / "image-build/modules.toml")
    blocked = (ROOT / "rootfs-overlay/usr/lib/modprobe.d/nightjar.conf").read_text()
    names = {line.split()[1] for line in blocked.splitlines() if line.startswith("blacklist ")}
    assert names.isdisjoint(chosen.initrd + chosen.image)


def test_the_initrd_has_every_program_that_its_script_calls() -> None:
    script = (ROOT / "image-build/initrd.sh").read_text()
    for applet in ("mount", "modprobe", "switch_root", "sha256sum", "dd", "readlink", "reboot"):
        assert applet in script
        assert applet in APPLETS


@pytest.mark.needs("cpio")
def test_cpio_unpacks_the_archive(tmp_path: Path) -> None:
    archive = Archive()
    archive.add_file("bin/tool", b"#!/bin/sh\n", 0o755)
    archive.add_link("bin/other", "tool")
    archive.add_folder("dev")
    subprocess.run(["cpio", "--extract", "--quiet"], input=archive.pack(), cwd=tmp_path, check=True)
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/other").readlink() == Path("tool")
    assert (tmp_path / "dev").is_dir()


def test_the_order_of_adding_does_not_matter() -> None:
    one, other = Archive(), Archive()
    one.add_file("a", b"1")
    one.add_file("b/c", b"2")
    other.add_file("b/c", b"2")
    other.add_file("a", b"1")
    assert one.pack() == other.pack()
