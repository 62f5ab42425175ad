"""An update that is copied from a stick because an admin said so: the job's row, and what is made of the child's words."""

import logging

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.job import Job, JobState
from appliance.domain.update import STICK_JOB, Announced, LookAgain, Order, Source, UpdateCommand, order_of
from appliance.export.bundle import TAKEN
from appliance.export.messages import Ended, Outcome, Progress
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox

log = logging.getLogger(__name__)

NOT_HERE = "This stick is not plugged in any more, or cannot be used. Plug it in and try again."
PULLED = "The stick was pulled out before the bundle was copied. Plug it in and try again."
WRITE_EVERY_S = 2.0
_ADDRESS = "usb"


class Taking:
    """One job after the other; none of them waits for a stick."""

    def __init__(
        self, jobs: JobStore, bundles: BundleStore, commands: Mailbox[UpdateCommand], audit: AuditStore, clock: Clock
    ) -> None:
        self._jobs, self._bundles, self._commands, self._audit, self._clock = jobs, bundles, commands, audit, clock
        self._job: Job | None = None
        self._order = Order("")
        self._write_at_s = 0.0
        self._told: Progress | None = None

    def open(self) -> None:
        """Let a job wait again that a crash left as running."""
        self._jobs.put_back_running(STICK_JOB)

    @property
    def job_id(self) -> int | None:
        """The job that runs, if any."""
        return self._job.id if self._job else None

    def next(self) -> tuple[Job, Order] | None:
        """Return the job that waits longest; one that cannot be read is ended."""
        for job, text in self._jobs.waiting(STICK_JOB):
            try:
                return job, order_of(text)
            except InputError as error:
                self._jobs.finish(job.id, JobState.FAILED, str(error))
        return None

    def began(self, job: Job, order: Order) -> None:
        """Say that it begins."""
        self._job, self._order, self._told = job, order, None
        self._jobs.start(job.id, "The bundle is copied from the stick")

    def progress(self, progress: Progress | None) -> None:
        """Say how far it is, if that is news."""
        now_s = self._clock.monotonic()
        if self._job is None or progress is None or progress is self._told or now_s < self._write_at_s:
            return
        self._told, self._write_at_s = progress, now_s + WRITE_EVERY_S
        message = "The bundle is copied from the stick"
        self._jobs.update(self._job.id, done=progress.done_bytes, total=progress.total_bytes, eta_s=None, message=message)

    def fail(self, job_id: int, sentence: str) -> None:
        """Say why a job was not done."""
        self._job = None
        self._jobs.finish(job_id, JobState.FAILED, sentence)

    def ended(self, ended: Ended | None, sentence: str) -> None:
        """Take what was copied, and have it looked at; or say why not.

        Parameters
        ----------
        ended : Ended or None
            What the child said last.
        sentence : str
            Why it came to nothing, where the child did not come to say it.
        """
        job, order, self._job = self._job, self._order, None
        if job is None:
            return
        match ended:
            case Ended(outcome=Outcome.DONE, detail=sha256, done_bytes=size):
                announced = Announced(size, sha256, Source.STICK, order.by, self._clock.now())
                self._bundles.adopt(TAKEN, announced)
                self._jobs.update(job.id, done=size, total=size, eta_s=None, message="")
                self._jobs.finish(job.id, JobState.DONE, "The bundle is here, and is looked at.")
                self._audit.add(order.by, _ADDRESS, "update copied from a stick", f"{size} bytes, SHA-256 {sha256}")
                self._commands.put(LookAgain())
            case Ended(outcome=Outcome.STOPPED):
                self._jobs.finish(job.id, JobState.STOPPED, "Stopped: nothing of the bundle is kept.")
            case Ended(outcome=Outcome.BAD_REQUEST, detail=detail):
                self._jobs.finish(job.id, JobState.FAILED, detail)
            case Ended(outcome=Outcome.NO_SOURCE, detail=detail):
                self._jobs.finish(job.id, JobState.FAILED, f"The bundle cannot be kept here: {detail}.")
            case _:
                self._jobs.finish(job.id, JobState.FAILED, sentence)
