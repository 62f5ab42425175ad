"""Long work as people see it: what is done, how much is left, and how it ended."""

from dataclasses import dataclass
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in {JobState.DONE, JobState.FAILED, JobState.STOPPED}


@dataclass(frozen=True, slots=True)
class Job:
    """One long work: a row in the database, drawn by the panel and told by the API."""

    id: int
    kind: str
    """What is done, for instance `export`."""
    state: JobState
    done: int
    total: int
    """How much there is in all; 0 while it is not known."""
    unit: str
    """What `done` and `total` count, for instance `bytes`."""
    eta_s: float | None
    """Seconds left, as far as that can be said."""
    message: str
    """What happens now, or how it ended; a sentence for people."""
