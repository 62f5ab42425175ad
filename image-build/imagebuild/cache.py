"""What was built before: a folder for each hash of what it was built from."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_DAYS = 30
"""What nobody used for so long is removed."""


def key_of(*parts: bytes | str | Path) -> str:
    """Return a name that changes with any of these; of a path what the file holds, of a folder what all its files hold."""
    digest = hashlib.sha256()
    for part in parts:
        content = _content(part) if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
        return b"".join(str(one.relative_to(path)).encode() + b"\0" + hashlib.sha256(one.read_bytes()).digest() for one in files)
    return path.read_bytes()


class Cache:
    """Below `${XDG_CACHE_HOME:-~/.cache}/nightjar/image`."""

    def __init__(self) -> None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = home / "nightjar" / "image"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pool = self.folder / "pool"
        """Debian's package files."""

    def get(self, stage: str, key: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of a stage; have it made where there is none.

        Parameters
        ----------
        stage : str
        key : str
            From `key_of`.
        make : callable
            Fills the empty folder that it is given.
        """
        folder = self.folder / f"{stage}-{key}"
        if not folder.is_dir():
            with self.scratch() as new:
                made = new / "made"
                made.mkdir()
                make(made)
                made.rename(folder)
        os.utime(folder)
        return folder

    def keep_newest(self, stage: str, count: int) -> None:
        """Remove what there is of a stage but for the last that were used."""
        found = sorted(self.folder.glob(f"{stage}-*"), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
        for folder in found[count:]:
            shutil.rmtree(folder)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Lend an empty folder on the same disk."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="new-") as folder:
            yield Path(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one build in at a time; then remove what nobody used for long."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for old in self.folder.glob("new-*"):  # of a build that was killed
                shutil.rmtree(old)
            yield
            for folder in self.folder.iterdir():
                if folder.is_dir() and "-" in folder.name and folder.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                    shutil.rmtree(folder)
