"""The data folder: its tree, atomic files in it, keys, the reserve; the only place that makes paths."""

import contextlib
import fcntl
import logging
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from appliance.domain.errors import StoreError
from appliance.domain.secret import Secret
from appliance.store import disk

log = logging.getLogger(__name__)

FOLDERS = ("backups", "keys", "tls", "nights", "peers", "spool", "darks", "updates", "notices")
RESERVE_BYTES = 16 << 20
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\Z")
_LARGEST_KEY_FILE = 64 << 10


class DataFolder:
    """Everything on disk lies below its root; names are relative to it and built from ids, never from what someone typed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._mark = secrets.token_hex(4)  # tells the temporary files of this process from those of one that was killed
        self._lock: int | None = None

    def open(self) -> None:
        """Make the tree, for this user only, and the reserve while there is room; remove what a killed process left.

        Raises
        ------
        StoreError
            If the folder cannot be made or written, or another process has it open.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            self.root.chmod(0o700)
            for name in FOLDERS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise disk.store_error(error, f"cannot use the data folder {self.root}") from error
        self.sweep_parts()
        self.restore_reserve()

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def path_of(self, relative: str) -> Path:
        """Return the path of a name.

        Raises
        ------
        StoreError
            If the name is absolute, hidden, temporary, holds odd characters or `..`, or leads outside through a link.
        """
        words = relative.split("/")
        if not all(_WORD.match(word) and ".." not in word for word in words) or relative.endswith(disk.PART):
            raise StoreError(f"not a name in the data folder: {relative!r}")
        path = self.root.joinpath(*words)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise StoreError(f"leads outside the data folder: {relative!r}")
        return path

    def write_atomic(self, relative: str, data: bytes | memoryview, *, note: bytes = b"") -> Path:
        """Write a file so that it is there whole or not at all, also after a power cut; return its path.

        Parameters
        ----------
        relative : str
        data : bytes or memoryview
        note : bytes
            A few hundred bytes kept beside the content, where the file system can (`disk.read_note`).
        """
        path = self.path_of(relative)
        self._make_folder(path.parent)
        disk.write_atomic(path, data, part=path.with_name(f"{path.name}.{self._mark}{disk.PART}"), note=note)
        return path

    def append(self, relative: str, data: bytes | memoryview, *, at: int) -> int:
        """Add bytes to a file that grows over many writes, and force them to disk; return its size.

        Parameters
        ----------
        relative : str
        data : bytes or memoryview
        at : int
            How many bytes must be there already; where it is otherwise nothing is written.

        Raises
        ------
        BlockingIOError
            If somebody else adds to it just now.
        StoreError
        """
        path = self.path_of(relative)
        self._make_folder(path.parent)
        return disk.append(path, data, at)

    def move(self, relative: str, target: str) -> None:
        """Give a file another name, for good."""
        path = self.path_of(target)
        self._make_folder(path.parent)
        try:
            self.path_of(relative).replace(path)
            disk.sync_folder(path.parent)
        except OSError as error:
            raise disk.store_error(error, f"cannot move {relative}") from error

    def read(self, relative: str) -> bytes | None:
        """Return a file's content, or None where there is none."""
        try:
            return self.path_of(relative).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk.store_error(error, f"cannot read {relative}") from error

    def remove(self, relative: str) -> bool:
        """Remove a file; return whether there was one."""
        try:
            self.path_of(relative).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise disk.store_error(error, f"cannot remove {relative}") from error
        return True

    def free_bytes(self) -> int:
        """Return how many bytes can still be written."""
        return disk.free_bytes(self.root)

    def sweep_parts(self) -> int:
        """Remove temporary files that a killed process left; those of this process stay. Return how many."""
        count = 0
        for path in self._parts():
            with contextlib.suppress(OSError):
                path.unlink()
                count += 1
        if count:
            log.info("temporary files removed: %d", count)
        return count

    def give_up_reserve(self) -> bool:
        """Free the reserve, so that login and housekeeping can write on a full disk; return whether there was one."""
        is_given = self.remove("reserve")
        if is_given:
            log.warning("the reserve was given up: the disk is full")
        return is_given

    def restore_reserve(self) -> bool:
        """Take the reserve again where that leaves room for four times as much; return whether it is there."""
        path = self.path_of("reserve")
        if path.exists():
            return True
        if self.free_bytes() < 5 * RESERVE_BYTES:
            return False
        part = path.with_name(f"reserve.{self._mark}{disk.PART}")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
            part.rename(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            log.warning("no reserve could be taken: %s", error)
            return False
        return True

    def read_key(self, name: str) -> Secret[bytes] | None:
        """Return a key file's content, or None where there is none; make it private again if it is not."""
        path = self.path_of(f"keys/{name}")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk.store_error(error, f"cannot read the key {name}") from error
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                log.warning("a key file was readable by others: %s", name)
                os.fchmod(file.fileno(), 0o600)
            return Secret(file.read(_LARGEST_KEY_FILE))

    def make_key(self, name: str, key: Secret[bytes]) -> None:
        """Write a key that is not there yet, for this user only.

        Raises
        ------
        StoreError
            If there is one already: a key is never written over by accident; see `replace_key`.
        """
        if self.path_of(f"keys/{name}").exists():
            raise StoreError(f"there is a key {name} already")
        self.replace_key(name, key)

    def replace_key(self, name: str, key: Secret[bytes]) -> None:
        """Write a key over the old one, as rotation does."""
        self.write_atomic(f"keys/{name}", key.reveal())

    def read_tls(self, name: str) -> bytes | None:
        """Return a file of `tls/`, or None where there is none."""
        return self.read(f"tls/{name}")

    def write_tls(self, name: str, pem: bytes) -> Path:
        """Write a file of `tls/`, for this user only."""
        return self.write_atomic(f"tls/{name}", pem)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        try:
            missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
            for parent in reversed(missing):
                parent.mkdir(mode=0o700, exist_ok=True)
                disk.sync_folder(parent.parent)
        except OSError as error:
            raise disk.store_error(error, f"cannot make the folder {folder.name}") from error

    def _parts(self) -> Iterator[Path]:
        own = f".{self._mark}{disk.PART}"
        for folder, _, names in os.walk(self.root):
            yield from (Path(folder, name) for name in names if name.endswith(disk.PART) and not name.endswith(own))

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreError(f"another Nightjar uses the data folder {self.root}") from error
        self._lock = descriptor
