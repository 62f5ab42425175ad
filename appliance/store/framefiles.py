"""The files of a frame: their names, and the note that lets a picture tell its own row."""

import json
import shutil
from datetime import UTC
from pathlib import Path

from appliance.domain.errors import StoreError
from appliance.domain.frame import FrameKind
from appliance.domain.night import NightId
from appliance.store import disk
from appliance.store.files import DataFolder
from appliance.store.models import FrameRow, moment_of, moment_text
from appliance.store.nightfiles import REMOVED, names_in, night_folders

_LOOKED_AT = 7


def file_name(row: FrameRow) -> str:
    """Return the name of a frame's picture and thumbnail."""
    return f"{row.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{row.id}.jpg"


def highest_id_on_disk(folder: DataFolder) -> int:
    """Return the highest id in the names of the latest nights' pictures, 0 where there are none."""
    highest = 0
    for name in [name for name in night_folders(folder) if not name.startswith(REMOVED)][:_LOOKED_AT]:
        try:
            names = names_in(folder, NightId(name), "frames")
        except ValueError:
            continue  # not ours
        highest = max([highest, *(id_of(name) for name in names)])
    return highest


def id_of(name: str) -> int:
    """Return the id in a file's name."""
    return int(name.rpartition("-")[2].partition(".")[0])


def empty(folder: Path) -> None:
    """Remove a folder with all that is in it; nothing happens where there is none."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise disk.store_error(error, f"cannot remove {folder.name}") from error


def note_of(row: FrameRow) -> bytes:
    """Return a frame's row but its id and night, which the file's name and folder tell."""
    values = dict(row.__data__)
    del values["id"], values["night"]
    values["started_at"] = moment_text(row.started_at)
    return json.dumps(values, separators=(",", ":")).encode("ascii")


def row_from_note(note: bytes, night: NightId, name: str) -> FrameRow:
    """Return the row that a picture's note and name tell.

    Raises
    ------
    StoreError
        If they do not make one, or not the one that has this name.
    """
    try:
        values = json.loads(note)
        if not isinstance(values, dict) or values.keys() != FrameRow._meta.fields.keys() - {"id", "night"}:  # noqa: SLF001 - peewee's public name
            raise StoreError(f"the note of {name} has other fields")
        row = FrameRow(**values | {"id": id_of(name), "night": night, "started_at": moment_of(values["started_at"])})
        FrameKind(row.kind)
        if file_name(row) != name:
            raise StoreError(f"the note of {name} belongs to another file")
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"the note of {name} cannot be read") from error
    return row
