"""What root has written down about updates: the trial under way, the history, the versions that did not prove themselves.

`nightjar-slot-health` and RAUC's handlers write these files; the panel only reads them. A card that was damaged may hold
anything: what is not understood is left out and counts as not written.
"""

import json
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance.domain.update import Outcome, Past, Records, Trial
from appliance.domain.version import is_version

log = logging.getLogger(__name__)

FOLDER = Path("/data/nightjar-update")
LARGEST = 256 << 10
MOST_SHOWN = 50
MOST_BAD = 200
_LONGEST = 500


class UpdateRecords:
    """Reads the folder; never raises for what stands in it.

    Parameters
    ----------
    folder : Path or None
        None where nobody writes any.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def read(self) -> Records:
        """Return everything."""
        if self._folder is None:
            return Records()
        return Records(_trial(self._tree("trial.json")), self._history(), _bad(self._tree("bad.json")))

    def _history(self) -> tuple[Past, ...]:
        lines = (self._bytes("history.jsonl", is_cut=True) or b"").splitlines()
        found = [_past(_parsed(line)) for line in reversed(lines)]
        return tuple(past for past in found if past is not None)[:MOST_SHOWN]

    def _tree(self, name: str) -> object:
        untrusted = self._bytes(name)
        return None if untrusted is None else _parsed(untrusted)

    def _bytes(self, name: str, *, is_cut: bool = False) -> bytes | None:
        """Return a file; None where there is none, it is no plain file, or it is too large and not read from its end."""
        try:
            descriptor = os.open(Path(self._folder or "", name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("a record of updates cannot be read: %s: %s", name, error.strerror)
            return None
        try:
            with os.fdopen(descriptor, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size > LARGEST and not is_cut:
                    log.warning("a record of updates is too large: %s, %d bytes", name, size)
                    return None
                file.seek(max(0, size - LARGEST))
                return file.read(LARGEST)
        except OSError as error:
            log.warning("a record of updates cannot be read: %s: %s", name, error.strerror)
            return None


def _parsed(untrusted: bytes) -> object:
    try:
        return json.loads(untrusted)
    except (ValueError, RecursionError):
        return None


def _past(tree: object) -> Past | None:
    match tree:
        case {"at": at, "version": version, "from_version": before, "outcome": str() as outcome, "reason": reason}:
            when = _moment(at)
            if when is not None and outcome in set(Outcome):
                return Past(when, _text(version), _text(before), Outcome(outcome), _text(reason))
    return None


def _trial(tree: object) -> Trial | None:
    match tree:
        case {"version": str() as version, "from_version": str() as before, "at": at} if is_version(version):
            when = _moment(at)
            return None if when is None else Trial(version, _text(before), when)
    return None


def _bad(tree: object) -> tuple[str, ...]:
    if not isinstance(tree, list):
        return ()
    return tuple(version for version in tree[-MOST_BAD:] if isinstance(version, str) and is_version(version))


def _moment(value: Any) -> datetime | None:  # noqa: ANN401 - JSON is any value
    """Return a moment, written as ISO 8601 with its zone; None for anything else."""
    try:
        when = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return None if when.tzinfo is None else when


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value)[:_LONGEST].strip()
