"""What the initrd takes from the Pi's firmware: which of two equal boot partitions it was started from."""

import re
import subprocess
from pathlib import Path

import pytest

from imagebuild.kernel import APPLETS
from tests.unit.rootfs import scripts

SCRIPT = (Path(__file__).parents[3] / "image-build/initrd.sh").read_text()
TOLD = "/sys/firmware/devicetree/base/chosen/bootloader"
autoboot = scripts.raspios_part("autoboot")


def slot(folder: Path) -> str:
    """Run the script's own function over a folder in the place of the device tree."""
    found = re.search(r"^slot_of_firmware\(\) \{.*?^\}$", SCRIPT, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert TOLD in found[0]
    script = f"set -eu\n{found[0].replace(TOLD, str(folder))}\nslot_of_firmware\n"
    return subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.needs("dash", "hexdump")
@pytest.mark.parametrize("name", ["A", "B"])
def test_the_partition_that_the_firmware_took_is_the_system_that_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "partition").write_bytes(autoboot.PARTITIONS[name].to_bytes(4, "big"))
    assert slot(tmp_path) == name


@pytest.mark.needs("dash", "hexdump")
@pytest.mark.parametrize("told", [None, b"", b"\3", b"\0\0\0\1", b"\3\0\0\0", b"\0\0\0\3\0"])
def test_what_the_firmware_does_not_say_is_not_guessed(tmp_path: Path, told: bytes | None) -> None:
    if told is not None:
        (tmp_path / "partition").write_bytes(told)
    assert slot(tmp_path) == ""


def test_a_command_line_that_names_the_system_is_believed_first() -> None:
    assert re.search(r'^if \[ -z "\$uuid" \]; then .*\n    slot=\$\(slot_of_firmware\)$', SCRIPT, re.MULTILINE)
    assert "hexdump" in APPLETS
