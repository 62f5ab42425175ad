"""What has come from peers: stored once, replaced whole, and made to agree with its rows after a crash."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from appliance.domain.errors import DiskFullError, RefusedError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, Numbers, PeerLimits, ThingKind
from appliance.store.arriving import MOST_OF_A_PEER, ArrivingStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.peermodels import ReceivedRow
from appliance.store.peerreconcile import PeerReconciler
from appliance.store.peers import PeerStore
from appliance.store.received import Form, ReceivedStore
from tests.unit.store.conftest import MovableClock

PEER = "hilltop1"
NIGHT = NightId("2026-01-31")
EVENING = datetime(2026, 1, 31, 20, 0, tzinfo=UTC)


@pytest.fixture
def peers(database: Database, clock: MovableClock) -> PeerStore:
    store = PeerStore(database, clock)
    store.add(PEER, "Hilltop", PeerLimits())
    return store


@pytest.fixture
def store(database: Database, folder: DataFolder, clock: MovableClock, peers: PeerStore) -> ReceivedStore:
    return ReceivedStore(database, folder, clock)


@pytest.fixture
def arriving(database: Database, folder: DataFolder, peers: PeerStore) -> ArrivingStore:
    return ArrivingStore(database, folder)


def frame(number: int, data: bytes, night: NightId = NIGHT) -> Announced:
    numbers = Numbers(EVENING + timedelta(minutes=number), Exposure(FrameKind.LIGHT, 6.0, 40.0), Measurement(900.0, 0.01, 77))
    return Announced(Key(ThingKind.FRAME, night, str(number)), len(data), hashlib.sha256(data).hexdigest(), numbers)


def keogram(data: bytes) -> Announced:
    return Announced(Key(ThingKind.PRODUCT, NIGHT, "keogram"), len(data), hashlib.sha256(data).hexdigest(), None)


def files(folder: DataFolder) -> set[str]:
    return {path.relative_to(folder.root).as_posix() for path in (folder.root / "peers").rglob("*") if path.is_file()}


def test_a_frame_is_kept_with_its_numbers_and_a_repeat_changes_nothing(store: ReceivedStore, folder: DataFolder) -> None:
    form = Form(640, 480, b"thumb")
    assert store.keep(PEER, frame(7, b"picture"), form, b"picture")
    before = files(folder)
    assert not store.keep(PEER, frame(7, b"picture"), form, b"picture")
    assert files(folder) == before
    found = store.find(PEER, frame(7, b"").key)
    assert found is not None
    assert found.numbers == frame(7, b"").numbers
    assert before == {found.path, found.thumb_path}
    assert (folder.root / found.path).read_bytes() == b"picture"
    assert store.get(found.id) == found
    (night,) = store.nights(PEER)
    assert (night.frames, night.bytes, night.first_at) == (1, 12, EVENING + timedelta(minutes=7))


def test_what_comes_again_with_other_bytes_replaces(store: ReceivedStore, folder: DataFolder) -> None:
    for data in (b"one", b"two, longer"):
        assert store.keep(PEER, keogram(data), Form(600, 300), data)
    (found,) = store.products_of(PEER, NIGHT)
    assert (folder.root / found.path).read_bytes() == b"two, longer"
    assert files(folder) == {found.path}
    assert store.bytes_of(PEER) == 11


def test_frames_come_newest_first_in_pages_whatever_order_they_came_in(store: ReceivedStore) -> None:
    for number in (5, 2, 9, 1):
        store.keep(PEER, frame(number, b"%d" % number), Form(64, 64, b"t"), b"%d" % number)
    assert [one.key.number for one in store.frames_of(PEER, NIGHT, 3)] == [9, 5, 2]
    assert [one.key.number for one in store.frames_of(PEER, NIGHT, 3, before=2)] == [1]
    latest = store.latest(PEER)
    assert latest is not None
    assert latest.key.number == 9
    assert store.frame_after(latest) is None
    second = store.frames_of(PEER, NIGHT, 1, before=9)[0]
    assert store.frame_after(second) == latest


def test_a_peer_that_was_removed_meanwhile_leaves_nothing(store: ReceivedStore, peers: PeerStore, folder: DataFolder) -> None:
    peers.remove(PEER)
    with pytest.raises(RefusedError):
        store.keep(PEER, frame(1, b"x"), Form(64, 64, b"t"), b"x")
    assert files(folder) == set()


def test_nights_and_peers_go_with_all_their_files(store: ReceivedStore, folder: DataFolder, database: Database) -> None:
    other = NightId("2026-02-01")
    store.keep(PEER, frame(1, b"x"), Form(64, 64, b"t"), b"x")
    store.keep(PEER, frame(2, b"y", other), Form(64, 64, b"t"), b"y")
    store.remove_night(PEER, NIGHT)
    assert [night.night for night in store.nights(PEER)] == [other]
    assert len(files(folder)) == 2
    store.remove_peer(PEER)
    assert store.nights(PEER) == []
    PeerReconciler(database, folder, store).empty_trash()
    assert files(folder) == set()


def test_after_a_crash_files_without_rows_and_rows_without_files_go(
    store: ReceivedStore, folder: DataFolder, database: Database, arriving: ArrivingStore
) -> None:
    for number in (1, 2, 3):
        store.keep(PEER, frame(number, b"%d" % number), Form(64, 64, b"t"), b"%d" % number)
    arriving.add(PEER, keogram(b"x" * 100), b"x" * 40, 0)
    first, second, third = reversed(store.frames_of(PEER, NIGHT))
    folder.remove(first.path)
    with database.write() as db:
        ReceivedRow.delete().where(ReceivedRow.id == second.id).execute(db)
    folder.write_atomic("peers/strange01/nights/2026-01-31/frames/x.jpg", b"of nobody")
    folder.write_atomic(f"peers/{PEER}/arriving/77", b"of nothing")
    done = PeerReconciler(database, folder, store).run()
    assert (done.files, done.rows) == (4, 1)  # a picture's thumbnail, another's both files, a chunk
    assert store.frames_of(PEER, NIGHT) == [third]
    assert files(folder) == {third.path, third.thumb_path, arriving.path(PEER, keogram(b"x" * 100))}
    (night,) = store.nights(PEER)
    assert (night.frames, night.bytes) == (1, 2)
    assert not PeerReconciler(database, folder, store).run()


def test_what_is_being_written_is_left_alone(store: ReceivedStore, folder: DataFolder, database: Database) -> None:
    path = f"peers/{PEER}/nights/2026-01-31/frames/{'a' * 32}.jpg"
    folder.write_atomic(path, b"its row comes next")
    store.writing.add(path)
    assert not PeerReconciler(database, folder, store).run()
    store.writing.discard(path)
    assert PeerReconciler(database, folder, store).run().files == 1


def test_chunks_are_gathered_over_a_restart_and_only_where_they_go_on(
    arriving: ArrivingStore, folder: DataFolder, database: Database
) -> None:
    data = bytes(range(250))
    film = Announced(Key(ThingKind.FILM, NIGHT, "night"), 250, hashlib.sha256(data).hexdigest(), None)
    assert arriving.add(PEER, film, data[:100], 0) == 100
    assert arriving.add(PEER, film, data[50:150], 50) == 100
    folder.sweep_parts()
    again = ArrivingStore(database, folder)
    assert again.have(PEER, film) == 100
    assert again.add(PEER, film, data[100:], 100) == 250
    assert again.digest(PEER, film) == film.sha256
    changed = Announced(film.key, 250, "0" * 64, None)
    assert again.have(PEER, changed) == 0
    assert again.add(PEER, changed, b"new", 0) == 3
    assert len(files(folder)) == 1


def test_a_peer_gathers_few_things_at_a_time(arriving: ArrivingStore, folder: DataFolder) -> None:
    begun = [frame(number, bytes(100)) for number in range(1, MOST_OF_A_PEER + 3)]
    for announced in begun:
        arriving.add(PEER, announced, b"x", 0)
    assert [arriving.have(PEER, announced) for announced in begun] == [0, 0, *[1] * MOST_OF_A_PEER]
    assert len(files(folder)) == MOST_OF_A_PEER


def test_the_reserve_of_the_disk_is_kept(store: ReceivedStore, folder: DataFolder) -> None:
    store.check_room(1000, 0)
    with pytest.raises(DiskFullError):
        store.check_room(1000, folder.free_bytes())
