"""A whole night as one ZIP."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.web.answers import Answer, NotFoundError, Stream
from appliance.web.pages.files import night_named
from appliance.web.routes import Style, route
from appliance.web.visit import Visit
from appliance.web.zipstream import Archive, Member, member

_PAGE = 1000


@route("GET", "/nights/<night>/night.zip", access=Access.STAFF, style=Style.MEDIA, scope=Scope.READ)
def night_zip(visit: Visit) -> Answer:
    """Send every picture and product of a night, made into a ZIP on the way."""
    night = night_named(visit.args["night"])
    archive = Archive(_members(visit, night))
    if not archive.members:
        raise NotFoundError("No frames of this night are kept.")
    return Stream(
        length=archive.length,
        pieces=lambda first, last: visit.downloads.begin(archive.pieces(first, last)),
        content_type="application/zip",
        download_name=f"nightjar-{night}.zip",
        etag=archive.etag,
    )


def _members(visit: Visit, night: NightId) -> tuple[Member, ...]:
    """Return products, then pictures in the order of their taking; what has no file is left out."""
    parts, zone = visit.parts, ZoneInfo(visit.settings.site.timezone)
    found = [member(f"{night}/products/{name}", str(parts.products.path(night, name))) for name in parts.products.names(night)]
    for frame in reversed(_frames(visit, night)):
        path = parts.folder.path_of(frame.picture_name)
        name = f"{night}/frames/{frame.started_at:%H}/{path.name}"
        found.append(member(name, str(path), frame.started_at.astimezone(zone)))
    return tuple(one for one in found if one is not None)


def _frames(visit: Visit, night: NightId) -> list[StoredFrame]:
    """Return a night's frames, newest first."""
    frames: list[StoredFrame] = []
    while page := visit.parts.frames.of_night(night, _PAGE, frames[-1].id if frames else None):
        frames += page
    return frames
