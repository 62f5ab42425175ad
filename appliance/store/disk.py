"""Bytes to disk and back so that a power cut leaves the old file or the new one, never half of one."""

import contextlib
import errno
import fcntl
import os
import shutil
from pathlib import Path

from appliance.domain.errors import DiskFullError, StoreError

PART = ".part"
"""What the names of temporary files end in."""
PRIVATE = 0o600
_NOTE = "user.nightjar"
_FULL_BELOW = 256 << 10


def store_error(error: OSError, doing: str) -> StoreError:
    """Return our word for an error of the system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{doing}: no room left")
    return StoreError(f"{doing}: {error.strerror or error}")


def write_atomic(path: Path, data: bytes | memoryview, *, part: Path, note: bytes = b"", mode: int = PRIVATE) -> None:
    """Write a file under a temporary name, force it to disk, then give it its name.

    Parameters
    ----------
    path : Path
    data : bytes or memoryview
    part : Path
        The temporary name, in the same folder.
    note : bytes
        Kept with the file as an extended attribute, where the file system has any; see `read_note`.
    mode : int
        Who may read it: nobody else, unless said.

    Raises
    ------
    DiskFullError
        If there is no room; nothing is left behind.
    StoreError
        If the system refuses for another reason.
    """
    try:
        try:
            _write_synced(part, data, note, mode)
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise store_error(error, f"cannot write {path.name}") from error


def _write_synced(part: Path, data: bytes | memoryview, note: bytes, mode: int) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        if note:
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, _NOTE, note)
        if mode != PRIVATE:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def append(path: Path, data: bytes | memoryview, at: int) -> int:
    """Add bytes at the end of a file, if it ends at `at`, and force them to disk; return the size that it then has.

    Raises
    ------
    BlockingIOError
        If another is at it.
    DiskFullError
        If there is no room; the file is as long as before then.
    StoreError
        If the system refuses for another reason.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = file.seek(0, os.SEEK_END)
        if size != at:
            return size
        try:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise store_error(error, f"cannot write {path.name}") from error
        return file.tell()


def read_note(path: Path) -> bytes:
    """Return the note that was written with a file; empty where there is none or the file system keeps none."""
    try:
        return os.getxattr(path, _NOTE, follow_symlinks=False)
    except OSError:
        return b""


def copy(source: Path, target: Path) -> None:
    """Copy a file atomically, without holding it in memory."""
    part = target.with_name(target.name + PART)
    try:
        with source.open("rb") as reader, part.open("wb") as writer:
            part.chmod(0o600)
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise store_error(error, f"cannot copy {source.name}") from error


def sync_file(path: Path) -> None:
    """Force a file's content to disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Force a folder's names to disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Return how many bytes can still be written below a folder by this user."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize


def is_full(folder: Path) -> bool:
    """Return whether there is no room worth the name."""
    return free_bytes(folder) < _FULL_BELOW
