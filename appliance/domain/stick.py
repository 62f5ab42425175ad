"""USB sticks as values: what is plugged in, what is asked for, and what may be asked."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from appliance.domain.errors import InputError
from appliance.domain.night import NightId

JOB_KIND = "export"
"""Kind of the jobs that copy to a stick."""
USB_STICK = "usb stick"
"""Who asked, in the audit log, where no person did: the stick was plugged in."""
MOST_NIGHTS = 1000
"""A request names at most so many nights."""
_BACKUP = re.compile(r"nightjar-[a-z0-9-]{1,80}\.nightjar-backup\Z")
_FS_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{3,63}\Z")


class StickState(StrEnum):
    """Where a stick stands."""

    BUSY = "busy"
    """It is being looked at, or it waits for its turn."""
    REFUSED = "refused"
    """It cannot be used; the reason says why, and what to do."""
    OFFERED = "offered"
    """It can be used if an admin says so; nothing was read from it."""
    EXPORTING = "exporting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stick:
    """A stick that is plugged in, or that was let go and may still hang there."""

    fs_id: str
    """Id of its file system; empty where it has none that could be remembered."""
    label: str
    """What its owner named it: untrusted, for showing only."""
    fs_type: str
    model: str
    """Maker and model as the drive tells them: untrusted, for showing only."""
    size_bytes: int
    free_bytes: int | None
    """What was free when it was last looked at, or None before."""
    state: StickState
    reason: str
    """A sentence for people about the state; empty where there is nothing to say."""
    is_confirmed: bool
    """Whether an admin said 'use this stick'."""
    job_id: int | None = None
    """The job that works on it, or worked on it last."""
    is_safe_to_remove: bool = False
    """Whether nothing is mounted or written: it can be pulled out."""
    bundle_bytes: int = 0
    """Of the update that was seen on it; 0 where none was."""


class ExportKind(StrEnum):
    """What of a night is copied."""

    PICTURES = "pictures"
    PRODUCTS = "products"
    """Keogram and star trail."""
    FILMS = "films"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a job copies to which stick; kept with the job as JSON."""

    fs_id: str
    by: str = USB_STICK
    """Name of the account that asked, or `USB_STICK`."""
    nights: tuple[NightId, ...] = ()
    """Which nights; empty for every night."""
    newest: int = 0
    """Only so many of the newest nights; 0 for all."""
    kinds: tuple[ExportKind, ...] = ()
    """What of them; empty for what the settings say."""
    backup: str = ""
    """Name of a backup's file that is copied in place of nights."""

    @property
    def is_automatic(self) -> bool:
        """Whether the stick itself was the reason: what is copied then follows from settings and stick."""
        return self.by == USB_STICK

    def to_json(self) -> str:
        """Return the text of a job's request."""
        return json.dumps(
            {
                "fs_id": self.fs_id,
                "by": self.by,
                "nights": [str(night) for night in self.nights],
                "newest": self.newest,
                "kinds": [kind.value for kind in self.kinds],
                "backup": self.backup,
            }
        )


@dataclass(frozen=True, slots=True)
class EjectStick:
    """Stop what is done with a stick, unmount it and switch it off."""

    fs_id: str


StickCommand = EjectStick


def is_backup_name(untrusted_text: str) -> bool:
    """Return whether a text is the name of a backup's file."""
    return bool(_BACKUP.match(untrusted_text))


def is_fs_id(untrusted_text: str) -> bool:
    """Return whether a file-system id can be remembered: bounded, plain, and not the zeros that careless tools write."""
    return bool(_FS_ID.match(untrusted_text)) and bool(untrusted_text.strip("0-"))


def export_request(untrusted_text: str) -> ExportRequest:
    """Return the request of a text that `to_json` wrote, or that came over the API.

    Raises
    ------
    InputError
        If it has another form, or names something that there is not.
    """
    try:
        untrusted = json.loads(untrusted_text)
    except (ValueError, RecursionError) as error:
        raise InputError("An export request is an object in JSON.") from error
    if not isinstance(untrusted, dict) or untrusted.keys() - {"fs_id", "by", "nights", "newest", "kinds", "backup"}:
        raise InputError("An export request says fs_id, and may say by, nights, newest, kinds and backup.")
    fs_id, by = untrusted.get("fs_id"), untrusted.get("by", USB_STICK)
    if not isinstance(fs_id, str) or not is_fs_id(fs_id):
        raise InputError("Choose one of the sticks that are plugged in.")
    if not isinstance(by, str) or not by:
        raise InputError("An export request says by whom.")
    nights, newest = nights_asked_for(untrusted.get("nights", []))
    backup = untrusted.get("backup", "")
    if backup != "" and not (isinstance(backup, str) and is_backup_name(backup)):
        raise InputError("backup is the name of a backup's file.")
    newest = newest or newest_asked_for(untrusted.get("newest", 0))
    return ExportRequest(fs_id, by, nights, newest, kinds_asked_for(untrusted.get("kinds", [])), backup)


def nights_asked_for(untrusted: object) -> tuple[tuple[NightId, ...], int]:
    """Return nights and how many of the newest: of a list of nights, of a number, or of the words `all` and `latest`."""
    match untrusted:
        case "all":
            return (), 0
        case "latest":
            return (), 1
        case bool() | None:
            raise InputError('nights is "all", "latest", a number, or a list of nights like "2026-01-31".')
        case int():
            return (), newest_asked_for(untrusted)
        case list() if len(untrusted) <= MOST_NIGHTS and all(isinstance(word, str) for word in untrusted):
            try:
                return tuple(sorted({NightId(word) for word in untrusted}, reverse=True)), 0
            except ValueError as error:
                raise InputError('A night is written like "2026-01-31".') from error
    raise InputError(f'nights is "all", "latest", a number, or a list of at most {MOST_NIGHTS} nights like "2026-01-31".')


def newest_asked_for(untrusted: object) -> int:
    """Return how many of the newest nights are asked for; 0 for all."""
    if not isinstance(untrusted, int) or isinstance(untrusted, bool) or not 0 <= untrusted <= 100_000:
        raise InputError("A number of nights is a whole number from 0 (all) to 100000.")
    return untrusted


def kinds_asked_for(untrusted: object) -> tuple[ExportKind, ...]:
    """Return the kinds of a list of their words; empty where nothing is said."""
    if not isinstance(untrusted, list) or len(untrusted) > 10:
        raise InputError(f"kinds is a list of {', '.join(ExportKind)}.")
    try:
        return tuple(kind for kind in ExportKind if kind in {ExportKind(word) for word in untrusted})
    except ValueError as error:
        raise InputError(f"kinds is a list of {', '.join(ExportKind)}.") from error
