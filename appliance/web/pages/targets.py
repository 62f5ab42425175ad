"""Targets: where files are sent, how far that is, and a test that says what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, NightjarError, SettingsError
from appliance.domain.fault import Fault
from appliance.domain.upload import Checked, Courier, CourierState, QueueSummary, Upload
from appliance.settings.fields import target_fields, text_of
from appliance.settings.targets import KINDS, Target
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.targetacts import check, clear, fingerprint_of, remove, retry, save, secrets_set, switch, target_of, trust
from appliance.web.visit import Visit

HERE = "/targets"
REFUSED_SHOWN = 5
STATES = {
    CourierState.IDLE: ("ready", "good"),
    CourierState.SENDING: ("sending", "good"),
    CourierState.PAUSED: ("tries again", "warn"),
    CourierState.STOPPED: ("stopped", "bad"),
    CourierState.QUIET: ("quiet hours", ""),
    CourierState.OFF: ("off", ""),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A target in the list."""

    target: Target
    courier: Courier
    queue: QueueSummary
    refused: tuple[Upload, ...]
    word: str
    tone: str
    share: float
    checked: Checked | None


@route("GET", "/targets", access=Access.STAFF)
def targets(visit: Visit) -> Answer:
    """Show every target and its queue."""
    return _list(visit)


@route("GET", "/targets/new", access=Access.ADMIN)
def new(visit: Visit) -> Answer:
    """Show the form of a new target."""
    kind = KINDS.get(visit.query.get("kind", ""))
    if kind is None:
        return _list(visit)
    texts = {field.path: field.default for field in target_fields(kind)}
    return _form(visit, kind, visit.query["kind"], None, texts)


@route("GET", "/targets/<target_id>", access=Access.ADMIN)
def edit(visit: Visit) -> Answer:
    """Show a target's form, and how its last test went."""
    target = target_of(visit, visit.args["target_id"])
    return _form(visit, type(target), target.kind, target, _texts(target))


@route("POST", "/targets/save", access=Access.ADMIN)
def save_target(visit: Visit) -> Answer:
    """Make or change a target."""
    kind, target_id = visit.form.get("kind", ""), visit.form.get("id", "")
    try:
        saved = save(visit, kind, target_id)
    except (SettingsError, InputError) as error:
        if kind not in KINDS:
            return _list(visit, error)
        old = target_of(visit, target_id) if target_id else None
        return _form(visit, KINDS[kind], kind, old, {**visit.form}, error)
    return Redirect(f"{HERE}/{saved.id}?done=target-saved")


@route("POST", "/targets/<target_id>/<act>", access=Access.ADMIN)
def do(visit: Visit) -> Answer:
    """Pause, resume, retry, clear, test, trust or remove a target."""
    target_id, act = visit.args["target_id"], visit.args["act"]
    back = f"{HERE}/{target_id}" if act in {"test", "trust"} else HERE
    try:
        match act:
            case "pause" | "resume":
                switch(visit, target_id, is_on=act == "resume")
            case "retry":
                retry(visit, target_id)
            case "clear":
                clear(visit, target_id)
            case "test":
                check(visit, target_id)
            case "trust":
                trust(visit, target_id)
            case "remove":
                remove(visit, target_id)
            case _:
                raise InputError("A target can be paused, resumed, retried, cleared, tested, trusted or removed.")
    except InputError as error:
        return _list(visit, error)
    return Redirect(back if act == "test" else f"{back}?done=target-{act}")


@route("GET", "/targets/<target_id>/<act>", access=Access.ADMIN)
def confirm(visit: Visit) -> Answer:
    """Ask before a target is removed or its queue cleared."""
    target, act = target_of(visit, visit.args["target_id"]), visit.args["act"]
    if act not in {"remove", "clear"}:
        return Redirect(f"{HERE}/{target.id}")
    values = {"target": target, "act": act, "queue": visit.parts.queue.summary(target.id), "active": "system"}
    return Page("target_confirm", values)


def _list(visit: Visit, error: NightjarError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    rows = [_row(visit, target) for target in visit.settings.targets]
    values = {
        "rows": rows,
        "kinds": KINDS,
        "problem": problem,
        "refresh": "5" if any(row.courier.state is CourierState.SENDING or row.queue.waiting for row in rows) else "",
        "zone": ZoneInfo(visit.settings.site.timezone),
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("targets", values, problem.status if problem else 200)


def _row(visit: Visit, target: Target) -> Row:
    courier, queue = visit.parts.couriers.courier(target.id), visit.parts.queue.summary(target.id)
    word, tone = STATES[courier.state]
    refused = tuple(visit.parts.queue.refused(target.id, REFUSED_SHOWN)) if queue.refused else ()
    share = courier.sent / courier.size if courier.size else 0.0
    return Row(target, courier, queue, refused, word, tone, share, visit.parts.couriers.checked(target.id))


def _form(
    visit: Visit,
    kind: type[Target],
    word: str,
    target: Target | None,
    texts: Mapping[str, str],
    error: NightjarError | None = None,
) -> Page:
    problems = {problem.path: problem.message for problem in error.problems} if isinstance(error, SettingsError) else {}
    problem = problem_of(error) if error is not None else None
    checked = visit.parts.couriers.checked(target.id) if target else None
    values = {
        "kind": kind,
        "word": word,
        "target": target,
        "fields": target_fields(kind),
        "texts": texts,
        "problems": problems,
        "problem": problem,
        "stored": secrets_set(visit, target) if target else frozenset(),
        "checked": checked,
        "fingerprint": fingerprint_of(checked.shown) if checked and checked.fault is Fault.KEY else "",
        "refresh": "2" if checked and checked.is_running else "",
        "zone": ZoneInfo(visit.settings.site.timezone),
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("target", values, problem.status if problem else 200)


def _texts(target: Target) -> dict[str, str]:
    return {field.path: text_of(getattr(target, field.path.partition(".")[2])) for field in target_fields(type(target))}
