"""Backups that the child says to have found: taken within bounds, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.foundbackup import FIND_JOB, MOST_FOUND, FoundBackup, FoundBackups
from appliance.domain.job import JobState
from appliance.domain.update import Order
from appliance.export.messages import MORE, Ended, Event, FoundFile, Outcome
from tests.unit.export.conftest import Bench

FILE = FoundFile(0, "nightjar-roof-2026-01-31-221500.nightjar-backup", "roof-7K3M9QXD", 8_000, 1_700_000_000, "0" * 64)


def look(bench: Bench, *said: Event, ended: Ended | None = None) -> FoundBackups:
    """Let a look end in which the child said this."""
    bench.drives.plug()
    job = bench.jobs.queue(FIND_JOB, Order("ada", fs_id="1234-ABCD").to_json())
    bench.run(3)
    (task,) = bench.child.tasks
    assert (task.finds_backups, task.takes_bundle, task.is_look_only, task.backup) == (True, False, False, "")
    assert "ro" in bench.drives.calls[0]
    bench.child.say(*said, ended or Ended(Outcome.DONE))
    bench.run(15)
    now, found = bench.jobs.get(job.id), bench.found.value
    assert now is not None
    assert found is not None
    assert (now.message, now.state.is_over) == (found.sentence, True)
    assert (now.state is not JobState.DONE) == found.is_failed
    assert bench.drives.done() == ["mount", "unmount"]
    return found


def test_what_the_child_found_is_published_as_values(bench: Bench) -> None:
    found = look(bench, FILE)
    at = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert found == FoundBackups(
        "1 backup found on the stick.", backups=(FoundBackup(0, FILE.name, FILE.folder, 8_000, at, "0" * 64),)
    )


@pytest.mark.parametrize(
    "file",
    [
        replace(FILE, number=MOST_FOUND),
        replace(FILE, name="../../keys/vault.key"),
        replace(FILE, name="<script>.nightjar-backup"),
        replace(FILE, folder="../.."),
        replace(FILE, folder="Capitals-7K3M9QXD"),
        replace(FILE, size_bytes=0),
        replace(FILE, size_bytes=LARGEST_BACKUP + 1),
        replace(FILE, sha256="x" * 64),
        replace(FILE, sha256=""),
    ],
)
def test_a_child_that_was_led_astray_is_not_believed(bench: Bench, file: FoundFile) -> None:
    assert look(bench, FILE, file) == FoundBackups("What lies on the stick cannot be read.", is_failed=True)


def test_no_more_is_taken_than_may_be_whatever_the_child_says(bench: Bench) -> None:
    found = look(bench, *(replace(FILE, number=number % MOST_FOUND) for number in range(1_000)))
    assert len(found.backups) == MOST_FOUND


def test_a_date_far_away_is_no_trap(bench: Bench) -> None:
    (backup,) = look(bench, replace(FILE, modified_s=(1 << 63) - 1)).backups
    assert backup.modified_at.year == 2106


NONE = "No backups found on the stick."


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(Outcome.DONE), NONE),
        (Ended(Outcome.DONE, MORE), f"{NONE} More lies there than is looked at: the newest {MOST_FOUND} are shown."),
        (Ended(Outcome.DONE, too_large=2), f"{NONE} Passed over, because no backup has more than 3 MiB: 2 files."),
        (Ended(Outcome.DONE, in_the_way=1), f"{NONE} Passed over, because it is a link, a folder or empty: 1 file."),
        (Ended(Outcome.STOPPED), "Stopped: nothing was taken from the stick."),
        (Ended(Outcome.BAD_REQUEST, "It became shorter."), "It became shorter."),
        (Ended(Outcome.NO_SOURCE, "no room"), "What lies on the stick cannot be kept here: no room."),
    ],
)
def test_each_end_has_its_words(bench: Bench, ended: Ended, words: str) -> None:
    assert look(bench, ended=ended).sentence == words


def test_a_stick_that_fails_is_told_with_what_to_do(bench: Bench) -> None:
    found = look(bench, ended=Ended(Outcome.BROKEN, "Input/output error"))
    assert found.is_failed
    assert found.sentence.startswith("The stick failed: Input/output error.")


def test_an_order_that_cannot_be_read_is_ended(bench: Bench) -> None:
    bench.drives.plug()
    job = bench.jobs.queue(FIND_JOB, "{}")
    bench.run()
    now = bench.jobs.get(job.id)
    assert now is not None
    assert (now.state, now.message, bench.drives.calls) == (JobState.FAILED, "This order cannot be read.", [])


def test_a_child_that_was_ended_before_it_could_listen_was_stopped(bench: Bench) -> None:
    bench.child.ends_when_stopped = False
    bench.drives.plug()
    job = bench.jobs.queue(FIND_JOB, Order("ada", fs_id="1234-ABCD").to_json())
    bench.run(3)
    bench.jobs.request_stop(job.id)
    bench.run(1)
    bench.child.is_alive = False
    bench.run()
    now = bench.jobs.get(job.id)
    assert now is not None
    assert now.state is JobState.STOPPED
