"""The disk image: partitions one after another, a table of the new kind and, for a Pi 3's own start, one of the old kind."""

import binascii
import hashlib
import struct
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from imagebuild.run import BuildError

SECTOR = 512
MIB = 1 << 20
FIRST = MIB
"""Where the first partition begins."""
TAIL = MIB
"""Room for the second copy of the table."""
ENTRIES, ENTRY_SIZE = 128, 128
TABLE_ITSELF = 2
"""Its place in the table of the old kind, where it stands as taken."""
OLD_NUMBERS = {1, 3, 4}
NOTHING = (0, 0, 0, 0)
PIECE = 4096
"""A block of the map of what is worth writing."""

OURS = uuid.UUID("b9f4a2c6-3b5e-4f0c-8d61-4e494748544a")
"""Name space of the ids below: the same image has the same ones."""
BASIC_DATA = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: what lies in it and how much room it has."""

    name: str
    kind: uuid.UUID
    size: int
    content: Path | None = None

    @property
    def id(self) -> uuid.UUID:
        """Its id."""
        return uuid.uuid5(OURS, self.name)


def partitions(disk: Path) -> dict[str, tuple[int, int]]:
    """Return begin and size of each partition of an image, in bytes, by its name.

    Raises
    ------
    BuildError
        If it is no image of a card.
    """
    with disk.open("rb") as file:
        file.seek(SECTOR)
        head = file.read(SECTOR)
        table = file.read(ENTRIES * ENTRY_SIZE)
    if not head.startswith(b"EFI PART"):
        raise BuildError(f"{disk.name} is no image of a card")
    found = {}
    for at in range(0, len(table), ENTRY_SIZE):
        first, last, _, name = struct.unpack_from("<QQQ72s", table, at + 32)
        if first:
            found[name.decode("utf-16-le").rstrip("\0")] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


def write(image: Path, planned: Sequence[Partition], *, in_old: Collection[int] = (1,)) -> None:
    """Write the image; parts of it without content are holes.

    Parameters
    ----------
    image : Path
    planned : sequence of Partition
    in_old : collection of int
        Numbers of those that stand in the table of the old kind, too: there, each has the number that it has in the new one.

    Raises
    ------
    ValueError
        If a content does not fit, a size is no whole number of MiB, or the old table has no such number.
    """
    if not set(in_old) <= OLD_NUMBERS:
        raise ValueError(f"{sorted(in_old)} cannot stand in the table of the old kind, which has {sorted(OLD_NUMBERS)}")
    begin = FIRST
    entries = []
    begins = {}
    with image.open("wb") as disk:
        for number, one in enumerate(planned, start=1):
            if one.size % MIB:
                raise ValueError(f"{one.name} has {one.size} bytes, which is no whole number of MiB")
            if one.content is not None:
                _copy(one, one.content, disk, begin)
            entries.append(_entry(one, begin))
            if number in in_old:
                begins[number] = (begin, one.size)
            begin += one.size
        size = begin + TAIL
        disk.truncate(size)
        table = b"".join(entries).ljust(ENTRIES * ENTRY_SIZE, b"\0")
        last = size // SECTOR - 1
        in_front = len(table) // SECTOR
        disk.seek(0)
        disk.write(_old_table(begins))
        disk.write(_head(table, here=1, other=last, entries_at=2, last=last))
        disk.write(table)
        disk.seek((last - in_front) * SECTOR)
        disk.write(table)
        disk.write(_head(table, here=last, other=1, entries_at=last - in_front, last=last))


def _copy(one: Partition, content: Path, disk: BinaryIO, begin: int) -> None:
    if content.stat().st_size > one.size:
        raise ValueError(f"{one.name} holds {one.size} bytes, and its content has {content.stat().st_size}")
    with content.open("rb") as source:
        while piece := source.read(PIECE):
            if piece.count(0) != len(piece):
                disk.seek(begin)
                disk.write(piece)
            begin += len(piece)


def _entry(one: Partition, begin: int) -> bytes:
    first, last = begin // SECTOR, (begin + one.size) // SECTOR - 1
    return struct.pack("<16s16sQQQ72s", one.kind.bytes_le, one.id.bytes_le, first, last, 0, one.name.encode("utf-16-le"))


def _head(table: bytes, *, here: int, other: int, entries_at: int, last: int) -> bytes:
    """Return a head of the table; UEFI 2.10, 5.3.2."""
    room = len(table) // SECTOR
    disk_id = uuid.uuid5(OURS, "disk").bytes_le

    def fields(crc: int) -> bytes:
        return struct.pack(
            "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, here, other, FIRST // SECTOR, last - room - 1,
            disk_id, entries_at, ENTRIES, ENTRY_SIZE, binascii.crc32(table),
        )  # fmt: skip

    return fields(binascii.crc32(fields(0))).ljust(SECTOR, b"\0")


def _old_table(parts: Mapping[int, tuple[int, int]]) -> bytes:
    """Return the first sector: some partitions for whoever knows only the old kind, and the table itself as taken.

    Parameters
    ----------
    parts : mapping
        Begin and size of each, in bytes, by its number.
    """
    beyond = b"\xfe\xff\xff"
    places = {number: (0x80 if number == 1 else 0, 0x0C, *part) for number, part in parts.items()}
    places[TABLE_ITSELF] = (0, 0xEE, SECTOR, FIRST - SECTOR)
    entries = b"".join(
        struct.pack("<B3sB3sII", active, beyond, kind, beyond, begin // SECTOR, size // SECTOR)
        if (active, kind, begin, size) != NOTHING
        else bytes(16)
        for active, kind, begin, size in (places.get(number, NOTHING) for number in range(1, 5))
    )
    disk_id = struct.pack("<I", binascii.crc32(b"nightjar"))
    return bytes(440) + disk_id + bytes(2) + entries + b"\x55\xaa"


def block_map(image: Path) -> str:
    """Return a map of what is worth writing, with sums, as bmaptool reads it (format 2.0)."""
    size = image.stat().st_size
    ranges: list[tuple[int, int, str]] = []
    with image.open("rb") as disk:
        digest = hashlib.sha256()
        begin: int | None = None
        number = -1
        for number, piece in enumerate(iter(lambda: disk.read(PIECE), b"")):
            if piece.count(0) == len(piece):
                if begin is not None:
                    ranges.append((begin, number - 1, digest.hexdigest()))
                    begin = None
                continue
            if begin is None:
                begin, digest = number, hashlib.sha256()
            digest.update(piece)
        if begin is not None:
            ranges.append((begin, number, digest.hexdigest()))
    mapped = sum(last - first + 1 for first, last, _ in ranges)
    lines = "".join(
        f'        <Range chksum="{chksum}">{first}-{last}</Range>\n'
        if first != last
        else f'        <Range chksum="{chksum}">{first}</Range>\n'
        for first, last, chksum in ranges
    )
    text = (
        '<?xml version="1.0" ?>\n<bmap version="2.0">\n'
        f"    <ImageSize>{size}</ImageSize>\n    <BlockSize>{PIECE}</BlockSize>\n"
        f"    <BlocksCount>{-(-size // PIECE)}</BlocksCount>\n    <MappedBlocksCount>{mapped}</MappedBlocksCount>\n"
        "    <ChecksumType>sha256</ChecksumType>\n    <BmapFileChecksum>{own}</BmapFileChecksum>\n"
        "    <BlockMap>\n" + lines + "    </BlockMap>\n</bmap>\n"
    )
    # The sum of the map itself is taken with zeros in its place.
    own = hashlib.sha256(text.format(own="0" * 64).encode()).hexdigest()
    return text.format(own=own)
