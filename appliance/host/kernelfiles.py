"""Small files of the kernel below a root: what is missing, refused or not as expected reads as None, never as an error."""

import os
import re
import stat
from pathlib import Path

LARGEST = 256 * 1024
_MOST_NAMES = 256
_NUMBER = re.compile(r"[+-]?\d{1,18}")


class KernelFiles:
    """Files of `/proc` and `/sys`, or of a tree that stands for them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def text(self, path: str) -> str | None:
        """Return what a file holds, without the spaces around it."""
        try:
            # A pipe in the place of a file must not hold us up; the kernel's own files do not mind the flag.
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError):  # ValueError: a name with a zero in it
            return None
        try:
            held = _read(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        try:
            return held.decode("ascii").strip() or None
        except UnicodeDecodeError:
            return None

    def number(self, path: str) -> int | None:
        """Return the whole number that a file holds and nothing else."""
        return whole(self.text(path))

    def count(self, path: str) -> int | None:
        """Return the number that a file holds, if it can be a count."""
        found = self.number(path)
        return found if found is not None and found >= 0 else None

    def flag(self, path: str) -> bool | None:
        """Return the truth of a file that holds 0 or 1."""
        return {"0": False, "1": True}.get(self.text(path) or "")

    def names(self, path: str) -> tuple[str, ...]:
        """Return what lies in a folder, sorted; nothing where there is no such folder."""
        try:
            names = sorted(found.name for found in (self._root / path).iterdir())
        except OSError:
            return ()
        return tuple(name for name in names[:_MOST_NAMES] if name.isascii() and name.isprintable())

    def has(self, path: str) -> bool:
        """Return whether there is anything under a name."""
        try:
            return (self._root / path).exists()
        except OSError:  # a folder that we may not look into
            return False

    def real_name(self, path: str) -> tuple[str, str] | None:
        """Return the names of what a link leads to and of the folder around that, or None."""
        try:
            real = (self._root / path).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle, before Python 3.13
            return None
        return real.name, real.parent.name


def _read(descriptor: int) -> bytes:
    """Return the content of a plain file, or nothing if it is another thing or longer than any that we read."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return b""
    held = b""
    while len(held) <= LARGEST:
        piece = os.read(descriptor, 16384)
        if not piece:
            return held
        held += piece
    return b""


def whole(text: str | None) -> int | None:
    """Return the number that a text is, or None."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def decimal(text: str | None) -> float | None:
    """Return the number with or without a point that a text is, or None; neither exponents nor infinities are taken."""
    return float(text) if text is not None and re.fullmatch(r"[+-]?\d{1,15}(\.\d{0,9})?", text) else None


def between(value: float | None, low: float, high: float) -> float | None:
    """Return a value that can be true, or None."""
    return value if value is not None and low <= value <= high else None
