"""USB sticks: what is plugged in, what is copied, and which stick may fill itself."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError
from appliance.domain.job import Job
from appliance.domain.stick import JOB_KIND, ExportKind, StickState
from appliance.store.jobs import LARGEST_PAGE
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.api.usb import RECENT_JOBS
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.usbacts import export, forget, let_go, name_of, request_of_form, stick_named, stop, use
from appliance.web.visit import Visit, whole_number

HERE = "/usb"
MOST_NIGHTS_OFFERED = 400
KINDS = {
    ExportKind.PICTURES.value: "Pictures",
    ExportKind.PRODUCTS.value: "Keogram and star trail",
    ExportKind.FILMS.value: "Films",
}


@route("GET", "/usb", access=Access.STAFF)
def usb(visit: Visit) -> Answer:
    """Show the sticks and what is copied."""
    return _page(visit)


@route("GET", "/usb/use", access=Access.ADMIN)
def confirm_use(visit: Visit) -> Answer:
    """Tell what it means that a stick fills itself, and ask whether it shall."""
    if "stick" not in visit.query:
        return Redirect(HERE)
    try:
        stick = stick_named(visit, visit.query["stick"])
    except InputError as error:
        return _page(visit, error)
    return Page("usb_use", {"stick": stick, "name": name_of(stick), "active": "system"})


@route("POST", "/usb/use", access=Access.ADMIN)
def use_stick(visit: Visit) -> Answer:
    """Let a stick fill itself."""
    try:
        use(visit, visit.form.get("stick", ""))
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=stick-used")


@route("POST", "/usb/forget", access=Access.ADMIN)
def forget_stick(visit: Visit) -> Answer:
    """Let a stick fill itself no longer."""
    try:
        forget(visit, visit.form.get("stick", ""))
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=stick-forgotten")


@route("POST", "/usb/let-go", access=Access.ADMIN)
def let_stick_go(visit: Visit) -> Answer:
    """Make a stick safe to remove."""
    try:
        let_go(visit, visit.form.get("stick", ""))
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=stick-let-go")


@route("POST", "/usb/export", access=Access.ADMIN)
def order_export(visit: Visit) -> Answer:
    """Copy a chosen night, or all, to a stick."""
    try:
        export(visit, request_of_form(visit, visit.form))
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=export-ordered")


@route("POST", "/usb/stop", access=Access.ADMIN)
def stop_export(visit: Visit) -> Answer:
    """End an export."""
    try:
        stop(visit, whole_number(visit.form.get("job", ""), "job", 1, 10**18))
    except InputError as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=job-stopped")


def _page(visit: Visit, error: InputError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    sticks = visit.parts.sticks.value
    jobs = [job for job in visit.parts.jobs.recent(LARGEST_PAGE) if job.kind == JOB_KIND][:RECENT_JOBS]
    running = next((job for job in jobs if job.state == "running"), None)
    values = {
        "sticks": [(stick, name_of(stick), _job_of(jobs, stick.job_id)) for stick in sticks],
        "usable": [(stick, name_of(stick)) for stick in sticks if stick.fs_id and stick.state is not StickState.REFUSED],
        "remembered": visit.parts.stick_store.confirmed(),
        "here": {stick.fs_id for stick in sticks},
        "jobs": jobs,
        "nights": visit.parts.frames.nights()[:MOST_NIGHTS_OFFERED] if visit.visitor.is_admin else (),
        "kinds": KINDS,
        "entered": visit.form if problem else {"nights": visit.query.get("night", "latest"), **dict.fromkeys(KINDS, "on")},
        "any_labelled": visit.settings.export.any_labelled_stick,
        "problem": problem,
        "refresh": "5" if running else "",
        "zone": ZoneInfo(visit.settings.site.timezone),
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("usb", values, problem.status if problem else 200)


def _job_of(jobs: list[Job], number: int | None) -> Job | None:
    return next((job for job in jobs if job.id == number), None)
