"""What the start of the appliance hands to the panel: the owner's file, a recovery, the state of the data partition.

Root oneshots write these files for the panel (`nightjar-firstboot`, `nightjar-data`); what stands in them came from a card
that anybody may have written, so each is bounded and taken apart here. What to do about it, others decide.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.errors import MachineError

HANDED = Path("/run/nightjar-firstboot")
PARTITION = Path("/run/nightjar-boot/data-partition")
LARGEST = 64 << 10
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_ID = re.compile(r"[0-9a-f]{32}\Z")
_PARTITION_STATES = frozenset({"repaired", "damaged", "recreated"})


@dataclass(frozen=True, slots=True)
class OwnersFile:
    """What the owner's files ask the panel for."""

    digest: str
    """Of the files, without their passwords."""
    settings: Mapping[str, str | float]
    """By dotted path; nothing about them has been checked but their form."""
    origins: Mapping[str, str]
    """Of each: file and entry."""
    told: tuple[str, ...]
    """What was not taken over before it came here."""


@dataclass(frozen=True, slots=True)
class HandedRecovery:
    """A recovery file that lay on the card, which it is gone from."""

    id: str
    """Another one each time."""
    text: bytes
    """As it was, not looked at."""


class OwnerFiles:
    """Reads what was handed over in this start; raises MachineError for what is not understood."""

    def __init__(self, folder: Path = HANDED, partition: Path = PARTITION) -> None:
        self._folder, self._partition = folder, partition

    def owners_file(self) -> OwnersFile | None:
        """Return what the owner's files ask for; None where there are none."""
        match self._json("owner.json"):
            case None:
                return None
            case {
                "digest": str() as digest,
                "settings": dict() as settings,
                "origins": dict() as origins,
                "told": list() as told,
            }:
                if _DIGEST.match(digest) and _are_values(settings) and _are_texts(origins.values()) and _are_texts(told):
                    return OwnersFile(digest, settings, {path: str(origins.get(path, path)) for path in settings}, tuple(told))
        raise MachineError("what was handed over of the owner's file is not understood")

    def recovery(self) -> HandedRecovery | None:
        """Return the recovery file of this start; None where there was none."""
        match self._json("recovery.json"):
            case None:
                return None
            case {"id": str() as number, "text": str() as text} if _ID.match(number):
                try:
                    return HandedRecovery(number, base64.b64decode(text, validate=True))
                except (binascii.Error, ValueError) as error:
                    raise MachineError("what was handed over of a recovery is not understood") from error
        raise MachineError("what was handed over of a recovery is not understood")

    def partition(self) -> str:
        """Return what became of the data partition at this start: `repaired`, `damaged`, `recreated`; empty where it was well."""
        state = (_read(self._partition) or b"").decode("ascii", "replace").strip()
        return state if state in _PARTITION_STATES else ""

    def _json(self, name: str) -> object:
        found = _read(self._folder / name)
        if found is None:
            return None
        try:
            return json.loads(found, parse_constant=float)
        except (ValueError, RecursionError) as error:
            raise MachineError(f"what was handed over in {name} is not understood") from error


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MachineError(f"{path.name} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise MachineError(f"{path.name} is larger than {LARGEST} bytes")
    return found


def _are_texts(values: object) -> bool:
    return isinstance(values, list | type({}.values())) and all(isinstance(value, str) for value in values)


def _are_values(values: Mapping[object, object]) -> bool:
    is_plain = (isinstance(value, str | float | int) and not isinstance(value, bool) for value in values.values())
    return all(is_plain) and all(isinstance(path, str) for path in values)
