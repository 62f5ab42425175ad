"""The child's third work: files that may be backups are looked for in the few places of a stick where they lie, and copied here.

Those places are the top of the stick and the folder `backups` of each device's folder. Only names are read of a folder, and
not more than so many; what is in the files is not looked at.
"""

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.foundbackup import MOST_FOUND, is_device_folder, is_found_name
from appliance.export.inward import copy_in
from appliance.export.messages import FoundFile
from appliance.export.names import BACKUPS, TOP
from appliance.export.stick import StickFolder
from appliance.store.files import DataFolder
from appliance.store.incoming import Incoming

MOST_DEVICES = 50
_LATEST_S = 1 << 32


@dataclass(frozen=True, slots=True)
class _Lying:
    folder: str
    name: str
    size: int
    modified_s: int


@dataclass(slots=True)
class PassedOver:
    """What was seen and not taken."""

    too_large: int = 0
    no_files: int = 0
    """Links, folders, pipes and the like, and what is empty."""
    too_many: bool = False


class Finder:
    """Looks for backups on one stick."""

    def __init__(self, stick: StickFolder, passed: Callable[[int], None]) -> None:
        self._stick, self._passed = stick, passed
        self.passed_over = PassedOver()

    def take(self, data: Path, begin: Callable[[int], None]) -> Iterator[FoundFile]:
        """Copy the newest ones, one after the other; tell of each that is here whole.

        Parameters
        ----------
        data : Path
            The data folder.
        begin : callable
            Is told how many bytes there are.

        Raises
        ------
        InputError
            If one becomes shorter while it is read.
        StickError
            If the stick fails.
        SourceError
            If there is no room here.
        """
        lying = sorted(self._lying(), key=lambda one: (one.modified_s, one.name), reverse=True)
        self.passed_over.too_many |= len(lying) > MOST_FOUND
        incoming = Incoming(DataFolder(data))
        begin(sum(one.size for one in lying[:MOST_FOUND]))
        for number, one in enumerate(lying[:MOST_FOUND]):
            with self._folder(one.folder) as folder, self._stick.plain_file(folder, one.name) as (descriptor, _):
                sha256 = copy_in(descriptor, one.size, one.name, incoming.path(number), self._passed)
            yield FoundFile(number, one.name, one.folder, one.size, one.modified_s, sha256)

    def _lying(self) -> Iterator[_Lying]:
        yield from self._in("")
        with self._stick.folder((TOP,)) as top:
            names = sorted(self._names(top, is_device_folder))
        self.passed_over.too_many |= len(names) > MOST_DEVICES
        for name in names[:MOST_DEVICES]:
            yield from self._in(name)

    def _in(self, device: str) -> Iterator[_Lying]:
        with self._folder(device) as folder:
            for name in self._names(folder, is_found_name):
                self._passed(0)
                found = self._stick.seen(folder, name)
                if found is None or not stat.S_ISREG(found.st_mode) or found.st_size == 0:
                    self.passed_over.no_files += 1
                elif found.st_size > LARGEST_BACKUP:
                    self.passed_over.too_large += 1
                else:
                    yield _Lying(device, name, found.st_size, min(max(0, int(found.st_mtime)), _LATEST_S))

    def _names(self, folder: int | None, is_wanted: Callable[[str], bool]) -> list[str]:
        names, has_more = self._stick.names(folder)
        self.passed_over.too_many |= has_more
        return [name for name in names if is_wanted(name)]

    def _folder(self, device: str) -> AbstractContextManager[int | None]:
        return self._stick.folder((TOP, device, BACKUPS) if device else ())
