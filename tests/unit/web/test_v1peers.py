"""The page of indi-allsky's sync: an admin makes such a peer, its key is shown once, and it is marked as weaker everywhere."""

import re

import pytest

from appliance.domain.peer import PeerLimits
from appliance.domain.secret import Secret
from appliance.domain.syncv1 import parse_network
from appliance.web.app import Panel
from tests.unit.web.world import Caller, World, callers

HERE = "/peers/indi-allsky"
FORM = {"name": "Garden", "user": "attic", "network": "192.168.1.20", "keep_days": "7", "most_mib": "500"}


@pytest.fixture
def admin(world: World) -> Caller:
    world.claim()
    return callers(Panel(world.parts), world)["admin"]


def key_on(page: str) -> str:
    return str(re.findall(r'id="key-text">([0-9a-f]{64})<', page)[0])


def test_a_key_is_shown_once_with_where_it_goes(world: World, admin: Caller) -> None:
    assert "Nobody." in admin.get(HERE).text
    made = admin.post(f"{HERE}/make", FORM)
    assert made.status == 200
    key = key_on(made.text)
    assert "Weaker" in made.text
    (peer,) = world.parts.peers.all()
    assert (peer.name, peer.limits) == ("Garden", PeerLimits(7, 500))
    v1 = world.parts.v1_gate.peers.of_peer(peer.id)
    assert v1 is not None
    assert (v1.user, str(v1.network)) == ("attic", "192.168.1.20/32")
    entry = world.parts.audit.page(limit=1)[0]
    assert (entry.action, key in entry.detail) == ("indi-allsky peer added", False)
    for page in (HERE, "/peers", f"/peers/{peer.id}"):
        text = admin.get(page).text
        assert "weaker" in text
        assert key not in text
    assert "protects less" in admin.get("/peers").text


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("user", "a:b"), ("user", ""), ("network", "0.0.0.0/0"), ("network", ""), ("network", "sky.example"),
     ("keep_days", "x"), ("most_mib", "1")],
)  # fmt: skip
def test_what_cannot_be_used_makes_nothing(world: World, admin: Caller, field: str, value: str) -> None:
    assert admin.post(f"{HERE}/make", {**FORM, field: value}).status == 400
    assert world.parts.peers.all() == ()
    assert world.parts.v1_gate.peers.all() == ()


def test_another_key_ends_the_first_and_shutting_out_forgets_it(world: World, admin: Caller) -> None:
    first = key_on(admin.post(f"{HERE}/make", FORM).text)
    (peer,) = world.parts.peers.all()
    again = admin.post(f"{HERE}/{peer.id}/key")
    assert key_on(again.text) != first
    assert world.parts.audit.page(limit=1)[0].action == "indi-allsky peer's key changed"
    assert len([name for name in world.parts.credentials.names() if name.startswith("peer.")]) == 1
    refused = admin.post(f"/peers/{peer.id}/rotate")
    assert (refused.status, "made on that page" in refused.text) == (400, True)
    assert admin.post(f"/peers/{peer.id}/revoke", {"pictures": "keep"}).status == 303
    assert world.parts.credentials.names() == ()
    assert not world.parts.v1_gate.peers.is_any()
    assert admin.post(f"{HERE}/{peer.id}/key").status == 404
    assert isinstance(world.parts.v1_gate.make("Barn", "attic", parse_network("192.168.1.20"), PeerLimits())[1], Secret)
