"""The system page: every thread, queue and number that tells how the appliance is, and the camera's few commands."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.commands import CameraCommand, PauseCapture, ReconnectCamera, ResumeCapture
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.api.system import system_view
from appliance.web.notices import notice
from appliance.web.routes import route
from appliance.web.visit import Visit


@route("GET", "/system", access=Access.STAFF)
def system(visit: Visit) -> Answer:
    """Show how the appliance is."""
    view = system_view(visit.parts)
    values = {
        "view": view,
        "camera": visit.parts.camera.value,
        "used_share": 1 - view.disk_free_bytes / max(1, view.disk_total_bytes),
        "nights": len(visit.parts.frames.nights()),
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "system",
    }
    return Page("system", values)


@route("POST", "/system/pause", access=Access.ADMIN)
def pause(visit: Visit) -> Answer:
    """Take no more frames until told otherwise."""
    return _command(visit, PauseCapture(), "capture paused", "paused")


@route("POST", "/system/resume", access=Access.ADMIN)
def resume(visit: Visit) -> Answer:
    """Take frames again."""
    return _command(visit, ResumeCapture(), "capture resumed", "resumed")


@route("POST", "/system/reconnect", access=Access.ADMIN)
def reconnect(visit: Visit) -> Answer:
    """Look for the camera anew."""
    return _command(visit, ReconnectCamera(), "camera reconnected", "reconnecting")


def _command(visit: Visit, command: CameraCommand, action: str, done: str) -> Redirect:
    visit.parts.camera_commands.put(command)
    visit.note(action)
    return Redirect(f"/system?done={done}")
