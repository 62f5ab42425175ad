"""The observatory: what other appliances have sent, seen by whoever may see this appliance's own pictures."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.night import NightId
from appliance.domain.peer import Peer, PeerNight, Received, ThingKind
from appliance.web.answers import Answer, Media, NotFoundError, Page
from appliance.web.pages.details import details_of_numbers
from appliance.web.pages.files import night_named
from appliance.web.routes import Style, route
from appliance.web.visit import Visit, whole_number

FRAMES_A_PAGE = 60
NIGHTS_A_PAGE = 60
_KEEP_S = 300
_TYPES = {ThingKind.FRAME: "image/jpeg", ThingKind.PRODUCT: "image/jpeg", ThingKind.FILM: "video/mp4"}
FILMS = {"night": "Film of the night", "day": "Film of the day", "startrail": "Film of the star trails"}


@dataclass(frozen=True, slots=True)
class Camera:
    """One peer as the observatory shows it."""

    peer: Peer
    latest: Received | None
    nights: int
    frames: int
    bytes: int


def camera_of(visit: Visit, peer: Peer) -> Camera:
    """Return what there is of a peer."""
    nights = visit.parts.received.nights(peer.id)
    latest = visit.parts.received.latest(peer.id)
    return Camera(peer, latest, len(nights), sum(night.frames for night in nights), sum(night.bytes for night in nights))


@route("GET", "/observatory", access=Access.VIEWER)
def observatory(visit: Visit) -> Answer:
    """Show the latest picture of every other camera."""
    cameras = [camera_of(visit, peer) for peer in visit.parts.peers.all()]
    return Page("observatory", {"cameras": cameras, "is_staff": visit.visitor.level >= Access.STAFF, **_common(visit)})


@route("GET", "/observatory/<peer>", access=Access.VIEWER)
def peer_page(visit: Visit) -> Answer:
    """Show the nights of another camera."""
    peer = peer_named(visit)
    everything = visit.parts.received.nights(peer.id)
    page = whole_number(visit.query.get("page", "1"), "page", 1, 10_000)
    shown = everything[(page - 1) * NIGHTS_A_PAGE : page * NIGHTS_A_PAGE]
    values = {
        "camera": camera_of(visit, peer),
        "peer": peer,
        "nights": shown,
        "covers": {night.night: _cover(visit, night) for night in shown},
        "page": page,
        "has_more": len(everything) > page * NIGHTS_A_PAGE,
    }
    return Page("peer", {**values, **_common(visit)})


@route("GET", "/observatory/<peer>/<night>", access=Access.VIEWER)
def peer_night(visit: Visit) -> Answer:
    """Show a night of another camera: keogram, star trail, films and frames, newest first."""
    peer, night = peer_named(visit), night_named(visit.args["night"])
    before = visit.query.get("before")
    before_number = None if before is None else whole_number(before, "before", 1, 10**18)
    everything = visit.parts.received.nights(peer.id)
    summary = next((one for one in everything if one.night == night), None)
    if summary is None:
        raise NotFoundError("Nothing of this night is kept.")
    frames = visit.parts.received.frames_of(peer.id, night, FRAMES_A_PAGE + 1, before_number)
    values = {
        "peer": peer,
        "night": night,
        "summary": summary,
        "frames": frames[:FRAMES_A_PAGE],
        "next_before": frames[FRAMES_A_PAGE - 1].key.number if len(frames) > FRAMES_A_PAGE else None,
        "is_first_page": before_number is None,
        "products": {one.key.name: one for one in _products(visit, peer, night, ThingKind.PRODUCT)},
        "films": [(FILMS[one.key.name], one) for one in _products(visit, peer, night, ThingKind.FILM)],
        "earlier": max((one.night for one in everything if one.night < night), default=None),
        "later": min((one.night for one in everything if one.night > night), default=None),
    }
    return Page("peer_night", {**values, **_common(visit)})


@route("GET", "/observatory/<peer>/<night>/<number>", access=Access.VIEWER)
def peer_frame(visit: Visit) -> Answer:
    """Show one frame of another camera, with its numbers."""
    peer, night = peer_named(visit), night_named(visit.args["night"])
    number = whole_number(visit.args["number"], "number", 1, 10**18)
    found = visit.parts.received.frames_of(peer.id, night, 2, number + 1)
    if not found or found[0].key.number != number or found[0].numbers is None:
        raise NotFoundError("There is no such frame. Its night may have been removed to make room.")
    frame = found[0]
    zone = ZoneInfo(visit.settings.site.timezone)
    values = {
        "peer": peer,
        "night": night,
        "frame": frame,
        "details": details_of_numbers(found[0].numbers, zone),
        "older": found[1] if len(found) > 1 else None,
        "newer": visit.parts.received.frame_after(frame),
    }
    return Page("peer_frame", {**values, **_common(visit)})


@route("GET", "/media/peers/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def peer_media(visit: Visit) -> Answer:
    """Send a picture, keogram, star trail or film of another camera."""
    thing = _received(visit)
    download = f"nightjar-{thing.peer}-{thing.key.night}-{thing.key.name}.jpg" if "download" in visit.query else ""
    return Media(visit.parts.folder.path_of(thing.path), _TYPES[thing.key.kind], 0, download)


@route("GET", "/media/peers/thumbs/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def peer_thumb(visit: Visit) -> Answer:
    """Send the thumbnail of a frame of another camera."""
    thing = _received(visit)
    if not thing.thumb_path:
        raise NotFoundError("There is no such thumbnail.")
    return Media(visit.parts.folder.path_of(thing.thumb_path), _TYPES[ThingKind.FRAME], _KEEP_S)


def peer_named(visit: Visit) -> Peer:
    """Return the peer of a path; NotFoundError if there is none."""
    peer = visit.parts.peers.get(visit.args["peer"])
    if peer is None:
        raise NotFoundError("There is no such camera; it may have been removed.")
    return peer


def _products(visit: Visit, peer: Peer, night: NightId, kind: ThingKind) -> list[Received]:
    return [one for one in visit.parts.received.products_of(peer.id, night) if one.key.kind is kind]


def _cover(visit: Visit, night: PeerNight) -> Received | None:
    found = visit.parts.received.frames_of(night.peer, night.night, 1)
    return found[0] if found else None


def _received(visit: Visit) -> Received:
    text = visit.args["name"].partition(".")[0]
    is_number = text.isascii() and text.isdigit() and len(text) <= 18
    found = visit.parts.received.get(int(text)) if is_number else None
    if found is None:
        raise NotFoundError("This is not here any more. Its night may have been removed to make room.")
    return found


def _common(visit: Visit) -> dict[str, object]:
    return {"zone": ZoneInfo(visit.settings.site.timezone), "active": "nights"}
