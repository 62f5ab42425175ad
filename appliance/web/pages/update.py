"""Updates of the system: what runs, what is in the other half, a bundle that is brought, installed and started."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, MachineError, StoreError
from appliance.domain.job import JobState
from appliance.domain.power import PowerPhase
from appliance.domain.stick import StickState
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.api.update import update_view
from appliance.web.api.updateviews import UpdateView
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.updateacts import check_channel, fetch, give_up, install, restart, start_other, stop_coming, take_from_stick
from appliance.web.usbacts import name_of
from appliance.web.visit import Visit

HERE = "/update"
USABLE = frozenset(state for state in StickState if state is not StickState.REFUSED)
Refusal = InputError | MachineError | StoreError


@route("GET", HERE, access=Access.STAFF)
def update(visit: Visit) -> Answer:
    """Show what runs and what can be installed."""
    return _page(visit)


@route("POST", "/update/stick", access=Access.ADMIN)
def take_bundle_from_stick(visit: Visit) -> Answer:
    """Copy the update that lies on a stick."""
    try:
        take_from_stick(visit, visit.form.get("stick", ""))
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(HERE)


@route("POST", "/update/stop", access=Access.ADMIN)
def stop(visit: Visit) -> Answer:
    """End the copying or downloading of a bundle."""
    try:
        stop_coming(visit)
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=update-stopped")


@route("POST", "/update/check", access=Access.ADMIN)
def ask_channel(visit: Visit) -> Answer:
    """Ask the update channel now."""
    try:
        check_channel(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=update-channel-asked")


@route("POST", "/update/download", access=Access.ADMIN)
def download_release(visit: Visit) -> Answer:
    """Download what the channel offers."""
    try:
        fetch(visit, visit.form.get("sha256", ""))
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(HERE)


@route("POST", "/update/give-up", access=Access.ADMIN)
def drop_bundle(visit: Visit) -> Answer:
    """Remove the bundle that is here or on its way."""
    try:
        give_up(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=update-given-up")


@route("GET", "/update/install", access=Access.ADMIN)
def confirm_install(visit: Visit) -> Answer:
    """Show once more what would be installed, and by whom it is signed."""
    view = update_view(visit)
    if view.bundle is None or view.bundle.state != "checked":
        return Redirect(HERE)
    return Page("update_install", {"view": view, "zone": _zone(visit), "active": "system"})


@route("POST", "/update/install", access=Access.ADMIN)
def install_bundle(visit: Visit) -> Answer:
    """Have the bundle written into the other half."""
    try:
        install(visit, visit.form.get("sha256", ""))
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(HERE)


@route("POST", "/update/restart", access=Access.ADMIN)
def restart_machine(visit: Visit) -> Answer:
    """Restart now or at dawn, or call that off."""
    when = visit.form.get("when", "")
    try:
        restart(visit, when)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect("/machine/going?what=restart" if when == "now" else f"{HERE}?done=update-restart-{when}")


@route("GET", "/update/other-half", access=Access.ADMIN)
def confirm_other(visit: Visit) -> Answer:
    """Tell what it means to start from the other half, and ask whether to."""
    view = update_view(visit)
    other = next((half for half in view.halves if not half.is_running), None)
    if other is None or view.unavailable:
        return Redirect(HERE)
    return Page("update_other", {"view": view, "other": other, "active": "system"})


@route("POST", "/update/other-half", access=Access.ADMIN)
def start_other_half(visit: Visit) -> Answer:
    """Have the machine start from its other half."""
    try:
        start_other(visit)
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(HERE)


def _zone(visit: Visit) -> ZoneInfo:
    return ZoneInfo(visit.settings.site.timezone)


def _stage(view: UpdateView) -> str:
    """Return what the page is about now: one thing at a time."""
    if view.job is not None and not JobState(view.job.state).is_over:
        return "work"
    if view.bundle is not None and view.bundle.state != "installed":
        return view.bundle.state
    return "restart" if view.is_restart_due else "upload"


def _page(visit: Visit, error: Refusal | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    view = update_view(visit)
    values = {
        "view": view,
        "stage": _stage(view),
        "running": next((half for half in view.halves if half.is_running), None),
        "other": next((half for half in view.halves if not half.is_running), None),
        "sticks": [(stick, name_of(stick)) for stick in visit.parts.sticks.value if stick.fs_id and stick.state in USABLE],
        "is_going": visit.parts.power_state.value.phase is not PowerPhase.RUNNING,
        "has_failed": view.job is not None and view.job.state == JobState.FAILED.value,
        "has_dawn": visit.settings.site.latitude_deg is not None,
        "problem": problem,
        "zone": _zone(visit),
        "notice": notice(visit.query),
        "scripts": ("update.js",),
        "refresh": "10",
        "active": "system",
    }
    return Page("update", values, problem.status if problem else 200)
