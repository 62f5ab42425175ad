"""Backups on a stick: copied here by the real child when somebody says so, in bounds, and nothing else of the stick."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.foundbackup import FIND_JOB, MOST_FOUND, FoundBackup, FoundBackups
from appliance.domain.job import Job, JobState
from appliance.domain.update import Order
from appliance.export import finding, stick
from appliance.export.finding import Finding
from tests.integration.export.bench import FS_ID, Bench, bench
from tests.integration.export.sky import DEVICE, Sky
from tests.integration.export.test_bundle import now, taken

pytestmark = pytest.mark.needs("sha256sum")

NAME = "nightjar-roof-2026-01-31-221500.nightjar-backup"
DATA = b"nightjar-backup\n" + os.urandom(9_000)


def put(sky: Sky, place: str, data: bytes = DATA, at_s: int = 1_700_000_000) -> Path:
    path = sky.mount / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at_s, at_s))
    return path


def look(one: Bench, fs_id: str = FS_ID) -> Job:
    return one.jobs.queue(FIND_JOB, Order("ada", fs_id=fs_id).to_json())


def looked(sky: Sky) -> tuple[FoundBackups, tuple[bytes | None, ...], list[str]]:
    """Look at the stick; return what was found, the bytes of it that are here, and the names of all that is here."""
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        taken(one, look(one))
        found = one.found.value
        assert found is not None
        here = sorted(path.name for path in (sky.data / "incoming").iterdir())
        return found, tuple(one.incoming.read(backup) for backup in found.backups), here


def places(found: FoundBackups) -> list[tuple[str, str]]:
    return [(backup.folder, backup.name) for backup in found.backups]


def test_backups_of_every_device_and_at_the_top_are_found_the_newest_first_and_the_stick_is_only_read(sky: Sky) -> None:
    put(sky, f"nightjar/{DEVICE}/backups/{NAME}", at_s=1_700_000_100)
    put(sky, "nightjar/attic-0123ABCD/backups/nightjar-attic-2025-01-01-000000.nightjar-backup", b"another", 1_600_000_000)
    put(sky, "Nightjar (1).nightjar-backup", b"renamed", 1_700_000_200)
    before = {path: path.stat().st_mtime_ns for path in sky.mount.rglob("*")}
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        job = look(one)
        ended = taken(one, job)
        assert (ended.state, ended.message) == (JobState.DONE, "3 backups found on the stick.")
        found = one.found.value
        assert found is not None
        assert places(found) == [
            ("", "Nightjar (1).nightjar-backup"),
            (DEVICE, NAME),
            ("attic-0123ABCD", "nightjar-attic-2025-01-01-000000.nightjar-backup"),
        ]
        assert [one.incoming.read(backup) for backup in found.backups] == [b"renamed", DATA, b"another"]
        ours = found.backups[1]
        assert (ours.size_bytes, ours.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
        assert ours.modified_at.timestamp() == 1_700_000_100
        assert one.drives.calls[:2] == ["mount", "unmount"]
        assert {path: path.stat().st_mtime_ns for path in sky.mount.rglob("*")} == before
        assert {path.stat().st_mode & 0o777 for path in (sky.data / "incoming").iterdir()} == {0o600}


def test_nothing_is_looked_at_before_somebody_says_so(sky: Sky) -> None:
    put(sky, f"nightjar/{DEVICE}/backups/{NAME}")
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        one.run_until(lambda: one.is_over)
        one.run(5)
        assert (one.found.value, [job.kind for job in one.jobs.recent()]) == (None, ["export"])
        assert list((sky.data / "incoming").iterdir()) == []


def link(path: Path, precious: Path) -> None:
    path.symlink_to(precious)


def link_beside(path: Path, _precious: Path) -> None:
    path.symlink_to("../../../other")
    put_beside = path.parent.parent.parent.parent / "other"
    put_beside.write_bytes(DATA)


def pipe(path: Path, _precious: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, _precious: Path) -> None:
    path.mkdir()


def empty(path: Path, _precious: Path) -> None:
    path.touch()


def huge(path: Path, _precious: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)


def a_byte_too_large(path: Path, _precious: Path) -> None:
    path.write_bytes(bytes(LARGEST_BACKUP + 1))


NO_FILE = "No backups found on the stick. Passed over, because it is a link, a folder or empty: 1 file."
TOO_LARGE = "No backups found on the stick. Passed over, because no backup has more than 3 MiB: 1 file."


@pytest.mark.parametrize(
    ("trap", "words"),
    [
        (link, NO_FILE), (link_beside, NO_FILE), (pipe, NO_FILE), (folder, NO_FILE), (empty, NO_FILE), (huge, TOO_LARGE),
        (a_byte_too_large, TOO_LARGE),
    ],
)  # fmt: skip
def test_what_can_be_no_backup_is_passed_over_and_told(
    sky: Sky, tmp_path: Path, trap: Callable[[Path, Path], None], words: str
) -> None:
    precious, place = tmp_path / "precious", sky.mount / "nightjar" / DEVICE / "backups" / NAME
    precious.write_bytes(DATA)
    place.parent.mkdir(parents=True)
    trap(place, precious)
    found, _, here = looked(sky)
    assert (found, here) == (FoundBackups(words), [])


@pytest.mark.parametrize("place", ["nightjar", f"nightjar/{DEVICE}", f"nightjar/{DEVICE}/backups"])
def test_no_folder_is_entered_through_a_link(sky: Sky, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    inner = outside.joinpath(*f"nightjar/{DEVICE}/backups".split("/")[len(place.split("/")) :])
    inner.mkdir(parents=True)
    (inner / NAME).write_bytes(DATA)
    path = sky.mount / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(outside)
    found, _, here = looked(sky)
    assert (found.backups, here) == ((), [])


@pytest.mark.parametrize(
    "name",
    [f"._{NAME}", f"{NAME}.exe", "x" * 120 + ".nightjar-backup", "a\nb.nightjar-backup", "<b>.nightjar-backup",
     ".nightjar-backup", "ünter.nightjar-backup"],
)  # fmt: skip
def test_what_has_another_name_is_not_taken_and_not_shown(sky: Sky, name: str) -> None:
    put(sky, name)
    put(sky, f"nightjar/{DEVICE}/{NAME}")
    put(sky, f"somewhere/{NAME}")
    put(sky, f"nightjar/..hidden/backups/{NAME}")
    found, _, here = looked(sky)
    assert (found.sentence, found.backups, here) == ("No backups found on the stick.", (), [])


def test_of_many_only_the_newest_are_taken(sky: Sky) -> None:
    for number in range(MOST_FOUND + 3):
        put(sky, f"{number}.nightjar-backup", b"x" * (number + 1), 1_700_000_000 + number)
    found, contents, here = looked(sky)
    assert [backup.name for backup in found.backups] == [f"{number}.nightjar-backup" for number in range(14, 2, -1)]
    assert contents == tuple(b"x" * (number + 1) for number in range(14, 2, -1))
    assert (len(here), f"the newest {MOST_FOUND} are shown" in found.sentence) == (MOST_FOUND, True)


def test_a_folder_with_too_many_names_is_not_read_to_its_end(sky: Sky) -> None:
    for number in range(stick.MOST_NAMES + 10):
        (sky.mount / f"{number}.txt").touch()
    found, _, _ = looked(sky)
    assert "More lies there than is looked at" in found.sentence


def test_a_stick_that_is_not_there_is_not_waited_for(sky: Sky) -> None:
    with bench(sky.data, sky.mount) as one:
        ended = taken(one, look(one))
        assert "not plugged in any more" in ended.message
        assert one.found.value == FoundBackups(ended.message, is_failed=True)
        one.drives.plug()
        assert "not plugged in any more" in taken(one, look(one, "4321-DCBA")).message


def pulled(one: Bench) -> None:
    one.drives.pull()


def stop(one: Bench) -> None:
    one.jobs.request_stop(one.jobs.recent(1)[0].id)


@pytest.mark.parametrize(
    ("act", "state", "words"), [(pulled, JobState.FAILED, Finding.pulled), (stop, JobState.STOPPED, Finding.stopped)]
)
def test_pulled_out_or_stopped_meanwhile_nothing_is_found_and_nothing_kept(
    sky: Sky, act: Callable[[Bench], None], state: JobState, words: str
) -> None:
    for number in range(MOST_FOUND):
        put(sky, f"{number}.nightjar-backup", bytes(LARGEST_BACKUP))
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        job = look(one)
        one.run_until(lambda: "mount" in one.drives.calls)
        assert (now(one, job).state, one.found.value) == (JobState.RUNNING, None)
        act(one)
        ended = taken(one, job)
        assert (ended.state, ended.message) == (state, words)
        assert one.found.value == FoundBackups(words, is_failed=True)
        assert list((sky.data / "incoming").iterdir()) == []


def test_asked_for_while_it_fills_itself_it_is_looked_at_before_it_is_switched_off(sky: Sky) -> None:
    put(sky, NAME)
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        one.run_until(lambda: bool(one.jobs.recent()) and one.job.state is JobState.RUNNING)
        assert taken(one, look(one)).message == "1 backup found on the stick."
        assert one.drives.calls == ["mount", "unmount", "mount", "unmount"]


def test_what_was_found_is_forgotten_with_the_next_look_after_an_hour_and_at_the_next_start(
    sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(one: Bench) -> tuple[FoundBackup, ...]:
        taken(one, look(one))
        assert one.found.value is not None
        return one.found.value.backups

    path = put(sky, NAME)
    with bench(sky.data, sky.mount) as one:
        one.drives.plug()
        (before,) = found(one)
        path.write_bytes(b"changed since")
        assert one.incoming.read(before) == DATA, "what was shown is what is opened"
        (after,) = found(one)
        assert (one.incoming.read(before), one.incoming.read(after)) == (None, b"changed since")
        monkeypatch.setattr(finding, "KEPT_S", 0.0)
        taken(one, look(one))
        one.run(1)
        assert (one.found.value, one.incoming.read(after)) == (None, None)
        monkeypatch.undo()
        found(one)
        left = look(one)
    with bench(sky.data, sky.mount) as one:
        assert (one.found.value, list((sky.data / "incoming").iterdir())) == (None, [])
        assert (now(one, left).state, now(one, left).message) == (JobState.FAILED, finding.RESTARTED)
