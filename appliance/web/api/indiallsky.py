"""indi-allsky's SyncAPI v1, receiving: answers in the shape that its client reads, and nothing for anybody else.

It is there once an admin has made a peer that speaks it. Pictures, keograms, star trails and films of a night have their
place here; a thumbnail is made here and so let go; the rest of what that program may send is refused.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.domain.access import Access
from appliance.domain.errors import DiskFullError, InputError, RefusedError
from appliance.domain.peer import Announced, Key, ThingKind
from appliance.domain.syncv1 import V1Kind, kind_of_word
from appliance.domain.v1told import V1Thing, parse_v1_camera, parse_v1_thing
from appliance.web.answers import Answer, Json, NotFoundError, TurnedAwayError
from appliance.web.routes import Style, route
from appliance.web.v1arrivals import Arrival
from appliance.web.v1gate import PREFIX, Claim
from appliance.web.visit import Visit

log = logging.getLogger(__name__)

_CAMERA_ID = 1
"""A peer has one camera here, and its id is never asked for again."""


class _SaidNoError(Exception):
    """A request is refused with a word of the other program's."""

    def __init__(self, word: str, status: int = 400) -> None:
        super().__init__(word)
        self.status = status


@route("PUT", f"{PREFIX}<kind>", access=Access.PEER, style=Style.V1)
def put(visit: Visit) -> Answer:
    """Take a camera's name, a picture, a keogram, a star trail or a film."""
    kind = kind_of_word(visit.args["kind"])
    if kind is None or not visit.parts.v1_gate.peers.is_any():
        raise NotFoundError("There is nothing here.")
    try:
        return Json(_taken(visit, kind))
    except RefusedError as error:
        log.info("request of an indi-allsky refused: %s: %s", visit.address, error)
        return Json({"error": "authentication failed"}, 400)
    except _SaidNoError as error:
        return Json({"error": str(error)}, error.status)
    except InputError as error:
        return Json({"error": str(error)}, 400)
    except (DiskFullError, TurnedAwayError) as error:
        return Json({"error": f"no room: {error}"}, 507)


def _taken(visit: Visit, kind: V1Kind) -> dict[str, object]:
    gate = visit.parts.v1_gate
    claim = gate.claim_of(visit.authorization, visit.address)
    with _arrived(visit, claim) as arrival:
        gate.peers.use(claim.peer.peer, claim.signature, f"{kind.word} {arrival.sha256}", visit.address)
        if kind is V1Kind.CAMERA:
            camera = parse_v1_camera(arrival.metadata)
            gate.peers.set_camera(claim.peer.peer, camera.uuid)
            visit.parts.peers.note_told(claim.peer.peer, camera.name)
            return {"id": _CAMERA_ID}
        thing = parse_v1_thing(kind, arrival.metadata)
        if thing.size != arrival.size:
            raise RefusedError("the media are of another size than announced")
        if thing.camera != claim.peer.camera:
            raise _SaidNoError("camera not found")
        if kind is V1Kind.THUMBNAIL:
            return {"id": thing.made_s, "url": ""}
        if thing.key is None:
            raise _SaidNoError("this kind is not kept here")
        return _stored(visit, claim, thing, thing.key, arrival)


def _stored(visit: Visit, claim: Claim, thing: V1Thing, key: Key, arrival: Arrival) -> dict[str, object]:
    """Store what has its place; what is there already stays, and a picture is never replaced."""
    received, peer = visit.parts.received, visit.parts.peers.get(claim.peer.peer)
    if peer is None:
        raise RefusedError("this appliance was removed here")
    found = received.find(peer.id, key)
    if found is not None and found.sha256 != arrival.sha256 and key.kind is ThingKind.FRAME:
        raise _SaidNoError("file_exists")
    if found is None or found.sha256 != arrival.sha256:
        if not 0 < arrival.size <= key.kind.largest_bytes:
            raise InputError("The media are empty or too large.")
        visit.parts.receiver.take_file(peer, Announced(key, arrival.size, arrival.sha256, thing.numbers), arrival.name)
        found = received.find(peer.id, key)
    return {"id": found.id if found is not None else 0, "url": ""}


@contextmanager
def _arrived(visit: Visit, claim: Claim) -> Iterator[Arrival]:
    """Yield a form that has come whole, so that its signature was found right when its media began.

    The front has put a large one into a file already; looking at the signature once more would refuse what took long.
    """
    gate = visit.parts.v1_gate
    if visit.sunk:
        sunk = gate.arrivals.of_token(visit.sunk)
        if sunk is None:
            raise InputError("what came has been let go")
        yield sunk  # the front lets go of it
        return
    arrival = gate.begin(claim, visit.content_type)
    try:
        arrival.feed(visit.body)
        arrival.finish()
        yield arrival
    finally:
        arrival.discard()
