"""Files as one ZIP that is made while it is sent: stored, its length known before, any part of it on request.

Nothing is kept but the list of members: no temporary file, and one chunk of one file at a time. Each file is read once for
its checksum and once to be sent, so that every header is complete and even readers that cannot seek understand the archive.
Decision 0803 says why.
"""

import hashlib
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from appliance.domain.errors import NightjarError

CHUNK = 64 * 1024
_BATCH = 16 * 1024
"""So much of the directory is put together before it is sent."""

# Names as in PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16.
_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_FULL_32, _FULL_16 = 0xFFFFFFFF, 0xFFFF
"""What a field holds whose number stands in the ZIP64 part, because it is as large or larger."""
_PLAIN, _ZIP64 = 10, 45
"""Versions needed to extract."""
_MADE_BY_UNIX = 3 << 8
_MODE = (stat.S_IFREG | 0o644) << 16
_UTF_8 = 1 << 11


class GoneError(NightjarError):
    """A file is not any more what it was when the archive was planned: removed to make room, or damaged."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, as it was when the archive was planned."""

    name: str
    """Inside the archive."""
    path: str
    """On disk."""
    size: int
    mtime_ns: int
    stamp: tuple[int, int]
    """Date and time as MS-DOS writes them."""


def member(name: str, path: str, at: datetime | None = None) -> Member | None:
    """Look at a file; None where there is none.

    Parameters
    ----------
    name : str
        Inside the archive, with `/` between folders.
    path : str
        On disk.
    at : datetime or None
        What the archive tells as the file's time: of whatever zone it is in, since a ZIP knows none.
    """
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    when = at or datetime.fromtimestamp(facts.st_mtime).astimezone()
    return Member(name, path, facts.st_size, facts.st_mtime_ns, dos_stamp(when)) if stat.S_ISREG(facts.st_mode) else None


def dos_stamp(when: datetime) -> tuple[int, int]:
    """Return date and time as MS-DOS writes them: two-second steps, years from 1980 to 2107."""
    if not 1980 <= when.year <= 2107:
        return (1 << 5) | 1, 0
    return (when.year - 1980) << 9 | when.month << 5 | when.day, when.hour << 11 | when.minute << 5 | when.second // 2


