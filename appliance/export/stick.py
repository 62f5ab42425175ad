"""The stick as the child process touches it: folder by folder, each opened without following a link.

Nothing on it is run or believed, and nothing is listed but for backups that an admin looks for. Every path begins at a descriptor
of the mount point and is made of our own names; whatever lies there in another form than ours is replaced (a file) or refused
(a folder).
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

from appliance.domain.errors import InputError
from appliance.export.manifest import LARGEST
from appliance.export.messages import Outcome
from appliance.export.names import BUNDLE, MANIFEST, PART, REQUEST, TOP, Place
from appliance.export.request import LARGEST as LARGEST_REQUEST

MOST_NAMES = 2000
"""So many names are read of a folder; who has prepared one with a million is not waited for."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OUTCOMES = {
    errno.ENOSPC: Outcome.FULL,
    errno.EDQUOT: Outcome.FULL,
    errno.EROFS: Outcome.READ_ONLY,
    errno.EACCES: Outcome.NOT_WRITABLE,
    errno.EPERM: Outcome.NOT_WRITABLE,
    errno.ELOOP: Outcome.IN_THE_WAY,
    errno.ENOTDIR: Outcome.IN_THE_WAY,
    errno.EISDIR: Outcome.IN_THE_WAY,
    errno.ENOTEMPTY: Outcome.IN_THE_WAY,
    errno.EEXIST: Outcome.IN_THE_WAY,
}
_NOT_OURS = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV}
"""What opening says where there is no plain file that we may read: nothing, a link, a folder, a node, a stranger's."""


class StickError(Exception):
    """The stick does not let us go on."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome, self.detail = outcome, detail


@contextmanager
def told() -> Iterator[None]:
    """Turn the system's errors about a stick into ours."""
    try:
        yield
    except OSError as error:
        outcome = _OUTCOMES.get(error.errno or 0, Outcome.BROKEN)
        raise StickError(outcome, error.strerror or "it does not answer") from error


@dataclass(frozen=True, slots=True)
class Room:
    """How much can be written."""

    free_bytes: int
    total_bytes: int

    def has(self, size: int) -> bool:
        """Return whether a file fits so that a twentieth of the stick stays free."""
        return self.free_bytes - size >= self.total_bytes // 20


class StickFolder:
    """A mounted stick."""

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self._root = self._home = -1

    def __enter__(self) -> Self:
        with told():
            self._root = os.open(self._mount, _FOLDER)
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._home, self._root):
            if descriptor >= 0:
                os.close(descriptor)

    def room(self) -> Room:
        """Return how much can be written."""
        with told():
            found = os.fstatvfs(self._root)
        return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def request(self) -> bytes | None:
        """Return what `nightjar-export.toml` begins with, one byte more than it may have, or None where there is none."""
        with told():
            return _read(self._root, REQUEST, LARGEST_REQUEST + 1)

    def bundle_bytes(self) -> int:
        """Return the size of the update that lies there; 0 where there is none."""
        with told():
            try:
                found = os.stat(BUNDLE, dir_fd=self._root, follow_symlinks=False)
            except OSError as error:
                if error.errno in _NOT_OURS:
                    return 0
                raise
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def bundle(self) -> AbstractContextManager[tuple[int, int]]:
        """Give a descriptor of the update that lies there, and its size; InputError where there is none."""
        return self.plain_file(self._root, BUNDLE)

    @contextmanager
    def plain_file(self, folder: int | None, name: str) -> Iterator[tuple[int, int]]:
        """Give a descriptor of a file in an open folder, and its size; InputError where there is none, or something else."""
        with told():
            descriptor = -1 if folder is None else _open_file(folder, name)
        if descriptor < 0:
            raise InputError(f"On this stick lies no file {name}.")
        try:
            with told():
                found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise InputError(f"On this stick {name} is no plain file.")
            yield descriptor, found.st_size
        finally:
            os.close(descriptor)

    @contextmanager
    def folder(self, place: Place) -> Iterator[int | None]:
        """Give a descriptor of a folder, or None where there is none that we may read; a link is none."""
        opened = [self._root]
        try:
            with told():
                is_there = all(_open_next(opened, name) for name in place)
            yield opened[-1] if is_there else None
        finally:
            for descriptor in opened[1:]:
                os.close(descriptor)

    def names(self, folder: int | None) -> tuple[list[str], bool]:
        """Return names in an open folder, and whether there are more than are ever read."""
        if folder is None:
            return [], False
        with told(), os.scandir(folder) as entries:
            found = [entry.name for entry in islice(entries, MOST_NAMES + 1)]
        return found[:MOST_NAMES], len(found) > MOST_NAMES

    def seen(self, folder: int | None, name: str) -> os.stat_result | None:
        """Return what is known of an entry of a folder, without opening or following it; None where it is gone."""
        if folder is None:
            return None
        with told():
            try:
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def begin(self, device_folder: str) -> None:
        """Make this device's folder, and remove the temporary file that a pull left in it.

        Raises
        ------
        StickError
            If we may not write there, or something else lies in its place.
        """
        with told():
            top = _open_folder(self._root, TOP, make=True)
            try:
                self._home = _open_folder(top, device_folder, make=True)
            finally:
                os.close(top)
            self._remove_part()
            os.close(self.new_part())
            self._remove_part()

    def new_part(self) -> int:
        """Return a descriptor of the temporary file, new and empty."""
        with told():
            with contextlib.suppress(FileExistsError):
                return os.open(PART, _WRITE, 0o644, dir_fd=self._home)
            self._remove_part()
            return os.open(PART, _WRITE, 0o644, dir_fd=self._home)

    @contextmanager
    def night(self, name: str) -> Iterator["NightFolder"]:
        """Give the folder of a night, which is made when something is put into it."""
        folder = NightFolder(self._home, name, self.new_part)
        try:
            yield folder
        finally:
            folder.close()

    def _remove_part(self) -> None:
        try:
            os.unlink(PART, dir_fd=self._home)
        except FileNotFoundError:
            pass
        except OSError:
            os.rmdir(PART, dir_fd=self._home)  # an empty folder of this name, or the error is told


