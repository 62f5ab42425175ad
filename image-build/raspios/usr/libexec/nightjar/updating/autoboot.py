"""`autoboot.txt` on the first partition: from which partition the Pi's firmware starts, and from which if it is told to try.

The file is shorter than a sector and never changes its length, so that a change is one sector written in its place: wherever the
power fails, the firmware finds the text of before or the one of after. It is found in the file system by hand, since a mounted
one would be written in more places.
"""

import os
from pathlib import Path

from updating import fat

DEVICE = "firmware"
NAME = "AUTOBOOT.TXT"
PARTITIONS = {"A": 3, "B": 4}
"""Of each system's kernel; firmware-config/README.md has the table."""
LONGEST = 512
"""Bytes that the firmware reads."""
NEEDED = {"CONFIG.TXT", "CMDLINE.TXT", "VMLINUZ", "INITRD.IMG", "START.ELF", "START4.ELF"}
"""Without these on its partition the firmware of one Pi or the other does not start a system, and may stop there."""


class UnusableError(Exception):
    """The file, or a partition that it would name, is not as this system makes it; says why in one sentence."""


def text(default: str) -> bytes:
    """Return the whole file: the system that is started, and the other one on a trial."""
    other = "B" if default == "A" else "A"
    lines = (
        "[all]",
        "tryboot_a_b=1",
        f"boot_partition={PARTITIONS[default]}",
        "[tryboot]",
        f"boot_partition={PARTITIONS[other]}",
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _found(descriptor: int) -> fat.File:
    try:
        file = fat.files(descriptor).get(NAME)
    except fat.DamagedError as error:
        raise UnusableError(f"the first partition cannot be read: {error}") from error
    if file is None:
        raise UnusableError("there is no autoboot.txt on the first partition")
    if file.size > LONGEST:
        raise UnusableError(f"autoboot.txt on the first partition has {file.size} bytes, and the firmware reads {LONGEST}")
    return file


def read(device: Path) -> str:
    """Return the system that the firmware starts by itself.

    Raises
    ------
    UnusableError
        If the file is missing, or is not as this system writes it.
    OSError
        If the device cannot be read.
    """
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        file = _found(descriptor)
        untrusted = os.pread(descriptor, file.size, file.begin)
    finally:
        os.close(descriptor)
    for name in PARTITIONS:
        if untrusted == text(name):
            return name
    raise UnusableError("autoboot.txt on the first partition is not as this system writes it")


def write(device: Path, default: str) -> None:
    """Have the firmware start a system by itself; a file of the right length that was damaged is whole again.

    Raises
    ------
    UnusableError
        If the file is missing, or of another length: somebody else wrote it.
    OSError
        If the device cannot be read or written.
    """
    wanted = text(default)
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        file = _found(descriptor)
        if file.size != len(wanted):
            raise UnusableError("autoboot.txt on the first partition is not as this system writes it")
        sector = os.pread(descriptor, fat.SECTOR, file.begin)
        if not sector.startswith(wanted):
            os.pwrite(descriptor, wanted + sector[len(wanted) :], file.begin)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_bootable(device: Path) -> None:
    """Refuse a partition that the firmware could not start from.

    Raises
    ------
    UnusableError
        If a file is missing there that it needs.
    OSError
        If the device cannot be read.
    """
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        missing = NEEDED - set(fat.files(descriptor))
    except fat.DamagedError as error:
        raise UnusableError(f"the firmware could not start from {device.name}: {error}") from error
    finally:
        os.close(descriptor)
    if missing:
        raise UnusableError(
            f"the firmware could not start from {device.name}: {', '.join(sorted(missing)).lower()} is missing there"
        )
