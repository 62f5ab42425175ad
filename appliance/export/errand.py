"""Something that is fetched from a stick because a person said so: the job's row, and what is made of the child's words."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.job import Job, JobState
from appliance.domain.update import Order, order_of
from appliance.export.messages import Ended, FoundFile, Outcome, Progress, Task
from appliance.store.jobs import JobStore

NOT_HERE = "This stick is not plugged in any more, or cannot be used. Plug it in and try again."
WRITE_EVERY_S = 2.0


class Errand(ABC):
    """One job after the other; none of them waits for a stick."""

    kind: str
    """Of the jobs."""
    begins: str
    """What is told while it is done."""
    pulled: str
    """What is told where the stick was pulled out meanwhile."""
    stopped: str
    what: str
    """What is fetched."""

    def __init__(self, jobs: JobStore, clock: Clock) -> None:
        self._jobs, self._clock = jobs, clock
        self._job: Job | None = None
        self._order = Order("")
        self._write_at_s = 0.0
        self._told: Progress | None = None

    def open(self) -> None:
        """Let a job wait again that a crash left as running."""
        self._jobs.put_back_running(self.kind)

    @property
    def job_id(self) -> int | None:
        """The job that runs, if any."""
        return self._job.id if self._job else None

    def waiting(self) -> list[tuple[Job, Order]]:
        """Return the jobs that wait, the oldest first; one that cannot be read is ended."""
        found = []
        for job, text in self._jobs.waiting(self.kind):
            try:
                found.append((job, order_of(text)))
            except InputError as error:
                self._finish(job.id, JobState.FAILED, str(error))
        return found

    @abstractmethod
    def task(self, mount: Path, data: Path, fs_type: str) -> Task:
        """Return what the child is to do."""

    def began(self, job: Job, order: Order) -> None:
        """Say that it begins."""
        self._job, self._order, self._told = job, order, None
        self._jobs.start(job.id, self.begins)

    def progress(self, progress: Progress | None) -> None:
        """Say how far it is, if that is news."""
        now_s = self._clock.monotonic()
        if self._job is None or progress is None or progress is self._told or now_s < self._write_at_s:
            return
        self._told, self._write_at_s = progress, now_s + WRITE_EVERY_S
        self._jobs.update(self._job.id, done=progress.done_bytes, total=progress.total_bytes, eta_s=None, message=self.begins)

    def fail(self, job_id: int, sentence: str) -> None:
        """Say why a job was not done."""
        self._job = None
        self._finish(job_id, JobState.FAILED, sentence)

    def ended(self, ended: Ended | None, found: Sequence[FoundFile], sentence: str) -> None:
        """Take what was fetched; or say why nothing was.

        Parameters
        ----------
        ended : Ended or None
            What the child said last.
        found : sequence of FoundFile
            What it said to have found.
        sentence : str
            Why it came to nothing, where the child did not come to say it.
        """
        job, self._job = self._job, None
        if job is None:
            return
        match ended:
            case Ended(outcome=Outcome.DONE):
                self._take(job, self._order, ended, found)
            case Ended(outcome=Outcome.STOPPED):
                self._finish(job.id, JobState.STOPPED, self.stopped)
            case Ended(outcome=Outcome.BAD_REQUEST, detail=detail):
                self._finish(job.id, JobState.FAILED, detail)
            case Ended(outcome=Outcome.NO_SOURCE, detail=detail):
                self._finish(job.id, JobState.FAILED, f"{self.what} cannot be kept here: {detail}.")
            case _:
                self._finish(job.id, JobState.FAILED, sentence)

    def look_after(self) -> None:  # noqa: B027 - most have nothing to look after
        """Forget what was kept long enough."""

    @abstractmethod
    def _take(self, job: Job, order: Order, ended: Ended, found: Sequence[FoundFile]) -> None:
        """Take what the child has brought."""

    def _finish(self, job_id: int, state: JobState, sentence: str) -> None:
        self._jobs.finish(job_id, state, sentence)
