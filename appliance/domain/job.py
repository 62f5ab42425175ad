"""Long work, as the panel and the terminal draw it."""

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work and how far it has come."""

    id: int
    kind: str
    state: JobState
    done: int
    total: int
    unit: str
    eta_s: float | None
    message: str
