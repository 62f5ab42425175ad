"""The machine's sensors for programs: the latest reading, and those that are kept."""

from appliance.domain.access import Access, Scope
from appliance.web.answers import Answer, Json
from appliance.web.api.views import ReadingsView, SensorsView
from appliance.web.routes import Parameter, Style, route
from appliance.web.visit import Visit, whole_number

_LARGEST_ID = 10**18
_LARGEST_PAGE = 999
_PARAMETERS = (
    Parameter("before", {"type": "integer", "minimum": 1, "maximum": _LARGEST_ID}, "Only readings with a smaller id."),
    Parameter("limit", {"type": "integer", "minimum": 1, "maximum": _LARGEST_PAGE}, "At most so many."),
)


@route("GET", "/api/v1/sensors", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=SensorsView)
def sensors(visit: Visit) -> Answer:
    """Tell heat, supply, load, memory, disk and network of the machine; null is what it does not tell."""
    return Json(SensorsView(visit.parts.readings.value))


@route(
    "GET", "/api/v1/sensors/readings", access=Access.STAFF, style=Style.API, scope=Scope.READ,
    parameters=_PARAMETERS, answer=ReadingsView,
)  # fmt: skip
def readings(visit: Visit) -> Answer:
    """List the readings that are kept, newest first: one a minute, after two days one of ten."""
    limit = whole_number(visit.query.get("limit", "100"), "limit", 1, _LARGEST_PAGE)
    before = visit.query.get("before")
    before_id = None if before is None else whole_number(before, "before", 1, _LARGEST_ID)
    found = visit.parts.reading_store.page(limit + 1, before_id)
    following = found[limit - 1].id if len(found) > limit else None
    return Json(ReadingsView(tuple(found[:limit]), following))
