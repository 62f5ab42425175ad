"""Peers that speak indi-allsky's SyncAPI v1: an admin makes them, each with its user, its address and a key shown once."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError
from appliance.domain.peer import PeerLimits
from appliance.domain.syncv1 import FOLDER, WEAKER, V1Peer, parse_network
from appliance.web.answers import Answer, NotFoundError, Page
from appliance.web.notices import notice
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number

HERE = "/peers/indi-allsky"


@route("GET", HERE, access=Access.ADMIN)
def v1_peers(visit: Visit) -> Answer:
    """List every peer of that scheme, and offer to make one."""
    return _page(visit, "")


@route("POST", f"{HERE}/make", access=Access.ADMIN)
def make_v1_peer(visit: Visit) -> Answer:
    """Make a peer of that scheme and show its key, once."""
    form, gate = visit.form, visit.parts.v1_gate
    try:
        network = parse_network(form.get("network", ""))
        limits = PeerLimits(
            whole_number(form.get("keep_days", "").strip(), "Days", 0, 3650),
            whole_number(form.get("most_mib", "").strip(), "MiB", 100, 10_000_000),
        )
        peer, key = gate.make(form.get("name", ""), form.get("user", ""), network, limits)
    except InputError as error:
        return _page(visit, str(error))
    made = _of_id(visit, peer.id)
    visit.note("indi-allsky peer added", f"{peer.name} ({peer.id}): user {made.user} from {network}")
    return _shown(peer.name, made, key.reveal())


@route("POST", f"{HERE}/<peer>/key", access=Access.ADMIN)
def rotate_v1_key(visit: Visit) -> Answer:
    """Give a peer of that scheme another key and show it, once; the old one ends now."""
    peer = _peer_of(visit)
    name = _name_of(visit, peer)
    key = visit.parts.v1_gate.rotate(peer)
    visit.note("indi-allsky peer's key changed", f"{name} ({peer.peer})")
    return _shown(name, peer, key.reveal())


def _peer_of(visit: Visit) -> V1Peer:
    return _of_id(visit, visit.args["peer"])


def _of_id(visit: Visit, peer_id: str) -> V1Peer:
    peer = visit.parts.v1_gate.peers.of_peer(peer_id)
    if peer is None:
        raise NotFoundError("There is no such appliance; it may have been removed.")
    return peer


def _name_of(visit: Visit, peer: V1Peer) -> str:
    found = visit.parts.peers.get(peer.peer)
    return found.name if found is not None else peer.user


def _shown(name: str, peer: V1Peer, text: str) -> Page:
    return Page("v1_key", {"name": name, "peer": peer, "text": text, "folder": FOLDER, "weaker": WEAKER, "active": "system"})


def _page(visit: Visit, refused: str) -> Page:
    peers = {peer.id: peer for peer in visit.parts.peers.all()}
    values = {
        "rows": [(peers[one.peer], one) for one in visit.parts.v1_gate.peers.all() if one.peer in peers],
        "weaker": WEAKER,
        "refused": refused,
        "entered": visit.form if refused else {},
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "system",
    }
    return Page("v1_peers", values, 400 if refused else 200)
