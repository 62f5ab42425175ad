"""What an indi-allsky tells of its camera and of what it sends: untrusted JSON in, values with bounds out.

Of some hundred keys these few are read; what else stands there is somebody else's and is left alone.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from appliance.domain.errors import InputError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.peer import Key, Numbers, ThingKind
from appliance.domain.syncv1 import LARGEST_METADATA, V1Kind

_EARLIEST_S, _LATEST_S = 946_684_800, 4_102_444_800
"""The years 2000 to 2099."""
_LARGEST_OFFSET_S = 15 * 3600
_PLACES = {
    (V1Kind.KEOGRAM, True): (ThingKind.PRODUCT, "keogram"),
    (V1Kind.STARTRAIL, True): (ThingKind.PRODUCT, "startrail"),
    (V1Kind.VIDEO, True): (ThingKind.FILM, "night"),
    (V1Kind.VIDEO, False): (ThingKind.FILM, "day"),
    (V1Kind.STARTRAIL_VIDEO, True): (ThingKind.FILM, "startrail"),
}


@dataclass(frozen=True, slots=True)
class V1Camera:
    """A camera that is made known."""

    uuid: str
    name: str
    """Somebody else's words."""


@dataclass(frozen=True, slots=True)
class V1Thing:
    """Something that comes with media."""

    camera: str
    """The uuid of its camera."""
    made_s: int
    """Unix time, as its sender's database has it."""
    size: int
    """Bytes of the media."""
    key: Key | None
    """Where it has its place here; None where it has none."""
    numbers: Numbers | None
    """Of a picture."""


def parse_v1_camera(untrusted: bytes) -> V1Camera:
    """Return the camera that metadata make known; InputError if they do not."""
    told = _object(untrusted)
    name = told.get("friendlyName") or told.get("name")
    if not isinstance(name, str):
        raise InputError("name is a text.")
    return V1Camera(_uuid(told, "uuid"), "".join(filter(str.isprintable, name))[:100])


def parse_v1_thing(kind: V1Kind, untrusted: bytes) -> V1Thing:
    """Return what metadata tell of a picture, a product or a film.

    Raises
    ------
    InputError
        If a value is missing or out of bounds.
    """
    told = _object(untrusted)
    made_s = _number(told, "createDate", _EARLIEST_S, _LATEST_S)
    offset_s = _number(told, "utc_offset", -_LARGEST_OFFSET_S, _LARGEST_OFFSET_S)
    size = int(_number(told, "file_size", 0, ThingKind.FILM.largest_bytes))
    key, numbers = None, None
    if kind is V1Kind.IMAGE:
        key, numbers = _frame(told, int(made_s), offset_s)
    elif (place := _PLACES.get((kind, _truth(told, "night")))) is not None:
        key = Key(place[0], _night(told), place[1])
    return V1Thing(_uuid(told, "camera_uuid"), int(made_s), size, key, numbers)


def _frame(told: dict[str, Any], made_s: int, offset_s: float) -> tuple[Key, Numbers]:
    """Return a picture's place, its second for a number, and its numbers."""
    at = datetime.fromtimestamp(made_s, UTC)
    night = NightId((at + timedelta(seconds=offset_s) - timedelta(hours=12)).date().isoformat())
    exposure = Exposure(
        FrameKind.LIGHT,
        _number(told, "exposure", 0, 86_400),
        _number(told, "gain", 0, 1e6),
        int(_number(told, "binmode", 1, 16)),
    )
    more = told.get("data")
    sky = _perhaps(more, "camera_sqm_raw_mag", 1, 40) if isinstance(more, dict) else None
    stars = int(_number(told, "stars", 0, 1_000_000)) if _truth(told, "night") else None
    measurement = Measurement(_number(told, "adu", -65_535, 65_535), 0.0, stars, sky)
    return Key(ThingKind.FRAME, night, str(made_s)), Numbers(at, exposure, measurement, _perhaps(told, "temp", -120, 150))


def _object(untrusted: bytes) -> dict[str, Any]:
    if len(untrusted) > LARGEST_METADATA:
        raise InputError(f"Metadata may have {LARGEST_METADATA} bytes at most.")
    try:
        told = json.loads(untrusted)
    except (ValueError, RecursionError) as error:
        raise InputError("Metadata are one JSON object.") from error
    if not isinstance(told, dict):
        raise InputError("Metadata are one JSON object.")
    return told


def _uuid(told: dict[str, Any], name: str) -> str:
    try:
        return str(uuid.UUID(str(told.get(name))))
    except ValueError as error:
        raise InputError(f"{name} is a UUID.") from error


def _night(told: dict[str, Any]) -> NightId:
    text = told.get("dayDate")
    try:
        if not (isinstance(text, str) and len(text) == 8 and text.isascii() and text.isdigit()):
            raise ValueError(text)
        return NightId(date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat())
    except ValueError as error:
        raise InputError("dayDate is a date like 20260131.") from error


def _truth(told: dict[str, Any], name: str) -> bool:
    value = told.get(name)
    if value not in (True, False):
        raise InputError(f"{name} is true or false.")
    return bool(value)


def _number(told: dict[str, Any], name: str, low: float, high: float) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} is a number from {low:g} to {high:g}.")
    return float(value)


def _perhaps(told: dict[str, Any], name: str, low: float, high: float) -> float | None:
    """Return a number that a sender may not have: it writes a null, a zero or no number then."""
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)
