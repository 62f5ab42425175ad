"""Products of a night: keogram, star trail and films, and the state from which the next frame lets them grow."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.domain.errors import StoreError
from appliance.domain.night import NightId
from appliance.store.files import DataFolder

NAMES = frozenset({"keogram.jpg", "startrail.jpg", "night.mp4", "day.mp4", "startrail.mp4"})
"""Every product; after a restart the pipeline goes on from the two pictures themselves (decision 0402)."""


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A product as it lies on the disk."""

    name: str
    bytes: int
    changed_at: datetime


class ProductStore:
    """The `products/` folder of each night; a product is replaced whole or not at all."""

    def __init__(self, folder: DataFolder, on_written: Callable[[NightId, str], None] = lambda _night, _path: None) -> None:
        """Take the folder, and who is told of the night and relative name of what was written."""
        self._folder, self._on_written = folder, on_written

    def path(self, night: NightId, name: str) -> Path:
        """Return where a product lies or would lie.

        Raises
        ------
        StoreError
            If there is no product of that name.
        """
        return self._folder.path_of(_relative(night, name))

    def write(self, night: NightId, name: str, data: bytes | memoryview) -> Path:
        """Write a product over the one before."""
        written = self._folder.write_atomic(_relative(night, name), data)
        self._on_written(night, _relative(night, name))
        return written

    def read(self, night: NightId, name: str) -> bytes | None:
        """Return a product, or None where there is none yet."""
        return self._folder.read(_relative(night, name))

    def remove(self, night: NightId, name: str) -> bool:
        """Remove a product; return whether there was one."""
        return self._folder.remove(_relative(night, name))

    def names(self, night: NightId) -> tuple[str, ...]:
        """Return the names of the products that a night has."""
        return tuple(sorted(name for name in NAMES if self.path(night, name).is_file()))

    def files(self, night: NightId) -> tuple[ProductFile, ...]:
        """Return the products that a night has, by name, with their size and when they last changed."""
        found = []
        for name in self.names(night):
            with contextlib.suppress(FileNotFoundError):  # its night was removed a moment ago
                facts = self.path(night, name).stat()
                found.append(ProductFile(name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
        return tuple(found)


def _relative(night: NightId, name: str) -> str:
    if name not in NAMES:
        raise StoreError(f"not a product of a night: {name!r}")
    return f"nights/{night}/products/{name}"
