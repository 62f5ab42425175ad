"""The newest frame and when the next is due: what the live view asks for, at the right moment and not before."""

import hashlib

from appliance.domain.access import Access, Scope
from appliance.web.answers import Answer, Json
from appliance.web.api.views import CameraView, LatestView, frame_view
from appliance.web.parts import WebParts
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("GET", "/api/v1/latest", access=Access.VIEWER, style=Style.API, scope=Scope.READ, answer=LatestView)
def latest(visit: Visit) -> Answer:
    """Tell the newest frame and when the next one is expected."""
    view = latest_view(visit.parts)
    return Json(view, etag=_etag(view))


def latest_view(parts: WebParts) -> LatestView:
    """Return the newest frame, what the camera does, and when to ask again."""
    frame, camera = parts.latest.value, parts.camera.value
    expected = camera.next_expected_at
    in_s = None if expected is None else max(0.0, (expected - parts.clock.now()).total_seconds() / parts.clock.rate)
    return LatestView(frame_view(frame) if frame else None, camera_view(parts), expected, in_s)


def camera_view(parts: WebParts) -> CameraView:
    """Return what the camera does."""
    camera = parts.camera.value
    return CameraView(camera.state, camera.device, camera.message, camera.started, camera.received, camera.dropped)


def _etag(view: LatestView) -> str:
    """Return a tag that changes with the frame and with when the next is due; counters alone are no news."""
    words = (view.frame.id if view.frame else 0, view.camera.state, view.camera.message, view.next_expected_at)
    return f'"{hashlib.sha256(repr(words).encode()).hexdigest()[:20]}"'
