"""What goes to a target: one file under one name, waiting, on its way, or refused."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from appliance.domain.fault import Fault, Words


class UploadKind(StrEnum):
    """What a file is; it decides who goes first, and which rule of a target names it."""

    PICTURE = "picture"
    PRODUCT = "product"
    """A keogram or star trail: saved again and again under one name."""
    FILM = "film"
    NOTICE = "notice"
    """Word of an issue: goes before everything else."""


class UploadState(StrEnum):
    """Where an upload stands; one that has arrived is no row any more."""

    WAITING = "waiting"
    RUNNING = "running"
    REFUSED = "refused"
    """The target said no, for good: it waits for a person."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file that is to go to a target."""

    target: str
    """The target's id."""
    kind: UploadKind
    path: str
    """Relative to the data folder, with `/`."""
    name: str
    """Under which it goes, relative to the target's folder; made by us, never by the other side."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload: a row."""

    id: int
    outgoing: Outgoing
    state: UploadState
    tries: int
    """How often it has failed so far."""
    message: str
    """Why it waits or was refused; a sentence for people."""


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """How a target's queue stands, honestly counted since the target was made."""

    waiting: int
    refused: int
    arrived: int
    arrived_bytes: int
    dropped: int
    """Files that were never sent: the queue was full, they were removed from this appliance first, or an admin cleared it."""
    last_name: str
    last_at: datetime | None


class CourierState(StrEnum):
    """What a target's worker does."""

    IDLE = "idle"
    SENDING = "sending"
    PAUSED = "paused"
    """It failed, and is tried again by itself."""
    STOPPED = "stopped"
    """It failed in a way that a person must look at."""
    QUIET = "quiet"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Courier:
    """What the panel shows of a target's worker."""

    state: CourierState
    name: str = ""
    """Of the file that is on its way."""
    sent: int = 0
    size: int = 0
    message: str = ""
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetryNow:
    """Try a target again at once."""


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """Try whether a target can be used: the test button."""

    target: str
    """The target's id."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How the last test of a target went."""

    at: datetime
    is_running: bool = False
    fault: Fault | None = None
    """None where all is well, or the test still runs."""
    message: str = ""
    """What the other side or the system said of it."""
    shown: str = ""
    """The key or certificate that the other side shows, where it is not trusted."""
    words: Words | None = None
    """What a person reads of the fault; None for its own words."""
