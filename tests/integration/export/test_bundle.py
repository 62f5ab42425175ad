"""An update on a stick: seen, offered, copied by the real child when an admin says so, and never by itself."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.domain.job import Job, JobState
from appliance.domain.stick import JOB_KIND
from appliance.domain.update import SMALLEST_BUNDLE, STICK_JOB, BundleState, Order, Source
from appliance.export import errand
from appliance.export.bundle import TAKEN
from appliance.export.names import BUNDLE
from appliance.export.taking import Taking
from tests.integration.export.bench import FS_ID, Bench, bench
from tests.integration.export.sky import Sky

pytestmark = pytest.mark.needs("sha256sum")

DATA = os.urandom(3_000_000)


def order(one: Bench, fs_id: str = FS_ID) -> Job:
    return one.jobs.queue(STICK_JOB, Order("ada", fs_id=fs_id).to_json())


def now(one: Bench, job: Job) -> Job:
    found = one.jobs.get(job.id)
    assert found is not None
    return found


def taken(one: Bench, job: Job) -> Job:
    """Let it work until a job is over."""
    one.run_until(lambda: now(one, job).state.is_over)
    return now(one, job)


def test_what_lies_there_is_seen_and_never_taken_by_itself(sky: Sky) -> None:
    (sky.mount / BUNDLE).write_bytes(DATA)
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        one.run_until(lambda: one.is_over)
        assert [job.kind for job in one.jobs.recent()] == [JOB_KIND]
        assert one.published.value[0].bundle_bytes == len(DATA)
        one.run(5)
        assert (one.bundles.bundle(), (sky.data / TAKEN).exists()) == (None, False)


def test_an_admin_has_it_copied_as_it_is_from_a_stick_that_is_only_read(sky: Sky) -> None:
    (sky.mount / BUNDLE).write_bytes(DATA)
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        job = order(one)
        ended = taken(one, job)
        assert (ended.state, ended.done, ended.total) == (JobState.DONE, len(DATA), len(DATA))
        bundle = one.bundles.bundle()
        assert bundle is not None
        assert (bundle.state, bundle.announced.source, bundle.announced.by) == (BundleState.NEW, Source.STICK, "ada")
        assert bundle.announced.sha256 == hashlib.sha256(DATA).hexdigest()
        assert one.bundles.path.read_bytes() == DATA
        assert (sky.mount / BUNDLE).read_bytes() == DATA
        assert one.drives.calls[:2] == ["mount", "unmount"]
        assert "update copied from a stick" in [entry.action for entry in one.audit.page()]
        one.run_until(lambda: all(job.state.is_over for job in one.jobs.recent()) and len(one.jobs.recent()) == 2)
        assert one.jobs.recent()[0].kind == JOB_KIND, "its own export comes afterwards"


@pytest.mark.parametrize("kind", ["nothing", "link", "pipe", "folder", "tiny", "huge"])
def test_what_is_no_update_is_not_copied(sky: Sky, tmp_path: Path, kind: str) -> None:
    place, precious = sky.mount / BUNDLE, tmp_path / "precious"
    precious.write_bytes(DATA)
    words = f"On this stick lies no file {BUNDLE}."
    match kind:
        case "link":
            place.symlink_to(precious)
        case "pipe":
            os.mkfifo(place)
            words = f"On this stick {BUNDLE} is no plain file."
        case "folder":
            place.mkdir()
            words = f"On this stick {BUNDLE} is no plain file."
        case "tiny":
            place.write_bytes(bytes(SMALLEST_BUNDLE - 1))
            words = "is no update: it has 4095 bytes."
        case "huge":
            with place.open("wb") as file:
                file.truncate(2 << 30)
            words = "is no update"
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        ended = taken(one, order(one))
        assert ended.state is JobState.FAILED
        assert words in ended.message
        assert (one.bundles.bundle(), (sky.data / TAKEN).exists()) == (None, False)


def test_a_stick_that_is_not_there_is_not_waited_for(sky: Sky) -> None:
    with bench(sky.data, sky.mount) as one:
        assert "not plugged in any more" in taken(one, order(one)).message
        one.drives.plug()
        assert "not plugged in any more" in taken(one, order(one, "4321-DCBA")).message


@contextmanager
def in_mid_copy(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bench, Job]]:
    """Give a bench that copies a large bundle, and has not come to its end."""
    monkeypatch.setattr(errand, "WRITE_EVERY_S", 0.05)
    with (sky.mount / BUNDLE).open("wb") as file:
        file.truncate(500 << 20)
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        job = order(one)
        one.run_until(lambda: now(one, job).done > 0 or now(one, job).state.is_over)
        assert not now(one, job).state.is_over
        yield one, job


def test_a_stick_that_is_pulled_out_leaves_nothing_behind(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_mid_copy(sky, monkeypatch) as (one, job):
        one.drives.pull()
        one.run_until(lambda: now(one, job).state.is_over)
        assert now(one, job).message == Taking.pulled
        assert one.bundles.bundle() is None


def test_it_can_be_stopped_and_leaves_nothing_behind(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_mid_copy(sky, monkeypatch) as (one, job):
        one.jobs.request_stop(job.id)
        assert taken(one, job).state is JobState.STOPPED
        assert (one.bundles.bundle(), (sky.data / TAKEN).exists()) == (None, False)
