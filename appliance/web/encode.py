"""Values of ours as JSON: dataclasses become objects, moments ISO texts, enumerations their values."""

import dataclasses
import json
from datetime import datetime
from enum import Enum

from appliance.domain.night import NightId
from appliance.web.words import iso


def to_json(value: object) -> bytes:
    """Return a value as JSON text in UTF-8; TypeError for what has no such form, secrets among it."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case datetime():
            return iso(value)
        case NightId():
            return value.text
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")
