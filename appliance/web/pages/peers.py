"""Which other appliances may send here: made, given keys, bounded and shut out by an admin."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError
from appliance.domain.peer import Peer, PeerLimits
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.notices import notice
from appliance.web.pages.observatory import camera_of, peer_named
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number

_OF_ITSELF = {"localhost", "127.0.0.1", "::1"}
"""Names that lead nobody else here."""


@route("GET", "/peers", access=Access.STAFF)
def peers(visit: Visit) -> Answer:
    """List the appliances that may send here."""
    return _list(visit, "")


@route("POST", "/peers/create", access=Access.ADMIN)
def create(visit: Visit) -> Answer:
    """Let another appliance send here, and show its key, once."""
    try:
        peer, key = visit.parts.peer_gate.make(visit.form.get("name", ""), _limits(visit.form))
    except InputError as error:
        return _list(visit, str(error))
    visit.note("peer added", f"{peer.name} ({peer.id})")
    return _key_page(visit, peer, key, is_new=True)


@route("GET", "/peers/<peer>", access=Access.ADMIN)
def edit(visit: Visit) -> Answer:
    """Show what an admin can do with one of them."""
    return _edit(visit, peer_named(visit), "")


@route("POST", "/peers/<peer>/limits", access=Access.ADMIN)
def limits(visit: Visit) -> Answer:
    """Change what is kept of it."""
    peer = peer_named(visit)
    try:
        wanted = _limits(visit.form)
    except InputError as error:
        return _edit(visit, peer, str(error))
    visit.parts.peers.set_limits(peer.id, wanted)
    visit.note("peer's limits changed", f"{peer.name} ({peer.id}): {wanted.keep_days} days, {wanted.most_mib} MiB")
    return Redirect("/peers?done=peer-limits")


@route("POST", "/peers/<peer>/rotate", access=Access.ADMIN)
def rotate(visit: Visit) -> Answer:
    """Give it another key, and show that, once."""
    peer, at_once = peer_named(visit), visit.form.get("at_once", "") == "on"
    if visit.parts.v1_gate.peers.of_peer(peer.id) is not None:
        return _edit(visit, peer, "It sends by the sync of indi-allsky: its key is made on that page.")
    key = visit.parts.peer_gate.rotate(peer.id, at_once=at_once)
    visit.note("peer's key rotated", f"{peer.name} ({peer.id}): the old key ends {'now' if at_once else 'with the first use'}")
    return _key_page(visit, peer, key, is_new=False)


@route("POST", "/peers/<peer>/revoke", access=Access.ADMIN)
def revoke(visit: Visit) -> Answer:
    """Shut it out at once; what came from it is kept or removed, as the form says."""
    peer, pictures = peer_named(visit), visit.form.get("pictures", "")
    if pictures not in {"keep", "remove"}:
        return _edit(visit, peer, "Choose what becomes of its pictures.")
    if pictures == "keep":
        visit.parts.peer_gate.revoke(peer.id)
    else:
        visit.parts.peer_gate.remove(peer.id)
        visit.parts.received.remove_peer(peer.id)
    visit.parts.v1_gate.forget(peer.id)
    visit.note("peer revoked", f"{peer.name} ({peer.id}): pictures {'kept' if pictures == 'keep' else 'removed'}")
    return Redirect(f"/peers?done=peer-{'revoked' if pictures == 'keep' else 'removed'}")


def _limits(form: Mapping[str, str]) -> PeerLimits:
    days = whole_number(form.get("keep_days", "").strip(), "Keep its nights", 0, 3650)
    return PeerLimits(days, whole_number(form.get("most_mib", "").strip(), "Keep at most", 100, 10_000_000))


def _list(visit: Visit, refused: str) -> Page:
    values = {
        "cameras": [camera_of(visit, peer) for peer in visit.parts.peers.all()],
        "limits": PeerLimits(),
        "v1": {one.peer: one for one in visit.parts.v1_gate.peers.all()},
        "refused": refused,
        "entered": visit.form if refused else {},
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "system",
    }
    return Page("peers", values, 400 if refused else 200)


def _edit(visit: Visit, peer: Peer, refused: str) -> Page:
    values = {
        "camera": camera_of(visit, peer),
        "peer": peer,
        "v1": visit.parts.v1_gate.peers.of_peer(peer.id),
        "refused": refused,
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "system",
    }
    return Page("peer_edit", values, 400 if refused else 200)


def _key_page(visit: Visit, peer: Peer, key: Secret[str], *, is_new: bool) -> Page:
    keeper = visit.parts.certificates
    values = {
        "peer": peer,
        "key": key.reveal(),
        "is_new": is_new,
        "fingerprint": keeper.fingerprint,
        "addresses": [f"https://{f'[{name}]' if ':' in name else name}" for name in keeper.names.texts if name not in _OF_ITSELF],
        "active": "system",
    }
    return Page("peer_key", values)
