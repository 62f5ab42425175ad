"""The one way from a stick into the data folder: a file is copied while it is hashed, whole or not at all."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from appliance.domain.errors import InputError
from appliance.export.copier import SourceError
from appliance.export.stick import told

ROOM_LEFT_BYTES = 64 << 20
_PIECE = 1 << 20


def copy_in(descriptor: int, size: int, name: str, target: Path, passed: Callable[[int], None]) -> str:
    """Copy an open file of a stick; return its SHA-256.

    Parameters
    ----------
    descriptor : int
        Of the file, at its begin.
    size : int
        How many bytes it had when it was opened; more are not read.
    name : str
        For people.
    target : Path
        Where it goes, in the data folder.
    passed : callable
        Is told of each piece; may raise to stop, and nothing is left behind then.

    Raises
    ------
    InputError
        If it became shorter meanwhile.
    StickError
        If the stick fails.
    SourceError
        If it finds no room here.
    """
    try:
        return _copy(descriptor, size, name, target, passed)
    except OSError as error:
        raise SourceError(f"no room for it: {error.strerror}") from error
    finally:
        if not _is_whole(target, size):
            target.unlink(missing_ok=True)


def _copy(descriptor: int, size: int, name: str, target: Path, passed: Callable[[int], None]) -> str:
    room = os.statvfs(target.parent)
    if room.f_bavail * room.f_frsize < size + ROOM_LEFT_BYTES:
        raise SourceError(f"there is no room for {max(1, size >> 20)} MiB")
    digest, left = hashlib.sha256(), size
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as file:
        while left:
            with told():
                piece = os.read(descriptor, min(_PIECE, left))
            if not piece:
                raise InputError(f"The file {name} on the stick became shorter while it was read.")
            digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
            left -= len(piece)
            passed(len(piece))
        os.fsync(file.fileno())
    return digest.hexdigest()


def _is_whole(target: Path, size: int) -> bool:
    try:
        return target.stat().st_size == size
    except OSError:
        return False
