"""Where on the disk its partitions lie."""

import struct
from pathlib import Path

from imagebuild.disk import ENTRIES, ENTRY_SIZE, SECTOR


def partitions(image: Path) -> dict[str, tuple[int, int]]:
    """Return begin and size of each partition, in bytes, by its name."""
    with image.open("rb") as disk:
        disk.seek(2 * SECTOR)
        table = disk.read(ENTRIES * ENTRY_SIZE)
    found = {}
    for at in range(0, len(table), ENTRY_SIZE):
        first, last, _, name = struct.unpack_from("<QQQ72s", table, at + 32)
        if first:
            found[name.decode("utf-16-le").rstrip("\0")] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found
