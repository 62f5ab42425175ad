"""Stored frames: files and rows, nights, what a crash or a lost database leaves."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from appliance.domain.errors import DiskFullError, StoreError
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.store import disk
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.models import FrameRow
from appliance.store.reconcile import Reconciled
from tests.unit.store.conftest import MovableClock

NIGHT = NightId("2026-01-31")
BEGIN = datetime(2026, 1, 31, 22, 15, 30, 250_000, tzinfo=UTC)


@pytest.fixture
def frames(database: Database, folder: DataFolder) -> FrameStore:
    return FrameStore(database, folder)


def add(frames: FrameStore, number: int = 0, night: NightId = NIGHT) -> StoredFrame:
    return frames.add(
        b"picture %d" % number,
        b"thumb",
        night=night,
        exposure=Exposure(FrameKind.LIGHT, 12.5, 100.0, 2, 30),
        started_at=BEGIN + timedelta(seconds=15 * number),
        width=1920,
        height=1080,
        measurement=Measurement(1234.5, 0.25, 120, 20.5),
        sensor_temperature_c=-5.5,
    )


def files(folder: DataFolder) -> set[str]:
    return {path.relative_to(folder.root / "nights").as_posix() for path in (folder.root / "nights").rglob("*") if path.is_file()}


def test_a_frame_is_found_by_the_name_of_its_picture_and_by_no_other(frames: FrameStore) -> None:
    stored = add(frames)
    assert frames.of_name(f"20260131T221530Z-{stored.id}.jpg") == stored
    for other in (f"20260131T221531Z-{stored.id}.jpg", "20260131T221530Z-99.jpg", f"{stored.id}", "keogram.jpg", ""):
        assert frames.of_name(other) is None


def test_a_frame_comes_back_as_it_was_stored(frames: FrameStore, folder: DataFolder) -> None:
    stored = add(frames)
    assert stored == frames.latest() == frames.get(stored.id)
    assert stored.picture_name == f"nights/2026-01-31/frames/20260131T221530Z-{stored.id}.jpg"
    assert stored.thumb_name == f"nights/2026-01-31/thumbs/20260131T221530Z-{stored.id}.jpg"
    assert stored.exposure == Exposure(FrameKind.LIGHT, 12.5, 100.0, 2, 30)
    assert stored.measurement == Measurement(1234.5, 0.25, 120, 20.5)
    assert (stored.started_at, stored.sensor_temperature_c, stored.picture_bytes) == (BEGIN, -5.5, 9)
    assert frames.picture_path(stored).read_bytes() == b"picture 0"
    assert frames.thumb_path(stored).read_bytes() == b"thumb"


def test_numbers_of_numpy_are_kept_as_numbers(frames: FrameStore) -> None:
    exposure = Exposure(FrameKind.LIGHT, np.float32(0.5), np.float64(1), np.int64(1))  # type: ignore[arg-type]
    measurement = Measurement(np.float32(2), np.float64(0), np.int64(7))  # type: ignore[arg-type]
    size: dict[str, int] = {"width": np.int32(4), "height": np.int64(3)}  # type: ignore[dict-item]
    stored = frames.add(b"p", b"t", night=NIGHT, exposure=exposure, started_at=BEGIN, measurement=measurement, **size)
    assert frames.get(stored.id) == stored
    assert (stored.measurement.stars, stored.width) == (7, 4)


def test_there_is_nothing_at_first(frames: FrameStore) -> None:
    assert (frames.latest(), frames.get(1), frames.of_night(NIGHT), frames.nights(), frames.count()) == (None, None, [], [], 0)
    assert frames.remove_night(NIGHT) == 0
    assert not frames.reconcile()


def test_pages_of_a_night_follow_one_another(frames: FrameStore) -> None:
    ids = [add(frames, number).id for number in range(7)]
    add(frames, 9, NightId("2026-02-01"))
    first = frames.of_night(NIGHT, limit=3)
    second = frames.of_night(NIGHT, limit=100, before=first[-1].id)
    assert [frame.id for frame in first + second] == ids[::-1]
    assert frames.of_night(NIGHT, limit=0) == []


def test_nights_are_summed_up_newest_first(frames: FrameStore) -> None:
    for number in range(3):
        add(frames, number)
    add(frames, 5000, NightId("2026-02-01"))
    newer, older = frames.nights()
    assert (newer.night, newer.frames) == (NightId("2026-02-01"), 1)
    assert (older.night, older.frames, older.bytes) == (NIGHT, 3, 3 * (9 + 5))
    assert (older.first_at, older.last_at) == (BEGIN, BEGIN + timedelta(seconds=30))
    assert frames.count() == 4


def test_the_latest_frame_is_the_one_stored_last_also_after_a_jump_back(frames: FrameStore) -> None:
    add(frames, 100)
    newest = add(frames, -100_000)
    assert frames.latest() == newest
    assert frames.nights()[0].first_at < BEGIN


def test_a_night_is_removed_with_all_its_files(frames: FrameStore, folder: DataFolder) -> None:
    for number in range(3):
        add(frames, number)
    kept = add(frames, 5, NightId("2026-02-01"))
    folder.write_atomic("nights/2026-01-31/products/keogram.jpg", b"x")
    assert frames.remove_night(NIGHT) == 3 * (9 + 5)
    assert frames.of_night(NIGHT) == []
    assert [night.night for night in frames.nights()] == [NightId("2026-02-01")]
    assert files(folder) == {kept.picture_name.removeprefix("nights/"), kept.thumb_name.removeprefix("nights/")}


def test_an_id_is_never_given_twice(database: Database, folder: DataFolder, frames: FrameStore) -> None:
    first = add(frames)
    frames.remove_night(NIGHT)
    assert add(FrameStore(database, folder)).id == first.id + 1


def test_a_moment_without_a_zone_is_a_mistake(frames: FrameStore, folder: DataFolder) -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        frames.add(
            b"p", b"t", night=NIGHT, exposure=Exposure(FrameKind.LIGHT, 1, 1), started_at=BEGIN.replace(tzinfo=None),
            width=1, height=1, measurement=Measurement(1, 0),
        )  # fmt: skip
    assert files(folder) == set()


def test_a_frame_that_cannot_be_stored_leaves_nothing(
    frames: FrameStore, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(frames)
    before = files(folder)

    def full(database: object) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(Database, "write", full)
    with pytest.raises(DiskFullError):
        add(frames, 1)
    assert files(folder) == before


class TestReconcile:
    def test_a_frame_whose_row_was_lost_is_taken_in_again(
        self, frames: FrameStore, folder: DataFolder, database: Database
    ) -> None:
        stored = [add(frames, number) for number in range(4)]
        nights = frames.nights()
        with database.write() as db:
            FrameRow.delete().where(FrameRow.id.in_([stored[1].id, stored[3].id])).execute(db)
        assert frames.reconcile() == Reconciled(adopted=2)
        assert frames.of_night(NIGHT) == stored[::-1]
        assert frames.nights() == nights
        assert not frames.reconcile()

    def test_no_picture_is_lost_with_the_database(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        frames = FrameStore(database, folder)
        stored = [add(frames, number, NightId(f"2026-01-{28 + number}")) for number in range(4)]
        database.close()
        database.path.write_bytes(b"ruined" * 1000)
        assert len(database.open()) == 2
        again = FrameStore(database, folder)
        newer = add(again, 100)  # the pipeline does not wait for housekeeping
        assert newer.id > stored[-1].id
        assert again.reconcile() == Reconciled(adopted=4)
        assert [again.get(frame.id) for frame in stored] == stored
        assert again.latest() == newer
        assert again.count() == 5

    def test_a_file_without_a_row_or_a_note_is_removed(self, frames: FrameStore, folder: DataFolder) -> None:
        stored = add(frames)
        for kind, ending in (("frames", "jpg"), ("thumbs", "jpg"), ("raw", "fits")):
            folder.write_atomic(f"nights/2026-01-31/{kind}/20260131T221545Z-77.{ending}", b"orphan")
        folder.write_atomic(f"nights/2026-01-31/raw/{Path(stored.picture_name).stem}.fits", b"belongs to a row")
        (folder.root / "nights" / "2026-01-31" / "frames" / "notes.txt").write_text("the owner's own")
        assert frames.reconcile() == Reconciled(files=3)
        names = {Path(name).name for name in files(folder)}
        assert names == {Path(stored.picture_name).name, f"{Path(stored.picture_name).stem}.fits", "notes.txt"}

    @pytest.mark.parametrize(
        "note",
        [b"", b"[]", b"{}", b"\xff", b'{"kind":"light"}', b"[" * 3000],
        ids=["none", "list", "empty", "no text", "one field", "deep"],
    )
    def test_a_note_that_is_not_a_row_is_refused(
        self, frames: FrameStore, folder: DataFolder, database: Database, note: bytes
    ) -> None:
        stored = add(frames)
        self.forget(database, stored)
        folder.write_atomic(stored.picture_name, b"picture", note=note)
        assert frames.reconcile() == Reconciled(files=2)
        assert frames.of_night(NIGHT) == []

    def test_a_note_of_another_file_is_refused(self, frames: FrameStore, folder: DataFolder, database: Database) -> None:
        stored, other = add(frames), add(frames, 1)
        self.forget(database, stored)
        folder.write_atomic(stored.picture_name, b"picture", note=disk.read_note(frames.picture_path(other)))
        assert frames.reconcile() == Reconciled(files=2)

    def test_a_note_with_values_of_other_types_is_refused(
        self, frames: FrameStore, folder: DataFolder, database: Database
    ) -> None:
        stored = add(frames)
        self.forget(database, stored)
        note = disk.read_note(frames.picture_path(stored)).replace(b'"width":1920', b'"width":"wide"')
        folder.write_atomic(stored.picture_name, b"picture", note=note)
        assert frames.reconcile() == Reconciled(files=2)

    @pytest.mark.parametrize("kind", ["frames", "thumbs"])
    def test_a_row_without_one_of_its_files_is_removed(self, frames: FrameStore, folder: DataFolder, kind: str) -> None:
        stored = [add(frames, number) for number in range(3)]
        folder.remove(f"nights/2026-01-31/{kind}/{Path(stored[1].picture_name).name}")
        assert frames.reconcile() == Reconciled(files=1, rows=1)
        assert frames.of_night(NIGHT) == [stored[2], stored[0]]
        assert frames.nights()[0].frames == 2
        assert len(files(folder)) == 4

    def test_a_night_without_its_folder_goes(self, frames: FrameStore, folder: DataFolder) -> None:
        add(frames)
        (folder.root / "nights" / "2026-01-31").rename(
            folder.root / "nights" / "removed-2026-01-31"
        )  # a plug pulled in remove_night
        assert frames.reconcile() == Reconciled(rows=1)
        assert frames.nights() == []
        assert files(folder) == set()

    def test_folders_that_are_not_nights_are_left_alone(self, frames: FrameStore, folder: DataFolder) -> None:
        folder.write_atomic("nights/holiday/frames/20260131T221545Z-77.jpg", b"the owner's own")
        assert not frames.reconcile()
        assert files(folder) == {"holiday/frames/20260131T221545Z-77.jpg"}

    def test_a_frame_that_is_being_stored_is_left_alone(self, frames: FrameStore, folder: DataFolder) -> None:
        name = "20260131T221545Z-77.jpg"
        frames._writing.add(name)
        folder.write_atomic(f"nights/2026-01-31/frames/{name}", b"its row comes next")
        assert not frames.reconcile()
        assert files(folder) == {f"2026-01-31/frames/{name}"}

    def test_it_beats_at_each_night(self, frames: FrameStore) -> None:
        for number in range(3):
            add(frames, number, NightId(f"2026-01-{28 + number}"))
        beats: list[int] = []
        frames.reconcile(lambda: beats.append(1))
        assert len(beats) == 3

    @staticmethod
    def forget(database: Database, stored: StoredFrame) -> None:
        with database.write() as db:
            FrameRow.delete().where(FrameRow.id == stored.id).execute(db)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from appliance.domain.clock import SystemClock
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore

folder = DataFolder(Path(sys.argv[1]))
folder.open()
database = Database(folder.root, SystemClock())
assert database.open() == ()
frames = FrameStore(database, folder)
frames.reconcile()
while True:
    stored = frames.add(bytes(400_000), bytes(20_000), night=NightId("2026-01-31"), exposure=Exposure(FrameKind.LIGHT, 1.0, 0.0),
        started_at=datetime.now(UTC), width=1, height=1, measurement=Measurement(1.0, 0.0))
    print(stored.id, flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_whole_frames_only(tmp_path: Path, clock: MovableClock) -> None:
    """Twelve times SIGKILL at a random moment; what was said to be stored, is."""
    root, said, moments = tmp_path / "data", [], random.Random(20260131)
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            said.append(int(process.stdout.readline()))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
            said += [int(line) for line in process.stdout.read().splitlines() if line]
    folder = DataFolder(root)
    folder.open()
    database = Database(root, clock)
    assert database.open() == ()
    frames = FrameStore(database, folder)
    frames.reconcile()
    stored = {frame.id for frame in frames.of_night(NIGHT, limit=1000)}
    assert set(said) <= stored
    assert len(stored) - len(said) <= 12  # at most the one frame whose saying was cut short, each time
    for kind, size in (("frames", 400_000), ("thumbs", 20_000)):
        found = list((root / "nights" / "2026-01-31" / kind).iterdir())
        assert len(found) == len(stored) == frames.count()
        assert {path.stat().st_size for path in found} == {size}
    assert database.check() == "ok"
    database.close()
    folder.close()


def test_a_store_error_is_told_where_the_folder_cannot_be_used(frames: FrameStore, folder: DataFolder) -> None:
    (folder.root / "nights" / "2026-01-31").write_text("in the way")
    with pytest.raises(StoreError, match="cannot make the folder"):
        add(frames)
    assert frames.count() == 0
