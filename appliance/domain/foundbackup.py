"""Backups that were found on a stick, as values: their names and bounds, and what the panel shows of them."""

import re
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.backup import LARGEST_BACKUP

FIND_JOB = "backups on a stick"
"""Kind of the jobs that look for backups on a stick."""
MOST_FOUND = 12
"""So many are taken from a stick, the newest ones."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,99}\.nightjar-backup\Z", re.ASCII)
_FOLDER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}-[0-9A-Za-z]{1,32}\Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class FoundBackup:
    """A file of a stick that may be a backup; it was copied here, and nobody has opened it."""

    number: int
    name: str
    folder: str
    """The device's folder that it lay in; empty for the top of the stick."""
    size_bytes: int
    modified_at: datetime
    """As the stick says."""
    sha256: str


@dataclass(frozen=True, slots=True)
class FoundBackups:
    """What came of the last look at a stick."""

    sentence: str
    """For people: what was found, or why nothing could be."""
    is_failed: bool = False
    backups: tuple[FoundBackup, ...] = ()
    """The newest first."""


def is_found_name(untrusted_text: str) -> bool:
    """Return whether a file on a stick may be a backup by its name: not only as we write it, for people rename files."""
    return bool(_NAME.match(untrusted_text))


def is_device_folder(untrusted_text: str) -> bool:
    """Return whether a folder on a stick may be one that an appliance has made."""
    return bool(_FOLDER.match(untrusted_text))


def is_found(found: FoundBackup) -> bool:
    """Return whether a value is within the bounds of what is ever taken."""
    return (
        found.number < MOST_FOUND
        and is_found_name(found.name)
        and (found.folder == "" or is_device_folder(found.folder))
        and 0 < found.size_bytes <= LARGEST_BACKUP
        and bool(_SHA256.match(found.sha256))
    )