class NightFolder:
    """The folder of one night; its folders stay open until it is closed, a day's hours at most."""

    def __init__(self, home: int, name: str, new_part: Callable[[], int]) -> None:
        self._home, self._name, self._new_part = home, name, new_part
        self._open: dict[Place, int] = {}
        self._changed: set[Place] = set()

    def close(self) -> None:
        """Close what was opened."""
        while self._open:
            os.close(self._open.popitem()[1])

    def manifest(self) -> bytes:
        """Return the manifest; empty where there is none, or none that could be ours."""
        with told():
            folder = self._folder((), make=False)
            found = None if folder is None else _read(folder, MANIFEST, LARGEST + 1)
        return found if found is not None and len(found) <= LARGEST else b""

    def holds(self, place: Place, size: int | None = None) -> bool:
        """Return whether a plain file lies in a place, of this size if one is given."""
        with told():
            try:
                folder = self._folder(place[:-1], make=False)
                if folder is None:
                    return False
                found = os.stat(place[-1], dir_fd=folder, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return stat.S_ISREG(found.st_mode) and size in (None, found.st_size)

    def put(self, place: Place) -> None:
        """Give the temporary file its place; a file, link or node that lies there goes, a folder stays and is told."""
        with told():
            folder = self._folder(place[:-1], make=True)
            os.rename(PART, place[-1], src_dir_fd=self._home, dst_dir_fd=folder)
        self._changed.add(place[:-1])

    def write_manifest(self, text: bytes) -> None:
        """Force the names of all that was put to the stick, then replace the manifest; an empty one is removed."""
        with told():
            for place in sorted(self._changed):
                _sync(self._open[place])
            self._changed.clear()
            if not text:
                os.unlink(MANIFEST, dir_fd=self._folder((), make=True))
                return
            part = self._new_part()
            with os.fdopen(part, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(part)
        self.put((MANIFEST,))
        with told():
            _sync(self._open[()])
            self._changed.clear()

    def _folder(self, place: Place, *, make: bool) -> int | None:
        """Return the descriptor of a folder, or None where there is none and none is to be made."""
        if place in self._open:
            return self._open[place]
        parent = self._home if not place else self._folder(place[:-1], make=make)
        if parent is None:
            return None
        try:
            self._open[place] = _open_folder(parent, place[-1] if place else self._name, make=make)
        except FileNotFoundError:
            return None
        return self._open[place]


def _open_file(folder: int, name: str) -> int:
    """Return a descriptor of what may be a plain file, or -1 where there is none that we may read."""
    try:
        return os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_OURS:
            return -1
        raise


def _open_next(opened: list[int], name: str) -> bool:
    """Open a folder within the last one of a list, which it joins; return whether there is one that we may read."""
    try:
        opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
    except OSError as error:
        if error.errno in _NOT_OURS:
            return False
        raise
    return True


def _open_folder(parent: int, name: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
            _sync(parent)
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):  # a link or a file; the name is ours
            raise NotADirectoryError(errno.ENOTDIR, name) from error
        raise


def _read(folder: int, name: str, most: int) -> bytes | None:
    """Return the first bytes of a plain file, or None where there is none: a pipe, node, link or folder is none."""
    descriptor = _open_file(folder, name)
    if descriptor < 0:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        found = b""
        while len(found) < most and (more := os.read(descriptor, most - len(found))):
            found += more
        return found
    finally:
        os.close(descriptor)


def _sync(folder: int) -> None:
    """Force a folder's names to the stick, where its file system can."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
