"""Nights and frames: the list of nights, a night with its products and charts, one frame."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.frame import StoredFrame
from appliance.domain.night import night_of
from appliance.store.frames import NightSummary
from appliance.web.answers import Answer, Content, NotFoundError, Page, Redirect
from appliance.web.charts import CHARTS, draw
from appliance.web.pages.details import details_of
from appliance.web.pages.files import frame_named, night_named
from appliance.web.routes import Style, route
from appliance.web.visit import Visit, whole_number

FRAMES_A_PAGE = 60
NIGHTS_A_PAGE = 60


@route("GET", "/nights", access=Access.VIEWER)
def nights(visit: Visit) -> Answer:
    """Show every night that is kept."""
    everything = visit.parts.frames.nights()
    page = whole_number(visit.query.get("page", "1"), "page", 1, 10_000)
    shown = everything[(page - 1) * NIGHTS_A_PAGE : page * NIGHTS_A_PAGE]
    covers = {summary.night: _cover(visit, summary) for summary in shown}
    values = {
        "nights": shown,
        "covers": covers,
        "page": page,
        "has_more": len(everything) > page * NIGHTS_A_PAGE,
        "total_bytes": sum(summary.bytes for summary in everything),
        "total_frames": sum(summary.frames for summary in everything),
        "count": len(everything),
        "has_peers": bool(visit.parts.peers.all()),
        "zone": _zone(visit),
        "active": "nights",
    }
    return Page("nights", values)


@route("GET", "/tonight", access=Access.VIEWER)
def tonight(visit: Visit) -> Answer:
    """Lead to the night that is now, or to the latest one with frames."""
    latest = visit.parts.latest.value
    night = latest.night if latest else night_of(visit.parts.clock.now(), _zone(visit))
    return Redirect(f"/nights/{night}")


@route("GET", "/nights/<night>", access=Access.VIEWER)
def night_page(visit: Visit) -> Answer:
    """Show a night: keogram, star trail, charts and its frames, newest first."""
    night = night_named(visit.args["night"])
    before = visit.query.get("before")
    before_id = None if before is None else whole_number(before, "before", 1, 10**18)
    everything = visit.parts.frames.nights()
    summary = next((one for one in everything if one.night == night), None)
    if summary is None:
        latest = visit.parts.latest.value
        if latest is not None or everything:
            raise NotFoundError("No frames of this night are kept.")
    frames = visit.parts.frames.of_night(night, FRAMES_A_PAGE + 1, before_id)
    values = {
        "night": night,
        "summary": summary,
        "frames": frames[:FRAMES_A_PAGE],
        "next_before": frames[FRAMES_A_PAGE - 1].id if len(frames) > FRAMES_A_PAGE else None,
        "is_first_page": before_id is None,
        "products": visit.parts.products.names(night),
        "earlier": max((one.night for one in everything if one.night < night), default=None),
        "later": min((one.night for one in everything if one.night > night), default=None),
        "charts": tuple(CHARTS.values()),
        "zone": _zone(visit),
        "active": "nights",
    }
    return Page("night", values)


@route("GET", "/nights/<night>/charts/<name>", access=Access.VIEWER, style=Style.MEDIA, scope=Scope.READ)
def chart(visit: Visit) -> Answer:
    """Draw one chart of a night."""
    night = night_named(visit.args["night"])
    spec = CHARTS.get(visit.args["name"].removesuffix(".svg"))
    if spec is None:
        raise NotFoundError("There is no such chart.")
    series, zone = visit.series.of(night), _zone(visit)
    body = draw(series, spec, zone).encode()
    return Content(body, "image/svg+xml", etag=f'"{series.last_id}-{zone.key}"', cache_control="private, no-cache")


@route("GET", "/frames/<number>", access=Access.VIEWER)
def frame_page(visit: Visit) -> Answer:
    """Show one frame."""
    frame = frame_named(visit, visit.args["number"])
    older = visit.parts.frames.of_night(frame.night, 1, frame.id)
    newer = _newer(visit, frame)
    zone = _zone(visit)
    values = {
        "frame": frame,
        "details": details_of(frame, zone),
        "older": older[0].id if older else None,
        "newer": newer,
        "zone": zone,
        "active": "nights",
    }
    return Page("frame", values)


def _zone(visit: Visit) -> ZoneInfo:
    return ZoneInfo(visit.settings.site.timezone)


def _cover(visit: Visit, summary: NightSummary) -> int | None:
    """Return the id of the frame that stands for a night, where no star trail does."""
    found = visit.parts.frames.of_night(summary.night, 1)
    return found[0].id if found else None


def _newer(visit: Visit, frame: StoredFrame) -> int | None:
    """Return the id of the next frame of the same night. Ids grow by one, with gaps only where a frame was lost."""
    for number in range(frame.id + 1, frame.id + 6):
        found = visit.parts.frames.get(number)
        if found is not None:
            return found.id if found.night == frame.night else None
    return None
