"""Where the files of a FAT32 file system lie, read from the device itself: nothing is mounted, nothing is written.

As Microsoft's "FAT File System Specification" 1.03 has it; only what lies in the root folder, by short names.
"""

import os
import struct
from dataclasses import dataclass

SECTOR = 512
_ENTRY = 32
_MOST_ENTRIES = 4096
_END_OF_CHAIN = 0x0FFFFFF8
_NO_FILE = 0x08 | 0x10
"""Attributes of a volume's name, a folder and a part of a long name."""


class DamagedError(Exception):
    """It is no FAT32 file system of the form that this program reads; says why in a few words."""


@dataclass(frozen=True)
class File:
    """A file of the root folder."""

    begin: int
    """Of its first byte, on the device; the cluster that begins there is its own."""
    size: int


@dataclass(frozen=True)
class _Volume:
    first_table: int
    data: int
    cluster: int
    clusters: int
    root: int

    def has(self, number: int) -> bool:
        return 2 <= number < self.clusters + 2

    def place(self, number: int) -> int:
        return self.data + (number - 2) * self.cluster


def _read(descriptor: int, size: int, begin: int) -> bytes:
    data = os.pread(descriptor, size, begin)
    if len(data) != size:
        raise DamagedError("it ends too early")
    return data


def _volume(descriptor: int) -> _Volume:
    head = os.pread(descriptor, SECTOR, 0)
    if len(head) != SECTOR or head[510:] != b"\x55\xaa":
        raise DamagedError("no file system")
    sector, per_cluster, reserved, tables, root_entries = struct.unpack_from("<HBHBH", head, 11)
    small_table, (sectors, table), (root,) = (
        struct.unpack_from("<H", head, 22)[0],
        struct.unpack_from("<II", head, 32),
        struct.unpack_from("<I", head, 44),
    )
    if sector != SECTOR or small_table or root_entries or not table or not tables or per_cluster.bit_count() != 1:
        raise DamagedError("no FAT32 file system with sectors of 512 bytes")
    data = reserved + tables * table
    clusters = min((sectors - data) // per_cluster, table * SECTOR // 4 - 2)
    return _Volume(reserved * SECTOR, data * SECTOR, per_cluster * SECTOR, clusters, root)


def files(descriptor: int) -> dict[str, File]:
    """Return the files of the root folder by their short names, in capitals.

    Raises
    ------
    DamagedError
        If it is no such file system.
    OSError
        If it cannot be read.
    """
    volume = _volume(descriptor)
    found: dict[str, File] = {}
    cluster = volume.root
    for _ in range(_MOST_ENTRIES * _ENTRY // volume.cluster + 1):
        if not volume.has(cluster):
            raise DamagedError("a root folder that leads nowhere")
        folder = _read(descriptor, volume.cluster, volume.place(cluster))
        for at in range(0, len(folder), _ENTRY):
            name, attributes, high, low, size = struct.unpack_from("<11sB8xH4xHI", folder, at)
            if name[0] == 0:
                return found
            first = high << 16 | low
            if name[0] != 0xE5 and not attributes & _NO_FILE and size and volume.has(first):
                text = name.decode("ascii", "replace")
                found[f"{text[:8].rstrip()}.{text[8:].rstrip()}".rstrip(".")] = File(volume.place(first), size)
        (cluster,) = struct.unpack("<I", _read(descriptor, 4, volume.first_table + cluster * 4))
        cluster &= 0x0FFFFFFF
        if cluster >= _END_OF_CHAIN:
            return found
    raise DamagedError("a root folder without an end")
