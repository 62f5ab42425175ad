"""Updates for programs: what runs, a bundle brought in chunks, its installation, the restart after it."""

import json

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.domain.update import LARGEST_BUNDLE, SMALLEST_BUNDLE
from appliance.web.answers import Answer, Json
from appliance.web.api.updateviews import (
    ArrivingView,
    HalfView,
    UpdateView,
    arriving_view,
    bundle_view,
    channel_view,
    past_view,
    refused_view,
)
from appliance.web.api.usb import job_view
from appliance.web.api.views import JobView
from appliance.web.routes import Parameter, Style, route
from appliance.web.updateacts import (
    announce,
    channel_state,
    check_channel,
    fetch,
    give_up,
    install,
    newest_job,
    restart,
    start_other,
    take,
    take_from_stick,
)
from appliance.web.updategate import CHUNK_BYTES, UPLOAD
from appliance.web.visit import Visit, whole_number

HERE = "/api/v1/update"
_OFFSET = Parameter(
    "offset", {"type": "integer", "minimum": 0, "maximum": LARGEST_BUNDLE}, "Where in the bundle the body belongs; 0 if left out."
)
_SHA256: dict[str, object] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def update_view(visit: Visit) -> UpdateView:
    """Return what is known of updates."""
    parts = visit.parts
    updater, bundles, records = parts.update.updater.value, parts.update.bundles, parts.update.records.read()
    plan, arriving, bundle, refused = bundles.plan(), bundles.arriving(), bundles.bundle(), bundles.refused()
    job, system = newest_job(parts), visit.machine.slots.value
    return UpdateView(
        version=parts.version,
        unavailable=updater.unavailable,
        halves=tuple(HalfView(one.name, one.is_booted, one.is_good, one.version) for one in (system.slots if system else ())),
        is_on_trial=records.trial is not None and records.trial.version == parts.version,
        is_restart_due=updater.is_restart_due,
        restart_at=plan.due_at if plan else None,
        arriving=arriving_view(arriving, CHUNK_BYTES) if arriving else None,
        bundle=bundle_view(bundle) if bundle else None,
        refused=refused_view(refused) if refused else None,
        channel=channel_view(channel) if (channel := channel_state(visit)) else None,
        job=job_view(job) if job else None,
        history=tuple(past_view(past) for past in records.history),
        not_offered=records.bad,
    )


def _taking(properties: dict[str, dict[str, object]]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _body(visit: Visit, fields: dict[str, type]) -> dict[str, object]:
    """Return an object with exactly these fields."""
    try:
        tree = json.loads(visit.body)
    except (ValueError, RecursionError) as error:
        raise InputError("The body must be JSON.") from error
    if not isinstance(tree, dict) or {name: type(value) for name, value in tree.items()} != fields:
        raise InputError(f"The body must be an object with {' and '.join(fields)}.")
    return tree


def _answer(visit: Visit, status: int = 200) -> Answer:
    return Json(update_view(visit), status)


@route("GET", HERE, access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=UpdateView)
def update(visit: Visit) -> Answer:
    """Tell what runs, what is in the other half, and how far an update is."""
    return _answer(visit)


@route(
    "PUT", f"{HERE}/upload", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=ArrivingView,
    body=_taking({
        "size": {"type": "integer", "minimum": SMALLEST_BUNDLE, "maximum": LARGEST_BUNDLE},
        "sha256": _SHA256,
    }),
)  # fmt: skip
def announce_bundle(visit: Visit) -> Answer:
    """Announce a bundle; the answer says how much of it is here already. An upload that broke off goes on there."""
    body = _body(visit, {"size": int, "sha256": str})
    arriving = announce(visit, int(str(body["size"])), str(body["sha256"]))
    return Json(arriving_view(arriving, CHUNK_BYTES))


@route(
    "PUT", f"{UPLOAD}<sha256>", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=ArrivingView,
    parameters=(_OFFSET,), largest_body=CHUNK_BYTES,
)  # fmt: skip
def take_chunk(visit: Visit) -> Answer:
    """Take bytes of the bundle that was announced; where they do not go on, say where to (409)."""
    offset = whole_number(visit.query.get("offset", "0"), "offset", 0, LARGEST_BUNDLE)
    arriving = take(visit, visit.args["sha256"], offset, visit.body)
    return Json(arriving_view(arriving, CHUNK_BYTES), 200 if arriving.have == offset + len(visit.body) else 409)


@route(
    "POST", f"{HERE}/stick", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView,
    body=_taking({"fs_id": {"type": "string"}}),
)  # fmt: skip
def take_bundle_from_stick(visit: Visit) -> Answer:
    """Copy the update that lies on a stick that is plugged in, and have it looked at."""
    return Json(job_view(take_from_stick(visit, str(_body(visit, {"fs_id": str})["fs_id"]))), 202)


@route("POST", f"{HERE}/check", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=UpdateView)
def ask_channel(visit: Visit) -> Answer:
    """Ask the update channel now; the answer is there some seconds later."""
    check_channel(visit)
    return _answer(visit, 202)


@route(
    "POST", f"{HERE}/download", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView,
    body=_taking({"sha256": _SHA256}),
)  # fmt: skip
def download_release(visit: Visit) -> Answer:
    """Download what the channel offers, and have it looked at."""
    return Json(job_view(fetch(visit, str(_body(visit, {"sha256": str})["sha256"]))), 202)


@route("POST", f"{HERE}/give-up", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=UpdateView)
def drop_bundle(visit: Visit) -> Answer:
    """Remove the bundle that is here or on its way."""
    give_up(visit)
    return _answer(visit, 202)


@route(
    "POST", f"{HERE}/install", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView,
    body=_taking({"sha256": _SHA256}),
)  # fmt: skip
def install_bundle(visit: Visit) -> Answer:
    """Have the bundle that is here written into the half that does not run; its SHA-256 says which one is meant."""
    return Json(job_view(install(visit, str(_body(visit, {"sha256": str})["sha256"]))), 202)


@route(
    "POST", f"{HERE}/restart", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=UpdateView,
    body=_taking({"when": {"enum": ["now", "dawn", "not"]}}),
)  # fmt: skip
def restart_machine(visit: Visit) -> Answer:
    """Restart now, at the end of the night, or call that off; the running frame is stored first."""
    restart(visit, str(_body(visit, {"when": str})["when"]))
    return _answer(visit, 202)


@route("POST", f"{HERE}/other-half", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=JobView)
def start_other_half(visit: Visit) -> Answer:
    """Have the machine start from its other half, now."""
    return Json(job_view(start_other(visit)), 202)
