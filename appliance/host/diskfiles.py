"""The disk that holds the data folder, as the kernel tells it: which one it is, how worn, and whether it still takes writes."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.machine import Disk
from appliance.host.kernelfiles import KernelFiles

_SPARE = {1: "normal", 2: "low", 3: "nearly gone"}
"""PRE_EOL_INFO of eMMC (JEDEC JESD84-B51): fewer than 80 %, at least 80 %, at least 90 % of the spare blocks used."""
_MOST_WORN = 11
"""DEVICE_LIFE_TIME_EST: 1 is up to 10 % used, 10 up to 100 %, 11 more."""
_TAKES_NOTHING = frozenset(("ro", "emergency_ro", "shutdown"))
"""Among the options of a file system: since Linux 6.12 ext4 stays `rw` after an error that it stops at, and says that beside."""
_HEX = re.compile(r"0x[0-9a-fA-F]{1,8}")
_OCTAL = re.compile(r"\\([0-7]{3})")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!._-]{0,63}")


@dataclass(frozen=True, slots=True)
class _Mount:
    """Where the data folder's file system comes from."""

    numbers: str
    """Major and minor number of its device, `179:7`."""
    is_read_only: bool


def read_disk(files: KernelFiles, data: Path, stalled_percent: float | None) -> Disk:
    """Return what is known of the disk below a folder.

    Parameters
    ----------
    files : KernelFiles
    data : Path
        The data folder; it is asked for its room itself, and looked for among the mounts.
    stalled_percent : float or None
        Handed through.
    """
    free_bytes, total_bytes = _room(data)
    mount = _mount_of(files.text("proc/self/mountinfo") or "", data)
    if mount is None:
        return Disk(stalled_percent=stalled_percent, free_bytes=free_bytes, total_bytes=total_bytes)
    part, whole_disk = _names(files, mount.numbers)
    device = f"sys/block/{whole_disk}/device"
    return Disk(
        device=whole_disk,
        model=_words(files.text(f"{device}/name") or files.text(f"{device}/model")) if whole_disk else None,
        kind=_one_of(files.text(f"{device}/type"), ("SD", "MMC")) if whole_disk else None,
        made=_month(files.text(f"{device}/date")) if whole_disk else None,
        worn_percent=_worn(files.text(f"{device}/life_time")) if whole_disk else None,
        spare_blocks=_SPARE.get(_hex(files.text(f"{device}/pre_eol_info")) or 0) if whole_disk else None,
        file_system_errors=files.count(f"sys/fs/ext4/{part}/errors_count") if part else None,
        io_errors=_hex(files.text(f"{device}/ioerr_cnt")) if whole_disk else None,
        stalled_percent=stalled_percent,
        is_read_only=mount.is_read_only,
        free_bytes=free_bytes,
        total_bytes=total_bytes,
    )


def _room(data: Path) -> tuple[int | None, int | None]:
    try:
        room = os.statvfs(data)
    except OSError:
        return None, None
    return room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize


def _mount_of(mountinfo: str, data: Path) -> _Mount | None:
    """Return the mount that holds a folder: the longest name that begins its path, the last of several with the same name."""
    folder = data.resolve()
    best, found = -1, None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        words, about = left.split(" "), right.split(" ")
        if not dash or len(words) < 6 or len(about) < 3 or not re.fullmatch(r"\d{1,5}:\d{1,8}", words[2]):
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), words[4]))
        depth = len(point.parts)
        if depth >= best and folder.is_relative_to(point):
            best = depth
            found = _Mount(words[2], "ro" in words[5].split(",") or not _TAKES_NOTHING.isdisjoint(about[2].split(",")))
    return found


def _names(files: KernelFiles, numbers: str) -> tuple[str | None, str | None]:
    """Return the names of a block device and of the whole disk that it is a part of."""
    link = f"sys/dev/block/{numbers}"
    found = files.real_name(link)
    if found is None or not all(map(_DEVICE.fullmatch, found)):
        return None, None
    name, around = found
    return name, around if files.has(f"{link}/partition") else name


def _worn(text: str | None) -> int | None:
    """Return the more worn of an eMMC's two kinds of memory, in per cent: it writes `0x02 0x01`."""
    levels = [_hex(word) for word in (text or "").split()]
    known = [level for level in levels if level is not None and 1 <= level <= _MOST_WORN]
    return max(known) * 10 if known else None


def _hex(text: str | None) -> int | None:
    return int(text, 16) if text is not None and _HEX.fullmatch(text) else None


def _month(text: str | None) -> str | None:
    return text if text is not None and re.fullmatch(r"(0[1-9]|1[0-2])/(19|20)\d\d", text) else None


def _one_of(text: str | None, known: tuple[str, ...]) -> str | None:
    return text if text in known else None


def _words(text: str | None) -> str | None:
    """Return a name that a device gives itself, if it can be shown."""
    return text if text is not None and len(text) <= 40 and text.isprintable() else None
