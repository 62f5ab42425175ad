"""USB sticks and jobs for programs."""

import json

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.domain.job import Job
from appliance.domain.stick import MOST_NIGHTS, ExportKind, Stick
from appliance.web.answers import Answer, Json, NotFoundError
from appliance.web.api.views import JobsView, JobView, SticksView, StickView
from appliance.web.parts import WebParts
from appliance.web.routes import Style, route
from appliance.web.usbacts import export, request_of_json, stop
from appliance.web.visit import Visit, whole_number

RECENT_JOBS = 20
_LARGEST_ID = 10**18
_EXPORT: dict[str, object] = {
    "type": "object",
    "properties": {
        "fs_id": {"type": "string"},
        "nights": {"type": "array", "items": {"type": "string", "format": "date"}, "maxItems": MOST_NIGHTS},
        "newest": {"type": "integer", "minimum": 0, "maximum": 100_000},
        "kinds": {"type": "array", "items": {"enum": [kind.value for kind in ExportKind]}, "maxItems": 10},
    },
    "required": ["fs_id"],
    "additionalProperties": False,
}


def job_view(job: Job) -> JobView:
    """Return a job as the API tells it."""
    return JobView(job.id, job.kind, job.state.value, job.done, job.total, job.unit, job.eta_s, job.message)


def jobs_view(parts: WebParts) -> JobsView:
    """Return the latest jobs."""
    return JobsView(tuple(job_view(job) for job in parts.jobs.recent(RECENT_JOBS)))


def _stick_view(stick: Stick) -> StickView:
    return StickView(
        fs_id=stick.fs_id,
        label=stick.label,
        fs_type=stick.fs_type,
        model=stick.model,
        size_bytes=stick.size_bytes,
        free_bytes=stick.free_bytes,
        state=stick.state.value,
        reason=stick.reason,
        is_confirmed=stick.is_confirmed,
        job_id=stick.job_id,
        is_safe_to_remove=stick.is_safe_to_remove,
        bundle_bytes=stick.bundle_bytes,
    )


@route("GET", "/api/v1/usb", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=SticksView)
def sticks(visit: Visit) -> Answer:
    """List the USB sticks that are plugged in, and those that were just let go."""
    return Json(SticksView(tuple(_stick_view(stick) for stick in visit.parts.sticks.value)))


@route("POST", "/api/v1/usb/export", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView, body=_EXPORT)
def order(visit: Visit) -> Answer:
    """Copy nights to a stick that is plugged in; every night and kind where none is named."""
    try:
        tree = json.loads(visit.body)
    except (ValueError, RecursionError) as error:
        raise InputError("The body must be JSON.") from error
    return Json(job_view(export(visit, request_of_json(visit, tree))), 202)


@route("GET", "/api/v1/jobs", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=JobsView)
def jobs(visit: Visit) -> Answer:
    """List the latest long works, newest first."""
    return Json(jobs_view(visit.parts))


@route("GET", "/api/v1/jobs/<number>", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=JobView)
def job(visit: Visit) -> Answer:
    """Tell how far a long work is."""
    return Json(_view_of(visit, whole_number(visit.args["number"], "job", 1, _LARGEST_ID)))


@route("POST", "/api/v1/jobs/<number>/stop", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView)
def stop_job(visit: Visit) -> Answer:
    """Ask for the end of a long work; what is done of it stays."""
    number = whole_number(visit.args["number"], "job", 1, _LARGEST_ID)
    stop(visit, number)
    return Json(_view_of(visit, number), 202)


def _view_of(visit: Visit, number: int) -> JobView:
    found = visit.parts.jobs.get(number)
    if found is None:
        raise NotFoundError("There is no such job.")
    return job_view(found)
