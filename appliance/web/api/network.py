"""The network for programs: what is heard and how far a change is; changes are made in the panel, by people who watch them."""

from appliance.domain.access import Access, Scope
from appliance.web.answers import Answer, Json
from appliance.web.api.views import HeardView, NetworkView
from appliance.web.networkacts import phase
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("GET", "/api/v1/network", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=NetworkView)
def network(visit: Visit) -> Answer:
    """Return the Wi-Fi networks that are heard, and how far a change of the network is."""
    situation = visit.parts.network_situation.value
    return Json(
        NetworkView(
            phase=phase(visit).value,
            change=situation.change,
            left_s=situation.left_s,
            message=situation.message,
            is_own_wifi_open=situation.point is not None,
            wifi=tuple(HeardView(one.name, one.security.value, one.signal_percent, one.bands) for one in situation.heard),
            unavailable=situation.unavailable,
        )
    )
