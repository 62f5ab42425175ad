"""The partitions of a card, and one of them as a computer meets it that the card is put into: its machine is switched off."""

import contextlib
import struct
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from imagebuild.disk import ENTRIES, ENTRY_SIZE, SECTOR, partitions

FIRMWARE, DATA = "firmware", "data"
"""Names in the card's table."""
COMMANDS = ("qemu-img", "mcopy")
MADE_AT = 8
"""Where a squashfs tells when it was made, in seconds since 1970."""


def made_at(image: Path) -> datetime:
    """Return the date of everything in an image: that of the commit that it was built from."""
    with image.open("rb") as disk:
        disk.seek(partitions(image)["root_a"][0] + MADE_AT)
        (seconds,) = struct.unpack("<I", disk.read(4))
    return datetime.fromtimestamp(seconds, UTC)


@contextlib.contextmanager
def partition(card: Path, name: str, folder: Path) -> Iterator[Path]:
    """Give a partition of a card of QEMU's as a file; what was changed in it goes back onto the card."""
    begin, size = partitions(_head_of(card, folder))[name]
    there = f"driver=raw,offset={begin},size={size},file.driver=qcow2,file.file.driver=file,file.file.filename={card}"
    here = folder / f"{name}.img"
    _run("qemu-img", "convert", "--image-opts", there, "-O", "raw", here)
    as_it_was = here.stat().st_mtime_ns
    yield here
    if here.stat().st_mtime_ns != as_it_was:
        _run("qemu-img", "convert", "-n", "-f", "raw", here, "--target-image-opts", there)
    here.unlink()


def put(card: Path, folder: Path, texts: Mapping[str, bytes]) -> None:
    """Put files onto the partition that every computer can read."""
    with partition(card, FIRMWARE, folder) as firmware:
        for name, text in texts.items():
            _run("mcopy", "-o", "-i", firmware, "-", f"::{name}", stdin=text)


def get(card: Path, folder: Path, name: str) -> bytes:
    """Return what a file on that partition holds."""
    with partition(card, FIRMWARE, folder) as firmware:
        return _run("mcopy", "-i", firmware, f"::{name}", "-")


def _head_of(card: Path, folder: Path) -> Path:
    head = folder / "head.img"
    sectors = 2 + ENTRIES * ENTRY_SIZE // SECTOR
    _run("qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"bs={SECTOR}", f"count={sectors}", f"if={card}", f"of={head}")
    return head


def _run(*command: str | Path, stdin: bytes = b"") -> bytes:
    ended = subprocess.run(list(map(str, command)), check=False, timeout=300, capture_output=True, input=stdin)
    assert ended.returncode == 0, f"{command}: {ended.stderr!r}"
    return ended.stdout
