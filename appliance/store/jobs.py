"""Jobs: long work as rows, so that a crash, a pulled plug and a pulled stick forget nothing."""

from collections.abc import Collection

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.job import Job, JobState
from appliance.store.database import Database
from appliance.store.models import JobRow, count

MOST_WAITING = 100
KEPT = 500
"""Jobs that are over are kept for the list until there are so many."""
LARGEST_PAGE = 200
LONGEST_REQUEST = 32 << 10
_LONGEST_MESSAGE = 500


class JobStore:
    """Every job. Who works on a kind of job calls `start` to `finish`; who asks for one calls `queue` and `request_stop`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def queue(self, kind: str, request_json: str, message: str = "", *, unit: str = "bytes") -> Job:
        """Write down work to do.

        Parameters
        ----------
        kind : str
            For instance `export`: who works on it knows it by that.
        request_json : str
            What exactly is to be done, for its worker only.
        message : str
            For people: what it waits for.
        unit : str
            What it counts.

        Raises
        ------
        InputError
            If too many wait already, or the request is too long.
        """
        if len(request_json) > LONGEST_REQUEST:
            raise InputError("This asks for too much at once. Choose fewer nights.")
        with self._database.write() as db:
            if count(JobRow.select().where(JobRow.state == JobState.WAITING.value), db) >= MOST_WAITING:
                raise InputError("Too many jobs wait already. Stop some of them first.")
            row = JobRow(
                kind=kind,
                state=JobState.WAITING.value,
                done=0,
                total=0,
                unit=unit,
                eta_s=None,
                message=message[:_LONGEST_MESSAGE],
                request=request_json,
                is_stop_requested=False,
                created_at=self._clock.now(),
            )
            values = {name: value for name, value in row.__data__.items() if name != "id"}
            row.id = JobRow.insert(values).execute(db)
            over = [state.value for state in JobState if state.is_over]
            JobRow.delete().where(JobRow.id <= row.id - KEPT, JobRow.state.in_(over)).execute(db)
        return _job(row)

    def waiting(self, kind: str) -> list[tuple[Job, str]]:
        """Return the jobs of a kind that nobody works on, the oldest first, each with its request."""
        query = JobRow.select().where(JobRow.kind == kind, JobRow.state == JobState.WAITING.value).order_by(JobRow.id)
        with self._database.read() as db:
            return [(_job(row), row.request) for row in query.execute(db)]

    def start(self, job_id: int, message: str) -> None:
        """Say that work on a job begins."""
        self._set(job_id, state=JobState.RUNNING.value, eta_s=None, message=message[:_LONGEST_MESSAGE])

    def update(self, job_id: int, *, done: int, total: int, eta_s: float | None, message: str) -> None:
        """Say how far a job is."""
        self._set(job_id, done=done, total=total, eta_s=eta_s, message=message[:_LONGEST_MESSAGE])

    def put_back(self, job_id: int, message: str) -> None:
        """Let a job wait again, for instance because its stick was pulled out."""
        self._set(job_id, state=JobState.WAITING.value, eta_s=None, message=message[:_LONGEST_MESSAGE])

    def finish(self, job_id: int, state: JobState, message: str) -> None:
        """Say how a job ended.

        Raises
        ------
        ValueError
            If `state` is none in which a job is over.
        """
        if not state.is_over:
            raise ValueError(f"a job does not end as {state}")
        self._set(job_id, state=state.value, eta_s=None, message=message[:_LONGEST_MESSAGE])

    def put_back_running(self, kind: str) -> list[str]:
        """Let the jobs of a kind wait again that a crash left as running; return their requests."""
        is_running = (JobRow.kind == kind) & (JobRow.state == JobState.RUNNING.value)
        with self._database.write() as db:
            requests = [row.request for row in JobRow.select().where(is_running).order_by(JobRow.id).execute(db)]
            JobRow.update(state=JobState.WAITING.value, eta_s=None).where(is_running).execute(db)
        return requests

    def get(self, job_id: int) -> Job | None:
        """Return a job, or None where there is none of this id."""
        with self._database.read() as db:
            row = JobRow.select().where(JobRow.id == job_id).get_or_none(db)
        return None if row is None else _job(row)

    def has_open(self, kinds: Collection[str]) -> bool:
        """Return whether a job of these kinds waits or runs."""
        is_over = JobRow.state.in_([state.value for state in JobState if state.is_over])
        with self._database.read() as db:
            return count(JobRow.select().where(JobRow.kind.in_(list(kinds)), ~is_over), db) > 0

    def recent(self, limit: int = 20) -> list[Job]:
        """Return jobs, the newest first."""
        query = JobRow.select().order_by(JobRow.id.desc()).limit(max(0, min(limit, LARGEST_PAGE)))
        with self._database.read() as db:
            return [_job(row) for row in query.execute(db)]

    def request_stop(self, job_id: int) -> bool:
        """Ask for the end of a job: one that waits ends at once, one that runs as soon as its worker looks.

        Returns
        -------
        bool
            Whether there is such a job and it was not over.
        """
        with self._database.write() as db:
            row = JobRow.select().where(JobRow.id == job_id).get_or_none(db)
            if row is None or JobState(row.state).is_over:
                return False
            values: dict[str, object] = {"is_stop_requested": True}
            if row.state == JobState.WAITING.value:
                values |= {"state": JobState.STOPPED.value, "message": "Stopped before it began."}
            JobRow.update(**values).where(JobRow.id == job_id).execute(db)
        return True

    def is_stop_requested(self, job_id: int) -> bool:
        """Return whether somebody asked for a job's end."""
        with self._database.read() as db:
            row = JobRow.select(JobRow.is_stop_requested).where(JobRow.id == job_id).get_or_none(db)
        return row is not None and bool(row.is_stop_requested)

    def _set(self, job_id: int, **values: object) -> None:
        with self._database.write() as db:
            JobRow.update(**values).where(JobRow.id == job_id).execute(db)


def _job(row: JobRow) -> Job:
    return Job(row.id, row.kind, JobState(row.state), row.done, row.total, row.unit, row.eta_s, row.message)
