"""The child's other work: the one file of an update's name is copied from the stick into the data folder, and hashed.

What it is, is not decided here: the update service has its signature checked like that of any other bundle.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from appliance.domain.errors import InputError
from appliance.domain.update import LARGEST_BUNDLE, SMALLEST_BUNDLE
from appliance.export.copier import SourceError
from appliance.export.names import BUNDLE
from appliance.export.stick import StickFolder, told

TAKEN = "updates/stick.bin"
"""Where in the data folder it goes."""
ROOM_LEFT_BYTES = 64 << 20
_PIECE = 1 << 20


def take_bundle(stick: StickFolder, data: Path, begin: Callable[[int], None], passed: Callable[[int], None]) -> str:
    """Copy the bundle; return its SHA-256.

    Parameters
    ----------
    stick : StickFolder
    data : Path
        The data folder.
    begin : callable
        Is told how many bytes there are.
    passed : callable
        Is told of each piece; may raise to stop, and nothing is left behind then.

    Raises
    ------
    InputError
        If the stick holds no such file, or it cannot be an update.
    StickError
        If the stick fails.
    SourceError
        If it finds no room here.
    """
    with stick.bundle() as (descriptor, size):
        if not SMALLEST_BUNDLE <= size <= LARGEST_BUNDLE:
            raise InputError(f"The file {BUNDLE} on the stick is no update: it has {size} bytes.")
        begin(size)
        target = data / TAKEN
        try:
            return _copy(descriptor, size, target, passed)
        except OSError as error:
            raise SourceError(f"no room for it: {error.strerror}") from error
        finally:
            if not _is_whole(target, size):
                target.unlink(missing_ok=True)


def _copy(descriptor: int, size: int, target: Path, passed: Callable[[int], None]) -> str:
    room = os.statvfs(target.parent)
    if room.f_bavail * room.f_frsize < size + ROOM_LEFT_BYTES:
        raise SourceError(f"there is no room for {size >> 20} MiB")
    digest, left = hashlib.sha256(), size
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb", buffering=0) as file:
        while left:
            with told():
                piece = os.read(descriptor, min(_PIECE, left))
            if not piece:
                raise InputError(f"The file {BUNDLE} on the stick became shorter while it was read.")
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
