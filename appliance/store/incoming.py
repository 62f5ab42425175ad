"""Files that came from a stick and wait to be opened: encrypted backups, until the next look or the next start."""

import hashlib
from pathlib import Path

from appliance.domain.foundbackup import FoundBackup
from appliance.store.files import DataFolder

FOLDER = "incoming"


class Incoming:
    """The folder `incoming/`."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def empty(self) -> None:
        """Remove whatever lies there; there is a folder afterwards."""
        folder = self._folder.path_of(FOLDER)
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(folder.iterdir()):
            self._folder.remove(f"{FOLDER}/{path.name}")

    def path(self, number: int) -> Path:
        """Return where a file lies."""
        return self._folder.path_of(_name(number))

    def read(self, found: FoundBackup) -> bytes | None:
        """Return a file's content; None where it is not there any more, or is another one."""
        data = self._folder.read(_name(found.number))
        return data if data is not None and hashlib.sha256(data).hexdigest() == found.sha256 else None


def _name(number: int) -> str:
    return f"{FOLDER}/{number}.nightjar-backup"
