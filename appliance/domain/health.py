"""What the person should know: issues, and the state of every worker."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How much an issue matters."""

    INFO = "info"
    """Good to know; health stays ok."""
    WARNING = "warning"
    """Something works less well."""
    ERROR = "error"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong, said in words of the person it is for, with what to do about it."""

    key: str
    """Stable name, for instance `camera.absent`; an issue is raised and cleared by its key."""
    severity: Severity
    title: str
    advice: str
    since: datetime


class WorkerState(StrEnum):
    """Where a worker stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "pausing before a new start"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One worker, as the system page shows it."""

    name: str
    state: WorkerState
    restarts: int
    beat_age_s: float
    """Seconds since the last heart-beat."""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One mailbox, as the system page shows it."""

    name: str
    depth: int
    capacity: int
    dropped: int
