"""Files on their way to a stick: encrypted backups, from the order until they are copied."""

from collections.abc import Collection

from appliance.domain.errors import StoreError
from appliance.domain.stick import is_backup_name
from appliance.store.files import DataFolder

FOLDER = "outgoing"


class Outgoing:
    """The folder `outgoing/`."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def put(self, name: str, data: bytes) -> None:
        """Keep a file until it is copied."""
        self._folder.write_atomic(outgoing_path(name), data)

    def remove(self, name: str) -> None:
        """Forget a file."""
        self._folder.remove(outgoing_path(name))

    def keep_only(self, names: Collection[str]) -> None:
        """Remove what nobody will copy any more: its job was stopped while it waited."""
        folder = self._folder.path_of(FOLDER)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if is_backup_name(path.name) and path.name not in names:
                self.remove(path.name)


def outgoing_path(name: str) -> str:
    """Return where a file lies, relative to the data folder; StoreError for what is no backup's name."""
    if not is_backup_name(name):
        raise StoreError(f"not the name of a backup: {name!r}")
    return f"{FOLDER}/{name}"
