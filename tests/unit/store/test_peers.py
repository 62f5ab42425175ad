"""Peers and their nonces: a request counts once, whatever restarts and clocks do."""

from datetime import timedelta

import pytest

from appliance.domain.errors import InputError, RefusedError, ThrottledError
from appliance.domain.peer import PeerLimits
from appliance.store import peers as module
from appliance.store.database import Database
from appliance.store.peers import PeerKey, PeerStore
from tests.unit.store.conftest import MovableClock

KEY = PeerKey("k" * 16, "hilltop1")


@pytest.fixture
def store(database: Database, clock: MovableClock) -> PeerStore:
    store = PeerStore(database, clock)
    store.add("hilltop1", "Hilltop", PeerLimits())
    store.add_key("hilltop1", KEY.id)
    return store


def now_s(clock: MovableClock) -> int:
    return int(clock.now().timestamp())


def nonce(number: int) -> str:
    return f"{number:032x}"


def test_a_nonce_is_spent_once_also_over_a_restart(store: PeerStore, database: Database, clock: MovableClock) -> None:
    store.spend(KEY, nonce(1), now_s(clock), "10.0.0.9")
    assert store.is_spent(KEY.id, nonce(1))
    assert not store.is_spent(KEY.id, nonce(2))
    database.close()
    database.open()
    with pytest.raises(RefusedError, match="came before"):
        PeerStore(database, clock).spend(KEY, nonce(1), now_s(clock), "10.0.0.9")
    found = store.get("hilltop1")
    assert found is not None
    assert (found.last_at, found.last_address) == (clock.now(), "10.0.0.9")


@pytest.mark.parametrize("jump", [timedelta(days=-30), timedelta(hours=-1), timedelta(seconds=-900)])
def test_a_clock_that_is_set_back_opens_nothing(store: PeerStore, clock: MovableClock, jump: timedelta) -> None:
    at = now_s(clock)
    store.spend(KEY, nonce(1), at, "")
    clock.wall += timedelta(seconds=1200)
    store.spend(KEY, nonce(2), now_s(clock), "")  # by which the first nonce is forgotten
    assert not store.is_spent(KEY.id, nonce(1))
    clock.wall += jump
    with pytest.raises(RefusedError, match="long ago"):
        store.spend(KEY, nonce(1), at, "")


def test_a_clock_that_was_ahead_shuts_nobody_out(store: PeerStore, clock: MovableClock) -> None:
    """Requests of a time to come keep their nonces until that time is over; those between are taken."""
    clock.wall += timedelta(days=30)
    store.spend(KEY, nonce(1), now_s(clock), "")
    ahead = now_s(clock)
    clock.wall -= timedelta(days=30)
    store.spend(KEY, nonce(2), now_s(clock), "")
    with pytest.raises(RefusedError):
        store.spend(KEY, nonce(1), ahead, "")


def test_a_rotated_key_begins_anew(store: PeerStore, clock: MovableClock) -> None:
    store.spend(KEY, nonce(1), now_s(clock), "")
    store.add_key("hilltop1", "n" * 16)
    assert store.drop_keys("hilltop1", but="n" * 16) == [KEY.id]
    with pytest.raises(RefusedError, match="ended"):
        store.spend(KEY, nonce(3), now_s(clock), "")
    store.spend(PeerKey("n" * 16, "hilltop1"), nonce(1), now_s(clock), "")


def test_too_many_nonces_are_told_to_wait(store: PeerStore, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NONCES", 3)
    for number in range(3):
        store.spend(KEY, nonce(number), now_s(clock), "")
    with pytest.raises(ThrottledError):
        store.spend(KEY, nonce(9), now_s(clock), "")
    clock.wall += timedelta(seconds=601)
    store.spend(KEY, nonce(10), now_s(clock), "")


def test_names_are_unique_and_peers_are_bounded(store: PeerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="already"):
        store.add("another1", "Hilltop", PeerLimits())
    monkeypatch.setattr(module, "MOST_PEERS", 1)
    with pytest.raises(InputError, match="remove one"):
        store.add("another1", "Valley", PeerLimits())


def test_a_revoked_peer_is_kept_and_a_removed_one_is_not(store: PeerStore) -> None:
    assert store.revoke("hilltop1") == [KEY.id]
    assert [peer.is_open for peer in store.all()] == [False]
    store.add_key("hilltop1", "n" * 16)
    assert [peer.is_open for peer in store.all()] == [True]
    assert store.remove("hilltop1") == ["n" * 16]
    assert (store.all(), store.all_keys()) == ((), [])


def test_what_a_peer_calls_itself_is_bounded_and_readable(store: PeerStore) -> None:
    store.note_told("hilltop1", "a\0\x1b[31m" + "b" * 500)
    found = store.get("hilltop1")
    assert found is not None
    assert found.told == ("a[31m" + "b" * 500)[:120]
