"""Peers by indi-allsky's sync: who they are, and that a signature is good for one content only."""

import ipaddress

import pytest

from appliance.domain.errors import InputError, RefusedError
from appliance.domain.peer import PeerLimits
from appliance.domain.syncv1 import V1Peer
from appliance.store import v1peers
from appliance.store.database import Database
from appliance.store.peers import PeerStore
from appliance.store.v1peers import V1PeerStore
from tests.unit.store.conftest import MovableClock

ATTIC = ipaddress.ip_network("192.168.1.20/32")


@pytest.fixture
def stores(database: Database, clock: MovableClock) -> tuple[PeerStore, V1PeerStore]:
    peers = PeerStore(database, clock)
    peers.add("aaaa1111", "Attic", PeerLimits())
    return peers, V1PeerStore(database, clock)


def test_a_peer_is_found_by_its_user_while_it_may_send(stores: tuple[PeerStore, V1PeerStore]) -> None:
    peers, v1 = stores
    assert not v1.is_any()
    v1.add("aaaa1111", "attic", ATTIC)
    made = V1Peer("aaaa1111", "attic", ATTIC, "")
    assert (v1.of_user("attic"), v1.of_peer("aaaa1111"), v1.all(), v1.is_any()) == (made, made, (made,), True)
    assert v1.of_user("Attic") is None
    assert [made.may_come_from(text) for text in ("192.168.1.20", "192.168.1.21", "2001:db8::1")] == [True, False, False]
    v1.set_camera("aaaa1111", "u-u-i-d")
    found = v1.of_user("attic")
    assert found is not None
    assert found.camera == "u-u-i-d"
    peers.revoke("aaaa1111")
    assert (v1.of_user("attic"), v1.is_any()) == (None, False)


def test_a_user_is_taken_once(stores: tuple[PeerStore, V1PeerStore]) -> None:
    peers, v1 = stores
    v1.add("aaaa1111", "attic", ATTIC)
    peers.add("bbbb2222", "Barn", PeerLimits())
    with pytest.raises(InputError):
        v1.add("bbbb2222", "attic", ATTIC)
    assert v1.of_peer("bbbb2222") is None


def test_a_signature_is_good_for_one_content(stores: tuple[PeerStore, V1PeerStore], clock: MovableClock) -> None:
    peers, v1 = stores
    v1.add("aaaa1111", "attic", ATTIC)
    v1.use("aaaa1111", "s1", "content", "192.168.1.20")
    v1.use("aaaa1111", "s1", "content", "192.168.1.20")
    v1.use("aaaa1111", "s2", "other", "192.168.1.20")
    clock.jump(-30)
    with pytest.raises(RefusedError):
        v1.use("aaaa1111", "s1", "other", "192.168.1.20")
    peer = peers.get("aaaa1111")
    assert peer is not None
    assert peer.last_address == "192.168.1.20"


def test_the_oldest_signatures_are_forgotten(stores: tuple[PeerStore, V1PeerStore], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v1peers, "KEPT_SIGNATURES", 3)
    _, v1 = stores
    for number in range(5):
        v1.use("aaaa1111", f"s{number}", "content", "192.168.1.20")
    for number in (2, 3, 4):
        with pytest.raises(RefusedError):
            v1.use("aaaa1111", f"s{number}", "other", "192.168.1.20")
    v1.use("aaaa1111", "s1", "other", "192.168.1.20")
