"""One file to the stick: in pieces, at a pace, without filling the memory's cache, and read back."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.export.messages import Outcome
from appliance.export.stick import StickError, told

PIECE_BYTES = 1 << 20
SYNC_BYTES = 4 << 20
"""So much is written before it is forced out: a slow stick must not fill the machine's memory with what waits for it."""


class StoppedError(Exception):
    """Somebody asked for the end."""


class SourceError(Exception):
    """A file of our own cannot be read."""


class GoneError(SourceError):
    """A file of our own is no longer there."""


class Pace:
    """Sleeps so long that bytes pass at a given rate at most; what was slower gives no right to be faster later."""

    def __init__(self, bytes_per_s: int, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._bytes_per_s, self._now, self._sleep = bytes_per_s, now, sleep
        self._free_at = now()

    def passed(self, count: int) -> None:
        """Count bytes that were read or written on the stick."""
        self._free_at = max(self._free_at, self._now() - count / self._bytes_per_s) + count / self._bytes_per_s
        wait_s = self._free_at - self._now()
        if wait_s > 0:
            self._sleep(wait_s)


class Copier:
    """Copies files; calls `passed` with the bytes of every piece, which may raise StoppedError."""

    def __init__(self, pace: Pace, passed: Callable[[int], None]) -> None:
        self._pace, self._passed = pace, passed
        self._piece = memoryview(bytearray(PIECE_BYTES))

    def copy(self, source: Path, part: int) -> str:
        """Copy a file to the descriptor of the temporary one, force it to the stick, read it back; return its SHA-256.

        Raises
        ------
        SourceError
            If our own file cannot be read.
        StickError
            If the stick fails, or reads back something else than was written.
        """
        digest = hashlib.sha256()
        size = waiting = 0
        with _opened(source) as file:
            while count := _read(file, self._piece):
                piece = self._piece[:count]
                digest.update(piece)
                with told():
                    _write(part, piece)
                size, waiting = size + count, waiting + count
                if waiting >= SYNC_BYTES:
                    _force_out(part)
                    _forget(file)
                    waiting = 0
                self._pace.passed(count)
                self._passed(count)
            modified_ns = os.fstat(file).st_mtime_ns
            _forget(file)
        with told(), contextlib.suppress(PermissionError):
            os.utime(part, ns=(modified_ns, modified_ns))
        _force_out(part)
        if self._read_back(part, size) != digest.digest():
            raise StickError(Outcome.BROKEN, "it reads back something else than was written")
        return digest.hexdigest()

    def digest(self, source: Path) -> str:
        """Return the SHA-256 of a file of our own."""
        digest = hashlib.sha256()
        with _opened(source) as file:
            while count := _read(file, self._piece):
                digest.update(self._piece[:count])
                self._passed(0)
            _forget(file)
        return digest.hexdigest()

    def _read_back(self, part: int, size: int) -> bytes:
        """Return the digest of what the stick itself gives back: the cache was told to forget what was written."""
        digest = hashlib.sha256()
        with told():
            os.lseek(part, 0, os.SEEK_SET)
        while size:
            with told():
                count = os.readv(part, [self._piece[: min(size, PIECE_BYTES)]])
            if not count:
                break
            digest.update(self._piece[:count])
            size -= count
            self._pace.passed(count)
            self._passed(0)
        _forget(part)
        return digest.digest()


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[int]:
    """Give a descriptor of a file of our own."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise GoneError(source.name) from error
    except OSError as error:
        raise SourceError(f"{source.name}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(file: int, piece: memoryview) -> int:
    try:
        return os.readv(file, [piece])
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read") from error


def _write(part: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(part, piece) :]


def _force_out(part: int) -> None:
    with told():
        os.fsync(part)
    _forget(part)


def _forget(descriptor: int) -> None:
    """Give back the memory in which the kernel keeps what will not be read again."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
