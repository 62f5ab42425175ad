"""Addresses, connections and the way back, with the real NetworkManager and a cable in a room of their own."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_interface
from uuid import uuid4

import pytest

from appliance.domain.network import AUTOMATIC, Addressing
from appliance.host.profiles import cable_profile
from tests.integration.host.busroom import COMMANDS, missing_right, wait_for
from tests.integration.host.nmroom import CARD, Nm, nm_room

pytestmark = [
    pytest.mark.needs(*COMMANDS, "NetworkManager", "ip"),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

FOUR = Addressing(ip_interface("192.0.2.20/24"), IPv4Address("192.0.2.1"), (IPv4Address("192.0.2.53"), IPv4Address("192.0.2.1")))
SIX = Addressing(ip_interface("2001:db8::20/64"), IPv6Address("2001:db8::1"), (IPv6Address("2001:db8::53"),))
OTHER = Addressing(ip_interface("192.0.2.77/24"))
LONG_S = 600


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nm]:
    with nm_room(tmp_path_factory.mktemp("nm") / "logs") as nm:
        yield nm


@pytest.fixture
def nm(room: Nm) -> Iterator[Nm]:
    """Give the room without any connection."""
    yield room
    for one in room.survey().saved:
        room.connections.forget(one.path)
    wait_for(lambda: not room.card().is_connected, "the card to rest")


def connected(nm: Nm, ipv4: Addressing = FOUR, ipv6: Addressing = SIX) -> str:
    """Return the path of a saved connection that is in use."""
    attempt = nm.connections.begin(cable_profile(str(uuid4()), CARD, ipv4, ipv6), nm.card().path)
    wait_for(lambda: nm.connections.is_up(attempt), "the connection")
    nm.connections.save(attempt.saved)
    return attempt.saved


def test_static_addresses_are_the_kernels_and_are_read_back(nm: Nm) -> None:
    saved = connected(nm)
    nm.wait_for_addresses("192.0.2.20/24", "2001:db8::20/64")
    wait_for(lambda: "default via 192.0.2.1" in nm.room.must("ip", "route"), "the way out")
    wait_for(lambda: "default via 2001:db8::1" in nm.room.must("ip", "-6", "route"), "the way out")
    [one] = nm.survey().saved
    assert (one.path, one.name, one.card, one.is_wifi, one.is_own_point) == (saved, "Cable eth0", CARD, False, False)
    assert (one.ipv4, one.ipv6) == (FOUR, SIX)
    card = nm.card()
    assert (card.name, card.is_wifi, card.is_connected, card.connection) == (CARD, False, True, saved)
    assert nm.on_disk() == ["Cable eth0"]


def test_what_is_not_kept_is_undone_by_networkmanager_itself(nm: Nm) -> None:
    saved = connected(nm)
    mark = nm.connections.mark(LONG_S)
    attempt = nm.connections.readdress(saved, nm.card().path, OTHER, AUTOMATIC)
    wait_for(lambda: nm.connections.is_up(attempt), "the new address")
    nm.wait_for_addresses("192.0.2.77/24")
    nm.connections.prolong(mark, 1)  # from here on nobody of ours does anything
    nm.wait_for_addresses("192.0.2.20/24", "2001:db8::20/64")
    wait_for(lambda: not nm.connections.is_marked(mark), "the mark to be gone")
    [one] = nm.survey().saved
    assert (one.ipv4, one.ipv6) == (FOUR, SIX)


def test_what_is_kept_stays_and_only_then_lies_on_the_disk(nm: Nm) -> None:
    saved = connected(nm)
    mark = nm.connections.mark(LONG_S)
    attempt = nm.connections.readdress(saved, nm.card().path, OTHER, SIX)
    wait_for(lambda: nm.connections.is_up(attempt), "the new address")
    files = "cat /etc/NetworkManager/system-connections/*"
    assert "192.0.2.77" not in nm.room.must("sh", "-c", files), "a power cut leads back"
    nm.connections.save(saved)
    nm.connections.unmark(mark)
    assert "192.0.2.77" in nm.room.must("sh", "-c", files)
    assert not nm.connections.is_marked(mark)
    nm.wait_for_addresses("192.0.2.77/24", "2001:db8::20/64")


def test_a_new_connection_that_is_not_kept_leaves_nothing(nm: Nm) -> None:
    mark = nm.connections.mark(LONG_S)
    attempt = nm.connections.begin(cable_profile(str(uuid4()), CARD, FOUR, AUTOMATIC), nm.card().path)
    wait_for(lambda: nm.connections.is_up(attempt), "the connection")
    assert nm.on_disk() == []
    nm.connections.restore(mark)
    nm.wait_for_addresses()
    assert nm.survey().saved == ()
    assert nm.on_disk() == []
