"""Static files, pictures and products: what pages are made of, each behind its level."""

from appliance.domain.access import Access, Scope
from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.web.answers import Answer, Content, Media, NotFoundError
from appliance.web.publication import PRODUCT_TYPES
from appliance.web.render import STATIC
from appliance.web.routes import Style, route
from appliance.web.visit import Visit

_KEEP_S = 300
"""A frame never changes under its id; short all the same, so that a level that was taken holds soon."""
_JPEG = "image/jpeg"


@route("GET", "/static/<name>", access=Access.ANYONE, style=Style.MEDIA, when_unclaimed=True)
def static(visit: Visit) -> Answer:
    """Send a stylesheet, script or drawing of ours."""
    found = STATIC.get(visit.args["name"])
    if found is None:
        raise NotFoundError("There is no such file.")
    is_named = visit.query.get("v") == found.version
    cache = "public, max-age=31536000, immutable" if is_named else "no-cache"
    return Content(found.body, found.content_type, etag=f'"{found.version}"', cache_control=cache)


@route("GET", "/media/frames/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def picture(visit: Visit) -> Answer:
    """Send the picture of a frame."""
    frame = frame_named(visit, visit.args["name"].removesuffix(".jpg"))
    download = f"nightjar-{frame.started_at:%Y%m%dT%H%M%SZ}.jpg" if "download" in visit.query else ""
    return Media(visit.parts.folder.path_of(frame.picture_name), _JPEG, _KEEP_S, download)


@route("GET", "/media/thumbs/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def thumbnail(visit: Visit) -> Answer:
    """Send the thumbnail of a frame."""
    frame = frame_named(visit, visit.args["name"].removesuffix(".jpg"))
    return Media(visit.parts.folder.path_of(frame.thumb_name), _JPEG, _KEEP_S)


@route("GET", "/media/nights/<night>/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def product(visit: Visit) -> Answer:
    """Send a keogram, a star trail or a film of a night."""
    name = visit.args["name"]
    if name not in PRODUCT_TYPES:
        raise NotFoundError("A night has no such product.")
    return Media(visit.parts.products.path(night_named(visit.args["night"]), name), PRODUCT_TYPES[name], 0)


def night_named(untrusted: str) -> NightId:
    """Return the night of a path; NotFoundError if it is written another way."""
    try:
        return NightId(untrusted)
    except ValueError as error:
        raise NotFoundError("There is no such night.") from error


def frame_named(visit: Visit, untrusted_id: str) -> StoredFrame:
    """Return the frame of a path; NotFoundError if there is none."""
    is_number = untrusted_id.isascii() and untrusted_id.isdigit() and len(untrusted_id) <= 18
    frame = visit.parts.frames.get(int(untrusted_id)) if is_number else None
    if frame is None:
        raise NotFoundError("There is no such frame. Its night may have been removed to make room.")
    return frame
