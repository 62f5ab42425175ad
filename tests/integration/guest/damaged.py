"""Small file systems with mutations, four on a stick; the same at every run."""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

SECTOR = 512
VOLUMES_PER_STICK = 4
"""As many as a partition table of the old kind names."""
KINDS = ("vfat", "exfat", "ext4", "ext4 without checksums")
SIZE = {"vfat": 4 << 20, "exfat": 4 << 20, "ext4": 8 << 20, "ext4 without checksums": 8 << 20}
HEAD = 1 << 20
"""Where what describes a file system this small lies, of every kind; files follow, and a few bytes of theirs may be hit."""


def make(folder: Path, count: int, content: Path, filled: Path) -> Iterator[Path]:
    """Make so many mutated file systems.

    Parameters
    ----------
    folder : Path
        Where the images are put.
    count : int
    content : Path
        What lies on those of vfat and ext4 before they are mutated.
    filled : Path
        Image of an exFAT that holds something: nothing here can write to one.
    """
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        image = folder / f"{number}.img"
        _make_one(image, kind, content, filled)
        chance = random.Random(number)
        data = bytearray(image.read_bytes())
        MUTATIONS[number // len(KINDS) % len(MUTATIONS)](data, chance)
        image.write_bytes(data)
        yield image


def make_panicking(image: Path, content: Path) -> None:
    """Make an ext4 that asks the kernel to panic at an error, and has one in its folder `nightjar`."""
    _make_one(image, "ext4 without checksums", content, image)
    run("tune2fs", "-e", "panic", image)
    block = int(run("debugfs", "-R", "blocks /nightjar", image).split()[0])
    size = int(run("debugfs", "-R", "stats", image).partition("Block size:")[2].split()[0])
    with image.open("r+b") as file:
        file.seek(block * size + 4)
        file.write(b"\0\0")  # an entry of no length: the next one is itself


def make_stick(image: Path, volumes: Sequence[Path]) -> Path:
    """Put up to four volumes on a stick, one after another, behind a partition table."""
    table = bytearray(SECTOR)
    table[510:512] = b"\x55\xaa"
    begin = 2048
    with image.open("wb") as stick:
        for number, volume in enumerate(volumes):
            sectors = volume.stat().st_size // SECTOR
            entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", begin, sectors)
            table[446 + 16 * number : 462 + 16 * number] = entry
            stick.seek(begin * SECTOR)
            stick.write(volume.read_bytes())
            begin += sectors
        stick.seek(0)
        stick.write(table)
    return image


def run(*command: str | Path) -> str:
    """Run a command that must succeed, and return what it says."""
    words = [str(word) for word in command]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def _make_one(image: Path, kind: str, content: Path, filled: Path) -> None:
    """Make a file system that is well, with an id of its own."""
    serial = random.Random(image.name).getrandbits(31) + 1
    if kind == "exfat":
        shutil.copyfile(filled, image)
        run("tune.exfat", "-I", f"0x{serial:x}", image)
        return
    with image.open("wb") as file:
        file.truncate(SIZE[kind])
    if kind == "vfat":
        run("mkfs.vfat", "-i", f"{serial:x}", image)
        run("mcopy", "-s", "-Q", "-i", image, content / "nightjar", "::")
    else:
        options = ["-O", "^metadata_csum"] if kind.endswith("checksums") else []
        run("mkfs.ext4", "-q", "-F", *options, "-d", content, image)


def _used(data: bytearray) -> list[int]:
    """Return the places of bytes of the head that hold something."""
    return [place for place, byte in enumerate(data[:HEAD]) if byte]


def one_byte(data: bytearray, chance: random.Random) -> None:
    """Change one byte of the head."""
    _change(data, chance, 1)


def some_bytes(data: bytearray, chance: random.Random) -> None:
    """Change a dozen bytes of the head."""
    _change(data, chance, 12)


def many_bytes(data: bytearray, chance: random.Random) -> None:
    """Change a byte in each hundred that hold something."""
    _change(data, chance, max(64, len(_used(data)) // 100))


def one_bit(data: bytearray, chance: random.Random) -> None:
    """Flip bits as a dying memory does."""
    for place in chance.sample(_used(data), 6):
        data[place] ^= 1 << chance.randrange(8)


def lost_sectors(data: bytearray, chance: random.Random) -> None:
    """Empty sectors that held something."""
    for sector in chance.sample(_sectors(data), 3):
        data[sector * SECTOR : (sector + 1) * SECTOR] = bytes(SECTOR)


def noisy_sectors(data: bytearray, chance: random.Random) -> None:
    """Fill sectors with noise."""
    for sector in chance.sample(_sectors(data), 2):
        data[sector * SECTOR : (sector + 1) * SECTOR] = chance.randbytes(SECTOR)


def swapped_sectors(data: bytearray, chance: random.Random) -> None:
    """Have sectors change places."""
    one, other = (slice(sector * SECTOR, (sector + 1) * SECTOR) for sector in chance.sample(_sectors(data), 2))
    data[one], data[other] = data[other], data[one]


def large_numbers(data: bytearray, chance: random.Random) -> None:
    """Set words to the largest number: counts, sizes, and links to what is not there."""
    for place in chance.sample(_used(data), 4):
        data[place & ~3 : (place & ~3) + 4] = b"\xff\xff\xff\xff"


def cut_off(data: bytearray, chance: random.Random) -> None:
    """Cut the end off: a stick that is smaller than it says."""
    del data[chance.randrange(1, 15) * len(data) // 16 // SECTOR * SECTOR :]


MUTATIONS = (
    one_byte, some_bytes, many_bytes, one_bit, lost_sectors, noisy_sectors, swapped_sectors, large_numbers, cut_off,
)  # fmt: skip


def _change(data: bytearray, chance: random.Random, count: int) -> None:
    for place in chance.sample(_used(data), count):
        data[place] = chance.randrange(256)


def _sectors(data: bytearray) -> list[int]:
    return sorted({place // SECTOR for place in _used(data)})
