"""Jobs as rows."""

import pytest

from appliance.domain.errors import InputError
from appliance.domain.job import JobState
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.jobs import KEPT, LONGEST_REQUEST, MOST_WAITING, JobStore
from tests.unit.store.conftest import MovableClock


@pytest.fixture
def jobs(database: Database, clock: MovableClock) -> JobStore:
    return JobStore(database, clock)


def test_a_job_waits_runs_and_ends(jobs: JobStore) -> None:
    job = jobs.queue("export", '{"x": 1}', "It waits for its turn.")
    assert (job.state, job.done, job.total, job.unit, job.eta_s) == (JobState.WAITING, 0, 0, "bytes", None)
    assert jobs.waiting("export") == [(job, '{"x": 1}')]
    assert jobs.waiting("other") == []
    jobs.start(job.id, "Looking")
    assert jobs.waiting("export") == []
    jobs.update(job.id, done=5 << 33, total=9 << 33, eta_s=12.5, message="Night 2026-01-31")
    running = jobs.get(job.id)
    assert running is not None
    assert (running.state, running.done, running.total, running.eta_s) == (JobState.RUNNING, 5 << 33, 9 << 33, 12.5)
    jobs.finish(job.id, JobState.DONE, "3 files copied.")
    ended = jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.eta_s, ended.message) == (JobState.DONE, None, "3 files copied.")


def test_a_job_does_not_end_as_running(jobs: JobStore) -> None:
    job = jobs.queue("export", "{}")
    with pytest.raises(ValueError, match="does not end"):
        jobs.finish(job.id, JobState.RUNNING, "")


def test_the_oldest_waits_first_and_the_newest_is_listed_first(jobs: JobStore) -> None:
    ids = [jobs.queue("export", "{}").id for _ in range(3)]
    assert [job.id for job, _ in jobs.waiting("export")] == ids
    assert [job.id for job in jobs.recent(2)] == ids[:0:-1]
    assert jobs.recent(0) == []


def test_what_a_crash_left_running_waits_again(
    jobs: JobStore, database: Database, folder: DataFolder, clock: MovableClock
) -> None:
    job, other = jobs.queue("export", '{"x": 2}'), jobs.queue("film", "{}")
    for each in (job, other):
        jobs.start(each.id, "")
    jobs.update(job.id, done=5, total=10, eta_s=1.0, message="half")
    database.close()
    again = Database(folder.root, clock)
    again.open()
    left = JobStore(again, clock)
    assert left.put_back_running("export") == ['{"x": 2}']
    (waiting,) = left.waiting("export")
    assert (waiting[0].id, waiting[0].done, waiting[0].eta_s) == (job.id, 5, None)
    running = left.get(other.id)
    assert running is not None
    assert running.state is JobState.RUNNING
    again.close()


def test_a_stop_ends_what_waits_and_is_seen_by_what_runs(jobs: JobStore) -> None:
    waiting, running, over = (jobs.queue("export", "{}") for _ in range(3))
    jobs.start(running.id, "")
    jobs.finish(over.id, JobState.DONE, "done")
    assert jobs.request_stop(waiting.id)
    assert jobs.request_stop(running.id)
    assert not jobs.request_stop(over.id)
    assert not jobs.request_stop(999)
    states = {job.id: job.state for job in jobs.recent()}
    assert states == {waiting.id: JobState.STOPPED, running.id: JobState.RUNNING, over.id: JobState.DONE}
    assert jobs.is_stop_requested(running.id)
    assert not jobs.is_stop_requested(over.id)
    assert not jobs.is_stop_requested(999)


def test_a_job_that_was_put_back_keeps_what_it_did(jobs: JobStore) -> None:
    job = jobs.queue("export", "{}")
    jobs.start(job.id, "")
    jobs.update(job.id, done=7, total=9, eta_s=2.0, message="")
    jobs.put_back(job.id, "The stick was pulled out.")
    ((again, _),) = jobs.waiting("export")
    assert (again.done, again.eta_s, again.message) == (7, None, "The stick was pulled out.")


def test_neither_the_list_nor_a_request_grows_without_bound(jobs: JobStore) -> None:
    with pytest.raises(InputError, match="fewer nights"):
        jobs.queue("export", "x" * (LONGEST_REQUEST + 1))
    first = [jobs.queue("export", "{}") for _ in range(MOST_WAITING)]
    with pytest.raises(InputError, match="wait already"):
        jobs.queue("export", "{}")
    assert jobs.request_stop(first[-1].id)
    for _ in range(KEPT):
        job = jobs.queue("export", "{}", "x" * 5000)
        jobs.finish(job.id, JobState.DONE, "y" * 5000)
    assert jobs.get(first[-1].id) is None
    assert jobs.get(first[0].id) is not None  # it still waits
    newest = jobs.recent(1)[0]
    assert newest.message == "y" * 500
