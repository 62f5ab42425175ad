"""What this device has to give: the files of its nights, as the child process finds them in the data folder."""

from dataclasses import dataclass
from pathlib import Path

from appliance.domain.night import NightId
from appliance.domain.stick import ExportKind
from appliance.export.names import Place, place_of_backup, place_of_picture, place_of_product
from appliance.store.files import DataFolder
from appliance.store.nightfiles import names_in, night_folders
from appliance.store.outgoing import outgoing_path
from appliance.store.products import ProductStore

FILM = ".mp4"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to copy."""

    path: Path
    place: Place
    size: int
    is_settled: bool
    """Whether its content never changes: a picture's does not, a keogram grows until dawn."""


class Source:
    """The nights of a data folder; nothing in it is changed or locked."""

    def __init__(self, data: Path) -> None:
        self._folder = DataFolder(data)
        self._products = ProductStore(self._folder)

    def nights(self) -> list[NightId]:
        """Return every night, the newest first."""
        found = []
        for name in night_folders(self._folder):
            try:
                found.append(NightId(name))
            except ValueError:
                continue  # being removed, or not ours
        return sorted(found, reverse=True)

    def files(self, night: NightId, kinds: tuple[ExportKind, ...]) -> list[SourceFile]:
        """Return the files of a night: products, then pictures from the newest on, then films."""
        products = [name for name in self._products.names(night) if not name.endswith(FILM)]
        films = [name for name in self._products.names(night) if name.endswith(FILM)]
        found: list[SourceFile | None] = []
        if ExportKind.PRODUCTS in kinds:
            found += [_file(self._products.path(night, name), place_of_product(name), is_settled=False) for name in products]
        if ExportKind.PICTURES in kinds:
            folder = self._folder.path_of(f"nights/{night}/frames")
            names = sorted((name for name in names_in(self._folder, night, "frames") if name.endswith(".jpg")), reverse=True)
            found += [_file(folder / name, place_of_picture(name), is_settled=True) for name in names]
        if ExportKind.FILMS in kinds:
            found += [_file(self._products.path(night, name), place_of_product(name), is_settled=False) for name in films]
        return [file for file in found if file is not None]

    def backup(self, name: str) -> SourceFile | None:
        """Return a backup's file, None where it is gone."""
        return _file(self._folder.path_of(outgoing_path(name)), place_of_backup(name), is_settled=True)


def _file(path: Path, place: Place, *, is_settled: bool) -> SourceFile | None:
    """Return a file, or None where it is gone meanwhile: old nights are removed while we copy."""
    try:
        return SourceFile(path, place, path.lstat().st_size, is_settled)
    except FileNotFoundError:
        return None
