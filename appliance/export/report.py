"""What is told about an export: the job's row, the audit log, issues."""

from dataclasses import dataclass

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.health import Severity
from appliance.domain.job import Job, JobState
from appliance.domain.stick import JOB_KIND, ExportRequest, export_request
from appliance.export import words
from appliance.export.messages import Ended, Outcome, Progress
from appliance.export.rate import Rate
from appliance.store.audit import AuditStore
from appliance.store.jobs import JobStore
from appliance.supervisor.health import HealthBoard

WRITE_EVERY_S = 5.0
"""How often the progress goes into the database: each time is a write to the card."""
SLOW_BYTES_S = 512 << 10
ISSUE_S = 24 * 3600.0
"""An issue about a stick goes with the next export, or after so long: the stick may be in a drawer."""
STICK, HUNG, SLOW = "export.stick", "export.hung", "export.slow"
_AUDIT = "stick.export"
_ADDRESS = "usb"


@dataclass
class _Running:
    job: Job
    request: ExportRequest
    name: str
    """The stick, as the panel shows it."""
    rate: Rate
    write_at_s: float
    progress: Progress | None = None


class Report:
    """Tells about one export after the other."""

    def __init__(self, jobs: JobStore, audit: AuditStore, board: HealthBoard, clock: Clock) -> None:
        self._jobs, self._audit, self._board, self._clock = jobs, audit, board, clock
        self._running: _Running | None = None
        self._clear_at_s: float | None = None

    @property
    def job_id(self) -> int | None:
        """The job that runs, if any."""
        return self._running.job.id if self._running else None

    def waiting(self) -> list[tuple[Job, ExportRequest]]:
        """Return the jobs that wait, the oldest first; one whose request cannot be read is ended."""
        found = []
        for job, text in self._jobs.waiting(JOB_KIND):
            try:
                found.append((job, export_request(text)))
            except InputError as error:
                self._jobs.finish(job.id, JobState.FAILED, str(error))
        return found

    def left_by_a_crash(self) -> frozenset[str]:
        """Let the jobs wait again that a crash left as running; return the ids of their sticks."""
        return frozenset(export_request(text).fs_id for text in self._jobs.put_back_running(JOB_KIND))

    def began(self, job: Job, request: ExportRequest, name: str) -> None:
        """Say that an export begins."""
        self._board.clear_issue(STICK)
        self._audit.add(request.by, _ADDRESS, _AUDIT, f"job {job.id} began: stick {name} ({request.fs_id}), {_choice(request)}")
        self._jobs.start(job.id, "Looking at the stick")
        self._running = _Running(job, request, name, Rate(), self._clock.monotonic())

    def progress(self, progress: Progress | None, limit_bytes_s: int) -> None:
        """Say how far it is, if that is news."""
        running = self._running
        if running is None or progress is None or progress is running.progress:
            return
        running.progress, now_s = progress, self._clock.monotonic()
        if progress.night:
            running.rate.add(now_s, progress.done_bytes)
            self._look_at_speed(running, limit_bytes_s)
        if now_s >= running.write_at_s:
            running.write_at_s = now_s + WRITE_EVERY_S
            self._write(running)

    def _write(self, running: _Running) -> None:
        progress = running.progress
        if progress is None:
            return
        message = f"Night {progress.night}" if progress.night else "Looking what is missing on the stick"
        left_s = running.rate.left_s(progress.total_bytes)
        total = max(progress.total_bytes, progress.done_bytes)
        self._jobs.update(running.job.id, done=progress.done_bytes, total=total, eta_s=left_s, message=message)

    def ended(self, ending: words.Ending, ended: Ended | None) -> ExportRequest | None:
        """Say how it ended, and return what was asked for; `ended` is what the child said last, if it came to that."""
        running = self._end()
        if running is None:
            return None
        self._write(running)
        if ended is not None and ended.outcome is Outcome.DONE:
            done = ended.done_bytes
            self._jobs.update(running.job.id, done=done, total=done, eta_s=None, message="")
        self._jobs.finish(running.job.id, ending.job, ending.sentence)
        self._audit.add(running.request.by, _ADDRESS, _AUDIT, f"job {running.job.id} ended, {ending.job}: {ending.sentence}")
        self.complain(running.name, ending)
        return running.request

    def complain(self, name: str, ending: words.Ending) -> None:
        """Raise the issue of an ending, if there is something that a person can do."""
        if ending.advice:
            severity = Severity.ERROR if ending.job is JobState.FAILED else Severity.WARNING
            self._board.raise_issue(STICK, severity, f"USB stick {name}: {ending.sentence}", ending.advice)
            self._clear_at_s = self._clock.monotonic() + ISSUE_S

    def interrupted(self, message: str, *, is_pulled: bool) -> None:
        """Say that it goes on another time."""
        running = self._end()
        if running is None:
            return
        self._write(running)
        self._jobs.put_back(running.job.id, message)
        self._audit.add(running.request.by, _ADDRESS, _AUDIT, f"job {running.job.id} interrupted: {message}")
        if is_pulled:
            self.complain(running.name, words.pulled())

    def look_after_issues(self, left_behind: int) -> None:
        """Clear what is no longer so.

        Parameters
        ----------
        left_behind : int
            How many children still wait for a stick that does not answer.
        """
        if self._clear_at_s is not None and self._clock.monotonic() >= self._clear_at_s:
            self._clear_at_s = None
            self._board.clear_issue(STICK)
        if left_behind:
            self._board.raise_issue(HUNG, Severity.ERROR, f"A USB stick: {words.HUNG}", words.HUNG_ADVICE)
        else:
            self._board.clear_issue(HUNG)

    def _look_at_speed(self, running: _Running, limit_bytes_s: int) -> None:
        rate, progress = running.rate.bytes_per_s, running.progress
        if rate is None or progress is None or not running.rate.is_whole:
            return
        if rate >= min(SLOW_BYTES_S, limit_bytes_s / 4):
            self._board.clear_issue(SLOW)
            return
        left_s = running.rate.left_s(progress.total_bytes)
        left = f", about {words.duration_text(left_s)} left" if left_s is not None else ""
        title = f"USB stick {running.name} is slow: {words.size_text(int(rate))} a second{left}"
        self._board.raise_issue(SLOW, Severity.WARNING, title, words.SLOW_ADVICE)

    def _end(self) -> _Running | None:
        running, self._running = self._running, None
        self._board.clear_issue(SLOW)
        return running


def _choice(request: ExportRequest) -> str:
    if request.is_automatic:
        return "by itself"
    if request.backup:
        return f"the backup {request.backup}"
    nights = ", ".join(str(night) for night in request.nights[:10]) or "all nights"
    return f"{nights}{' and more' if len(request.nights) > 10 else ''}; {', '.join(request.kinds) or 'all kinds'}"
