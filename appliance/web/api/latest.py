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
    frame = parts.latest.value
    return LatestView(
        frame_view(frame) if frame else None, camera_view(parts), parts.camera.value.next_expected_at, next_expected_in_s(parts)
    )


def next_expected_in_s(parts: WebParts) -> float | None:
    """Return in how many seconds of this world the next picture is due; 0 if it is late, None if nobody knows."""
    expected = parts.camera.value.next_expected_at
    return None if expected is None else max(0.0, (expected - parts.clock.now()).total_seconds() / parts.clock.rate)


def camera_view(parts: WebParts) -> CameraView:
    """Return what the camera does."""
    camera = parts.camera.value
    return CameraView(camera.state, camera.device, camera.message, camera.started, camera.received, camera.dropped)


def _etag(view: LatestView) -> str:
    """Return a tag that changes with the frame and with when the next is due; counters alone are no news."""
    words = (view.frame.id if view.frame else 0, view.camera.state, view.camera.message, view.next_expected_at)
    return f'"{hashlib.sha256(repr(words).encode()).hexdigest()[:20]}"'
