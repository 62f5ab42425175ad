"""What another appliance may ask: who is there, how far a thing has come, and to take its bytes. Every request is signed.

The metadata of a thing comes in the header `Nightjar-Metadata`, so that the head alone proves what the body may be.
"""

from appliance.domain.access import Access
from appliance.domain.errors import InputError
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, Peer, ThingKind, parse_metadata
from appliance.web.answers import Answer, Json, NotFoundError
from appliance.web.api.views import ArrivalView, ReceiverView
from appliance.web.peergate import CHUNK_BYTES
from appliance.web.receiving import Arrival
from appliance.web.routes import Parameter, Style, route
from appliance.web.visit import Visit, whole_number

THING = "/api/v1/sync/<kind>/<night>/<name>"
_OFFSET = Parameter(
    "offset", {"type": "integer", "minimum": 0, "maximum": 1 << 30}, "Where in the thing the body belongs; 0 if left out."
)


@route("GET", "/api/v1/sync", access=Access.PEER, style=Style.API, answer=ReceiverView)
def hello(visit: Visit) -> Answer:
    """Say who receives, and what it takes."""
    peer = _peer(visit)
    visit.parts.peers.note_told(peer.id, visit.metadata)
    return Json(ReceiverView(visit.settings.site.name, visit.parts.version, peer.name, CHUNK_BYTES))


@route("GET", THING, access=Access.PEER, style=Style.API, answer=ArrivalView)
def look(visit: Visit) -> Answer:
    """Say how many bytes of a thing are here."""
    return _answer(visit.parts.receiver.look(_peer(visit), _announced(visit)))


@route("PUT", THING, access=Access.PEER, style=Style.API, parameters=(_OFFSET,), answer=ArrivalView)
def take(visit: Visit) -> Answer:
    """Take bytes of a thing, and store it with the last of them; where they do not go on, say where to."""
    offset = whole_number(visit.query.get("offset", "0"), "offset", 0, 1 << 30)
    arrival = visit.parts.receiver.take(_peer(visit), _announced(visit), offset, visit.body)
    goes_on = arrival.is_stored or arrival.have == offset + len(visit.body)
    return _answer(arrival, 200 if goes_on else 409)


def _answer(arrival: Arrival, status: int = 200) -> Json:
    return Json(ArrivalView("stored" if arrival.is_stored else "arriving", arrival.have, arrival.is_new), status)


def _peer(visit: Visit) -> Peer:
    if visit.visitor.peer is None:
        raise ValueError("a route of peers was opened to somebody else")
    return visit.visitor.peer


def _announced(visit: Visit) -> Announced:
    try:
        kind, night = ThingKind(visit.args["kind"]), NightId(visit.args["night"])
        key = Key(kind, night, visit.args["name"])
    except (ValueError, InputError) as error:
        raise NotFoundError("No such thing can be sent here.") from error
    return parse_metadata(key, visit.metadata)
