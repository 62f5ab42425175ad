"""Where the files of peers lie in the data folder: `peers/<peer>/nights/<NightId>/…`, and `peers/<peer>/arriving/`."""

import re

from appliance.domain.night import NightId
from appliance.domain.peer import ThingKind
from appliance.store.files import DataFolder

ROOT = "peers"
_FOLDERS = {ThingKind.FRAME: "frames", ThingKind.PRODUCT: "products", ThingKind.FILM: "products"}
_ENDINGS = {ThingKind.FRAME: "jpg", ThingKind.PRODUCT: "jpg", ThingKind.FILM: "mp4"}
_FILE = re.compile(r"[0-9a-f]{32}\.(jpg|mp4)\Z")
KINDS = ("frames", "thumbs", "products")


def night_path(peer_id: str, night: NightId) -> str:
    """Return the folder of a peer's night."""
    return f"{ROOT}/{peer_id}/nights/{night}"


def file_path(peer_id: str, night: NightId, kind: ThingKind, file: str) -> str:
    """Return the name of a thing in the data folder."""
    return f"{night_path(peer_id, night)}/{_FOLDERS[kind]}/{file}.{_ENDINGS[kind]}"


def thumb_path(peer_id: str, night: NightId, file: str) -> str:
    """Return the name of a frame's thumbnail in the data folder."""
    return f"{night_path(peer_id, night)}/thumbs/{file}.jpg"


def arriving_path(peer_id: str, number: int) -> str:
    """Return the name under which the chunks of a thing are gathered."""
    return f"{ROOT}/{peer_id}/arriving/{number}"


def names_below(folder: DataFolder, relative: str) -> list[str]:
    """Return the names in a folder, none where there is no such folder."""
    try:
        return sorted(path.name for path in folder.path_of(relative).iterdir())
    except FileNotFoundError:
        return []


def files_of_night(folder: DataFolder, peer_id: str, night: NightId) -> set[str]:
    """Return the names, relative to the data folder, of a night's files; what is named otherwise is not ours."""
    top = night_path(peer_id, night)
    return {f"{top}/{kind}/{name}" for kind in KINDS for name in names_below(folder, f"{top}/{kind}") if _FILE.match(name)}
