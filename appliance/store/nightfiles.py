"""What lies in the folders of nights: names only, without the database, for whoever must stay small (the export's child)."""

import re

from appliance.domain.night import NightId
from appliance.store.files import DataFolder

KINDS = ("frames", "thumbs", "raw")
"""Folders of a night that hold a file for each frame."""
REMOVED = "removed-"
"""What the folder of a night is called while it is being removed."""
_FILE = re.compile(r"\d{8}T\d{6}Z-(\d{1,15})\.[a-z]{3,4}\Z")


def relative_name(night: NightId, kind: str, name: str) -> str:
    """Return a frame's file as a name in the data folder."""
    return f"nights/{night}/{kind}/{name}"


def names_in(folder: DataFolder, night: NightId, kind: str) -> set[str]:
    """Return the names of the frame files of a night; what is named otherwise is not ours to judge."""
    try:
        return {path.name for path in folder.path_of(f"nights/{night}/{kind}").iterdir() if _FILE.match(path.name)}
    except FileNotFoundError:
        return set()


def night_folders(folder: DataFolder) -> list[str]:
    """Return the names of all folders below `nights/`, the newest evening first."""
    root = folder.path_of("nights")
    return sorted((path.name for path in root.iterdir() if path.is_dir()), reverse=True) if root.is_dir() else []
