"""Folders between two users of the machine: what one process keeps to itself, and what it hands to a group to read.

The one who writes owns both folders and reads nothing that the other could have written.
"""

import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.domain.errors import StoreError
from appliance.store import disk

log = logging.getLogger(__name__)

FOR_THE_GROUP = 0o640


@contextmanager
def kept_private(folder: Path) -> Iterator[None]:
    """Hold a folder that nobody else may enter, and that no second process of ours uses meanwhile.

    Raises
    ------
    StoreError
        If it is missing, a link, another user's, or in use.
    """
    with _opened(folder) as descriptor:
        mode = _own(folder, descriptor).st_mode
        if mode & 0o077:
            log.warning("a private folder was open to others: %s", folder)
            os.fchmod(descriptor, 0o700)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another process uses {folder}") from error
        yield


class Handover:
    """A folder of ours (mode 2750) whose group reads what we put there.

    Raises
    ------
    StoreError
        If it is missing, a link, another user's, does not pass its group on, or is open to more than its group's reading.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _opened(folder) as descriptor:
            mode = _own(folder, descriptor).st_mode
        if stat.S_IMODE(mode) != 0o2750:
            raise StoreError(f"{folder} must have mode 2750, not {stat.S_IMODE(mode):04o}")
        try:
            for left_behind in folder.glob(f"*{disk.PART}"):
                left_behind.unlink()
        except OSError as error:
            raise disk.store_error(error, f"cannot tidy up {folder}") from error

    def put(self, name: str, content: bytes) -> bool:
        """Write a file for the group, whole or not at all, unless it lies there already; return whether it was written."""
        path = self._folder / name
        if self._is_there(path, content):
            return False
        disk.write_atomic(path, content, part=path.with_name(name + disk.PART), mode=FOR_THE_GROUP)
        return True

    def _is_there(self, path: Path, content: bytes) -> bool:
        with contextlib.suppress(OSError):  # whatever else lies there is written over
            found = path.lstat()
            is_ours = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == FOR_THE_GROUP
            return is_ours and found.st_gid == self._folder.stat().st_gid and path.read_bytes() == content
        return False


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise disk.store_error(error, f"cannot use the folder {folder}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _own(folder: Path, descriptor: int) -> os.stat_result:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid():
        raise StoreError(f"{folder} belongs to another user (id {found.st_uid})")
    return found
