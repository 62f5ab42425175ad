"""What programs may ask of the camera."""

from appliance.domain.access import Access, Scope
from appliance.domain.commands import PauseCapture, ReconnectCamera, ResumeCapture
from appliance.web.answers import Answer, Json
from appliance.web.api.views import CommandView
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


@route("POST", "/api/v1/camera/pause", access=Access.ADMIN, style=Style.API, scope=Scope.WRITE, answer=CommandView)
def pause(visit: Visit) -> Answer:
    """Take no more frames until told otherwise."""
    visit.parts.camera_commands.put(PauseCapture())
    visit.note("capture paused")
    return Json(CommandView("pause"), 202)


@route("POST", "/api/v1/camera/resume", access=Access.ADMIN, style=Style.API, scope=Scope.WRITE, answer=CommandView)
def resume(visit: Visit) -> Answer:
    """Take frames again."""
    visit.parts.camera_commands.put(ResumeCapture())
    visit.note("capture resumed")
    return Json(CommandView("resume"), 202)


@route("POST", "/api/v1/camera/reconnect", access=Access.ADMIN, style=Style.API, scope=Scope.WRITE, answer=CommandView)
def reconnect(visit: Visit) -> Answer:
    """Look for the camera anew."""
    visit.parts.camera_commands.put(ReconnectCamera())
    visit.note("camera reconnected")
    return Json(CommandView("reconnect"), 202)
