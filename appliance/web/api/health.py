"""The one word that anybody may ask for: whether it is well."""

from appliance.domain.access import Access
from appliance.web.answers import Answer, Json
from appliance.web.api.views import HealthView
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("GET", "/healthz", access=Access.ANYONE, style=Style.API, when_unclaimed=True, answer=HealthView)
def health(visit: Visit) -> Answer:
    """Tell the state in one word."""
    return Json(HealthView(visit.parts.board.status))
