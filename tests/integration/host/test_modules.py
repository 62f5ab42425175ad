"""The block list of modules as modprobe reads it: a blocked name runs nothing but /bin/false, others are looked for."""

import subprocess
from pathlib import Path

import pytest

LIST = Path(__file__).parents[3] / "rootfs-overlay/usr/lib/modprobe.d"

pytestmark = pytest.mark.needs("modprobe")


def modprobe(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Say what modprobe would do on a machine that has no modules: nothing is loaded."""
    (folder / "lib/modules/none").mkdir(parents=True, exist_ok=True)
    command = ["modprobe", "--dry-run", "--verbose", f"--dirname={folder}", "--set-version=none", f"--config={LIST}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_modprobe_reads_every_line(tmp_path: Path) -> None:
    shown = modprobe(tmp_path, "--showconfig").stdout.splitlines()
    written = [line for line in (LIST / "nightjar.conf").read_text().splitlines() if line.startswith(("blacklist", "install"))]
    assert sorted(line.strip() for line in shown if line.startswith(("blacklist", "install"))) == sorted(written)


@pytest.mark.parametrize("name", ["xfs", "btrfs", "ntfs3", "isofs", "nfs", "usbhid", "usbkbd"])
def test_a_blocked_module_is_not_loaded_by_its_name_either(tmp_path: Path, name: str) -> None:
    assert modprobe(tmp_path, name).stdout.strip() == "install /bin/false"


@pytest.mark.parametrize("name", ["vfat", "exfat", "ext4", "squashfs", "usb_storage"])
def test_what_is_needed_is_looked_for(tmp_path: Path, name: str) -> None:
    ended = modprobe(tmp_path, name)
    assert "/bin/false" not in ended.stdout
    assert f"Module {name} not found" in ended.stderr