@dataclass(frozen=True, slots=True)
class Archive:
    """A ZIP that is nowhere."""

    members: tuple[Member, ...]
    length: int = field(init=False)
    """Of the whole, in bytes."""
    directory_at: int = field(init=False)
    """Where the directory at the end begins."""

    def __post_init__(self) -> None:
        at = sum(_span(one) for one in self.members)
        directory = sum(len(_entry(one, offset, 0)) for one, offset in self._placed())
        object.__setattr__(self, "directory_at", at)
        object.__setattr__(self, "length", at + directory + len(_end(len(self.members), directory, at)))

    @property
    def etag(self) -> str:
        """A strong entity tag: the same only where every byte is the same."""
        digest = hashlib.sha256()
        for one in self.members:
            digest.update(repr((one.name, one.size, one.mtime_ns, one.stamp)).encode())
        return f'"{digest.hexdigest()[:32]}"'

    def pieces(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Make the bytes from `first` to `last`, both included.

        Raises
        ------
        GoneError
            If a file changed or went since the archive was planned: what was made until then is no whole archive.
        """
        last = self.length - 1 if last is None else last
        sums: dict[int, int] = {}
        for number, (one, offset) in enumerate(self._placed()):
            if offset > last:
                return
            if offset + _span(one) > first:
                with _opened(one) as file:
                    sums[number] = _checksum(file, one)
                    yield from _cut(_local(one, sums[number]), offset, first, last)
                    yield from _content(file, one, offset + len(_local(one, 0)), first, last)
        offset = self.directory_at
        for piece in self._directory(sums):
            yield from _cut(piece, offset, first, last)
            offset += len(piece)

    def _placed(self) -> Iterator[tuple[Member, int]]:
        """Yield each member with where it begins."""
        offset = 0
        for one in self.members:
            yield one, offset
            offset += _span(one)

    def _directory(self, sums: dict[int, int]) -> Iterator[bytes]:
        """Make the directory; files that a part of the archive left out are read for it here, one after the other."""
        batch, size = b"", 0
        for number, (one, offset) in enumerate(self._placed()):
            if number not in sums:
                with _opened(one) as file:
                    sums[number] = _checksum(file, one)
                yield batch
                batch = b""
            entry = _entry(one, offset, sums[number])
            batch += entry
            size += len(entry)
            if len(batch) >= _BATCH:
                yield batch
                batch = b""
        yield batch + _end(len(self.members), size, self.directory_at)


def _span(one: Member) -> int:
    """Return how many bytes a member takes, its header included."""
    return len(_local(one, 0)) + one.size


def _head(one: Member) -> tuple[bytes, int]:
    """Return a member's name as bytes, and the flags that say how it is written."""
    name = one.name.encode()
    return name, 0 if name.isascii() else _UTF_8


def _local(one: Member, checksum: int) -> bytes:
    """Return what stands before a member's bytes."""
    (name, flags), (date, time) = _head(one), one.stamp
    is_large = one.size >= _FULL_32
    size = _FULL_32 if is_large else one.size
    extra = struct.pack("<2H2Q", 1, 16, one.size, one.size) if is_large else b""
    version = _ZIP64 if is_large else _PLAIN
    return _LOCAL.pack(b"PK\3\4", version, flags, 0, time, date, checksum, size, size, len(name), len(extra)) + name + extra


def _entry(one: Member, offset: int, checksum: int) -> bytes:
    """Return a member's entry in the directory."""
    (name, flags), (date, time) = _head(one), one.stamp
    large = [one.size, one.size] if one.size >= _FULL_32 else []
    size = _FULL_32 if large else one.size
    large += [offset] if offset >= _FULL_32 else []
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    version = _ZIP64 if large else _PLAIN
    fixed = _ENTRY.pack(
        b"PK\1\2", _MADE_BY_UNIX | version, version, flags, 0, time, date, checksum, size, size,
        len(name), len(extra), 0, 0, 0, _MODE, min(offset, _FULL_32),
    )  # fmt: skip
    return fixed + name + extra


def _end(count: int, size: int, at: int) -> bytes:
    """Return the end of an archive: of how many members, and how large and where its directory is."""
    end = _END.pack(
        b"PK\5\6", 0, 0, min(count, _FULL_16), min(count, _FULL_16), min(size, _FULL_32), min(at, _FULL_32), 0
    )  # fmt: skip
    if count < _FULL_16 and size < _FULL_32 and at < _FULL_32:
        return end
    large = _END_64.pack(b"PK\6\6", _END_64.size - 12, _MADE_BY_UNIX | _ZIP64, _ZIP64, 0, 0, count, count, size, at)
    return large + _LOCATOR_64.pack(b"PK\6\7", 0, at + size, 1) + end


@contextmanager
def _opened(one: Member) -> Iterator[BinaryIO]:
    """Open a member's file, if it still is what was planned."""
    try:
        descriptor = os.open(one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise GoneError(f"{one.name} is not there any more") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or (facts.st_size, facts.st_mtime_ns) != (one.size, one.mtime_ns):
            raise GoneError(f"{one.name} is another file now")
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _checksum(file: BinaryIO, one: Member) -> int:
    checksum = 0
    for chunk in _read(file, one, one.size):
        checksum = zlib.crc32(chunk, checksum)
    return checksum


def _content(file: BinaryIO, one: Member, at: int, first: int, last: int) -> Iterator[bytes]:
    """Yield what of a member's bytes lies between `first` and `last`; its first byte is at `at`."""
    begin, end = max(0, first - at), min(one.size, last - at + 1)
    if begin < end:
        file.seek(begin)
        yield from _read(file, one, end - begin)


def _read(file: BinaryIO, one: Member, count: int) -> Iterator[bytes]:
    while count:
        try:
            chunk = file.read(min(CHUNK, count))
        except OSError as error:
            raise GoneError(f"{one.name} cannot be read: {error.strerror}") from error
        if not chunk:
            raise GoneError(f"{one.name} is shorter than it was")
        count -= len(chunk)
        yield chunk


def _cut(piece: bytes, at: int, first: int, last: int) -> Iterator[bytes]:
    """Yield what of a piece lies between `first` and `last`; its first byte is at `at`."""
    part = piece[max(0, first - at) : max(0, last - at + 1)]
    if part:
        yield part
