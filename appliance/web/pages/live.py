"""The live view: the newest picture and what the camera does next; a small script keeps it fresh."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.web.answers import Answer, Page
from appliance.web.api.latest import latest_view
from appliance.web.pages.details import details_of
from appliance.web.routes import route
from appliance.web.visit import Visit


@route("GET", "/", access=Access.VIEWER)
def live(visit: Visit) -> Answer:
    """Show the newest picture."""
    frame = visit.parts.latest.value
    zone = ZoneInfo(visit.settings.site.timezone)
    values = {
        "frame": frame,
        "details": details_of(frame, zone) if frame else (),
        "view": latest_view(visit.parts),
        "has_keogram": frame is not None and "keogram.jpg" in visit.parts.products.names(frame.night),
        "zone": zone,
        "is_public": visit.settings.web.public_page,
        "active": "live",
    }
    return Page("live", values)
