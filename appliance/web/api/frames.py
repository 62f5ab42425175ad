"""Frames, nights and numbers for programs."""

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.web.answers import Answer, Json
from appliance.web.api.views import FramesView, MeasurementsView, NightsView, NightView, frame_view, measurement_view
from appliance.web.routes import Parameter, Style, route
from appliance.web.visit import Visit, whole_number

_LARGEST_ID = 10**18
_NIGHT = Parameter("night", {"type": "string", "format": "date"}, "Date of the evening; the latest night if left out.")
_BEFORE = Parameter("before", {"type": "integer", "minimum": 1, "maximum": _LARGEST_ID}, "Only frames with a smaller id.")


def _limit(largest: int) -> Parameter:
    return Parameter("limit", {"type": "integer", "minimum": 1, "maximum": largest}, "At most so many.")


@route(
    "GET", "/api/v1/frames", access=Access.VIEWER, style=Style.API, scope=Scope.READ,
    parameters=(_NIGHT, _BEFORE, _limit(200)), answer=FramesView,
)  # fmt: skip
def frames(visit: Visit) -> Answer:
    """List frames of a night, newest first."""
    night, found, following = _page(visit, 200)
    return Json(FramesView(night, tuple(frame_view(frame) for frame in found), following))


@route(
    "GET", "/api/v1/measurements", access=Access.VIEWER, style=Style.API, scope=Scope.READ,
    parameters=(_NIGHT, _BEFORE, _limit(999)), answer=MeasurementsView,
)  # fmt: skip
def measurements(visit: Visit) -> Answer:
    """List the numbers of a night's frames, newest first."""
    night, found, following = _page(visit, 999)
    return Json(MeasurementsView(night, tuple(measurement_view(frame) for frame in found), following))


@route("GET", "/api/v1/nights", access=Access.VIEWER, style=Style.API, scope=Scope.READ, answer=NightsView)
def nights(visit: Visit) -> Answer:
    """List every night that is kept, newest first."""
    products = visit.parts.products
    return Json(
        NightsView(
            tuple(
                NightView(one.night.text, one.frames, one.bytes, one.first_at, one.last_at, products.names(one.night))
                for one in visit.parts.frames.nights()
            )
        )
    )


def _page(visit: Visit, largest: int) -> tuple[str, list[StoredFrame], int | None]:
    """Return the night, a page of its frames, and where the next page begins."""
    limit = whole_number(visit.query.get("limit", str(min(100, largest))), "limit", 1, largest)
    before = visit.query.get("before")
    before_id = None if before is None else whole_number(before, "before", 1, _LARGEST_ID)
    night = _night(visit)
    if night is None:
        return "", [], None
    found = visit.parts.frames.of_night(night, limit + 1, before_id)
    following = found[limit - 1].id if len(found) > limit else None
    return night.text, found[:limit], following


def _night(visit: Visit) -> NightId | None:
    wanted = visit.query.get("night")
    if wanted is None:
        latest = visit.parts.latest.value
        return latest.night if latest else None
    try:
        return NightId(wanted)
    except ValueError as error:
        raise InputError("A night is written like 2026-01-31.") from error
