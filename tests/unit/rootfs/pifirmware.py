"""The rules by which a Pi's firmware chooses where it starts from, as Raspberry Pi's documentation has them.

"config.txt", chapters "autoboot.txt" and "Conditional filters", and "Raspberry Pi hardware", chapters "EEPROM boot flow" and
"Bootloader configuration". What they leave open is taken as bad as it may be, and stands beside the rule.
"""

import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
LONGEST = 512
PARTITIONS = (1, 3, 4)
"""Those of the card that hold FAT file systems."""
SIZE = 34 << 20
FRONT = 400 << 10
"""So much of a small file system holds all that is in it; what is behind, a test need not copy."""


@dataclass(frozen=True)
class Choice:
    """What `autoboot.txt` comes to."""

    partition: int = 0
    """0 is the first one that can be started from."""
    is_a_b: bool = False
    """Whether a trial reads the usual `config.txt`, and not `tryboot.txt`."""


def choose(autoboot: bytes | None, *, is_trial: bool) -> Choice:
    """Read the file. Only `[all]`, `[none]` and `[tryboot]` are known there; lines below any other filter are left out.

    It is limited to 512 bytes: what is longer is taken for missing here, since nothing says what becomes of it.
    """
    choice, counts = Choice(), True
    if autoboot is None or len(autoboot) > LONGEST:
        return choice
    for line in autoboot.decode("latin-1").splitlines():
        if line.startswith("["):
            counts = line == "[all]" or (line == "[tryboot]" and is_trial)
            continue
        name, _, value = line.partition("=")
        if counts and name == "boot_partition" and value.isdecimal():
            choice = Choice(int(value), choice.is_a_b)
        elif counts and name == "tryboot_a_b":
            choice = Choice(choice.partition, value == "1")
    return choice


@dataclass
class Firmware:
    """A Pi with a card in it."""

    folder: Path
    """Holds `firmware`, `boot_a` and `boot_b`: the file systems of partitions 1, 3 and 4."""
    walks: bool = True
    """Whether a partition that cannot be started from is left for the next one (`PARTITION_WALK`, on since August 2025)."""
    start_file: str = "START4.ELF"
    """What has to lie on a partition beside `config.txt`: a Pi 5 asks for nothing else, then it is empty."""
    is_asked: bool = field(default=False, init=False)
    """Whether it was asked for a trial: it forgets it before it starts anything."""

    def restart(self, parameter: str = "") -> None:
        """Take what the kernel hands over at an orderly restart: the number of a partition, and what else is asked for."""
        number, _, rest = parameter.strip().partition(" ")
        assert number in ("", "0"), "another number would count more than autoboot.txt"
        self.is_asked = rest == "tryboot"

    def reset(self) -> None:
        """Be reset by a watchdog or a panic, or lose the power: nothing was asked for."""
        self.is_asked = False

    def start(self) -> tuple[int, bool] | None:
        """Return the partition that is started from and whether it is a trial; None where it stops until somebody comes."""
        is_trial, self.is_asked = self.is_asked, False
        choice = choose(content(self.folder / "firmware", "AUTOBOOTTXT"), is_trial=is_trial)
        config = "CONFIG  TXT" if choice.is_a_b or not is_trial else "TRYBOOT TXT"
        found = [number for number in PARTITIONS if self._can_start(number, config)]
        if choice.partition in found:
            return choice.partition, is_trial
        if choice.partition == 0 or self.walks:
            return (found[0], is_trial) if found else None
        return None

    def _can_start(self, number: int, config: str) -> bool:
        image = self.folder / {1: "firmware", 3: "boot_a", 4: "boot_b"}[number]
        wanted = [config] + [f"{name:8}{ending}" for name, _, ending in [self.start_file.partition(".")] if name]
        return all(content(image, name) for name in wanted)


def content(image: Path, name: str) -> bytes | None:
    """Return a file by the eleven letters of its short name; found by those, not by way of the file system's tables."""
    data = image.read_bytes()
    at = data.find(name.encode("ascii"))
    if at < 0 or data[510:512] != b"\x55\xaa":
        return None
    reserved, tables, table, root = (
        struct.unpack_from(kind, data, place)[0] for kind, place in (("<H", 14), ("<B", 16), ("<I", 36), ("<I", 44))
    )
    high, low, size = struct.unpack_from("<H4xHI", data, at + 20)
    begin = (reserved + tables * table + (high << 16 | low) - root) * SECTOR
    return data[begin : begin + size]


def make(image: Path, files: dict[str, bytes], *, tables: int = 2) -> None:
    """Make a file system with the tools of everybody."""
    folder = image.with_name(f"{image.name}-files")
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with image.open("wb") as file:
        file.truncate(SIZE)
    for command in (
        ["mkfs.vfat", "-F", "32", "-S", "512", "-s", "1", "-f", str(tables), image],
        ["mcopy", "-i", image, *(folder / name for name in files), "::/"],
    ):
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=60)


def make_card(folder: Path, autoboot: bytes) -> None:
    """Make the first partition and that of a system, as far as anything is in them."""
    make(folder / "first", {"bootcode.bin": b"1", "nightjar.toml": b"# of the owner\n" * 40, "autoboot.txt": autoboot}, tables=1)
    names = (
        "fixup.dat",
        "fixup4.dat",
        *(f"bcm{number}-a-long-name.dtb" for number in range(2700, 2712)),
        "start.elf",
        "start4.elf",
    )
    make(
        folder / "boot",
        {name: name.encode() for name in (*names, "config.txt", "cmdline.txt", "vmlinuz", "initrd.img")},
        tables=1,
    )
    for name in ("first", "boot"):
        with (folder / name).open("r+b") as file:
            file.truncate(FRONT)
