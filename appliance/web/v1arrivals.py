"""Forms of indi-allsky's sync on their way in: metadata into memory, media into a file of the data folder, hashed as it comes."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from io import FileIO

from appliance.domain.errors import DiskFullError, InputError, StoreError
from appliance.domain.peer import ThingKind
from appliance.domain.syncv1 import LARGEST_METADATA
from appliance.store.files import DataFolder
from appliance.web.multipart import FormParser, Take

FOLDER = "spool"
_MOST = {"metadata": LARGEST_METADATA, "media": ThingKind.FILM.largest_bytes}


class Arrival:
    """One form; see `door.Sink`."""

    def __init__(self, arrivals: "Arrivals", content_type: str, check: Callable[[bytes], None]) -> None:
        """Take where it belongs, the type of the form, and what is asked of the metadata before media are written.

        Raises
        ------
        InputError
            If it is the type of no form.
        """
        self.token = secrets.token_hex(16)
        self.name = f"{FOLDER}/{self.token}"
        """Of the media's file, relative to the data folder."""
        self.metadata = b""
        self.size = 0
        self._arrivals, self._check, self._digest = arrivals, check, hashlib.sha256()
        self._parser = FormParser(content_type, _MOST, self._begin)
        self._file: FileIO | None = None

    @property
    def sha256(self) -> str:
        """The hash of the media."""
        return self._digest.hexdigest()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._parser.feed(data)

    def finish(self) -> tuple[str, bytes]:
        """Make sure that it is whole and on disk; return its token, and the metadata."""
        self._parser.finish()
        if self._file is not None:
            try:
                os.fsync(self._file.fileno())
                self._file.close()
            except OSError as error:
                raise StoreError("what came cannot be written") from error
        return self.token, self.metadata

    def discard(self) -> None:
        """Forget it; a file that was stored has been moved away."""
        self._arrivals.forget(self.token)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(StoreError):
                self._arrivals.folder.remove(self.name)

    def _begin(self, part: str) -> Take:
        if part == "metadata":
            return self._take_metadata
        if not self.metadata:
            raise InputError("The metadata come before the media.")
        self._check(self.metadata)
        return self._take_media

    def _take_metadata(self, data: bytes) -> None:
        self.metadata += data

    def _take_media(self, data: bytes) -> None:
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = FileIO(os.open(self._arrivals.folder.path_of(self.name), flags, 0o600), "w")
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise StoreError("what came cannot be written") from error
        self._digest.update(data)
        self.size += len(data)


class Arrivals:
    """Every form that is on its way, by its token."""

    def __init__(self, folder: DataFolder, reserve_bytes: Callable[[], int]) -> None:
        self.folder, self.reserve_bytes = folder, reserve_bytes
        self._known: dict[str, Arrival] = {}

    def open(self) -> None:
        """Remove what a killed process left."""
        for path in self.folder.path_of(FOLDER).iterdir():
            with contextlib.suppress(StoreError):
                self.folder.remove(f"{FOLDER}/{path.name}")

    def check_room(self, size: int) -> None:
        """Raise DiskFullError unless so many bytes can be written with the reserve left free."""
        if self.folder.free_bytes() - size < self.reserve_bytes():
            raise DiskFullError("no room for pictures of others")

    def begin(self, content_type: str, check: Callable[[bytes], None]) -> Arrival:
        """Return a form that is about to come; `discard` it in any case. InputError if it is none."""
        arrival = Arrival(self, content_type, check)
        self._known[arrival.token] = arrival
        return arrival

    def of_token(self, untrusted_token: str) -> Arrival | None:
        """Return a form that has come."""
        return self._known.get(untrusted_token)

    def forget(self, token: str) -> None:
        """Let go of a form."""
        self._known.pop(token, None)
