"""The boot script under U-Boot itself, on a card with empty systems: each start tries one and restarts, which ends QEMU."""

import subprocess
import zlib
from pathlib import Path

import pytest

from imagebuild.bootfiles import NEW_STATE, SECOND_COPY_AT, STATE_SIZE, script_image, state_partition
from imagebuild.disk import BASIC_DATA, FIRST, LINUX, MIB, Partition, write

pytestmark = [pytest.mark.needs("qemu-system-aarch64", "mkfs.vfat", "mcopy"), pytest.mark.timeout(900)]

SCRIPT = Path(__file__).parents[2] / "firmware-config/boot.cmd"
STATE_AT = FIRST + 64 * MIB
COPIES = (STATE_AT, STATE_AT + SECOND_COPY_AT)


class Disk:
    """A disk with U-Boot's script and boot state, and empty systems."""

    def __init__(self, folder: Path, u_boot: Path, values: dict[str, str]) -> None:
        self.folder, self.path, self.u_boot = folder, folder / "disk.img", u_boot
        (folder / "boot.scr").write_bytes(script_image(SCRIPT.read_text(), 0))
        (folder / "firmware").write_bytes(bytes(64 * MIB))
        subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", str(folder / "firmware")], check=True, capture_output=True)
        subprocess.run(["mcopy", "-i", str(folder / "firmware"), str(folder / "boot.scr"), "::"], check=True)
        (folder / "state").write_bytes(state_partition(values, 8 * MIB))
        partitions = [Partition("firmware", BASIC_DATA, 64 * MIB, folder / "firmware")]
        partitions += [Partition("bootstate", LINUX, 8 * MIB, folder / "state")]
        partitions += [Partition(name, LINUX, MIB) for name in ("boot_a", "boot_b", "root_a", "root_b")]
        write(self.path, partitions)

    def start(self) -> str:
        """Start once; return what the script says."""
        command = [
            "qemu-system-aarch64",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-M",
            "virt",
            "-cpu",
            "cortex-a53",
        ]
        command += ["-m", "512", "-bios", str(self.u_boot), "-no-reboot", "-serial", f"file:{self.folder / 'console.txt'}"]
        command += ["-drive", f"if=none,id=disk,format=raw,file={self.path}", "-device", "virtio-blk-pci,drive=disk"]
        subprocess.run(command, check=True, timeout=240)
        text = (self.folder / "console.txt").read_text(errors="replace")
        return "\n".join(line.strip() for line in text.splitlines() if line.startswith("nightjar: "))

    def copies(self) -> list[bytes]:
        data = self.path.read_bytes()
        return [data[begin : begin + STATE_SIZE] for begin in COPIES]

    def destroy(self, *numbers: int) -> None:
        with self.path.open("r+b") as disk:
            for number in numbers:
                disk.seek(COPIES[number - 1] + 10)
                disk.write(b"\xff")


def values(copy: bytes) -> dict[str, str]:
    """Return what a copy says, once its sum is right."""
    assert copy[:4] == zlib.crc32(copy[4:]).to_bytes(4, "little")
    return dict(text.split("=", 1) for text in copy[4:].partition(b"\0\0")[0].decode().split("\0"))


def both(disk: Disk) -> dict[str, str]:
    """Return what both copies say."""
    one, other = disk.copies()
    assert one == other
    return values(one)


def test_a_start_takes_one_attempt_and_says_so_in_both_copies(tmp_path: Path, u_boot: Path) -> None:
    disk = Disk(tmp_path, u_boot, dict(NEW_STATE))
    said = disk.start()
    assert "starting system A, attempts left: A 2, B 0" in said
    assert "system A cannot be started" in said, "an empty one: restarted, never a dead stop"
    assert both(disk) == {"BOOT_ORDER": "A", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "0"}


def test_the_other_system_is_taken_when_one_has_no_attempt_left_and_in_the_end_all_get_theirs_back(
    tmp_path: Path, u_boot: Path
) -> None:
    disk = Disk(tmp_path, u_boot, {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "1"})
    assert "starting system B, attempts left: A 1, B 0" in disk.start()
    assert "starting system A, attempts left: A 0, B 0" in disk.start()
    assert disk.start() == "nightjar: no system has an attempt left, all get theirs back"
    assert both(disk) == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}


@pytest.mark.parametrize(
    ("destroyed", "said", "expected"),
    [
        ((1,), "copy 1 of the boot state is damaged", {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "1"}),
        ((2,), "starting system B", {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "1"}),
        ((1, 2), "no boot state", {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "3"}),
    ],
)
def test_destroyed_copies_are_written_anew(
    tmp_path: Path, u_boot: Path, destroyed: tuple[int, ...], said: str, expected: dict[str, str]
) -> None:
    disk = Disk(tmp_path, u_boot, {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "2"})
    disk.destroy(*destroyed)
    assert said in disk.start()
    assert both(disk) == expected
