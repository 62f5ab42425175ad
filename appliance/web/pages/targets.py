"""Targets: where files are sent, how far that is, and a test that says what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, NightjarError, SettingsError
from appliance.domain.fault import Fault
from appliance.domain.upload import Checked, Courier, CourierState, QueueSummary, Upload
from appliance.security.trusted import Shown, read_certificate
from appliance.settings.fields import target_fields, text_of
from appliance.settings.targetparts import Common
from appliance.settings.targets import KINDS, SftpTarget, Target
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


@route("GET", "/targets/<target>", access=Access.ADMIN)
def edit(visit: Visit) -> Answer:
    """Show a target's form, and how its last test went."""
    target = target_of(visit, visit.args["target"])
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


@route("POST", "/targets/<target>/pause", access=Access.ADMIN)
def pause(visit: Visit) -> Answer:
    """Let a target wait."""
    return _done(visit, "pause", lambda target_id: switch(visit, target_id, is_on=False))


@route("POST", "/targets/<target>/resume", access=Access.ADMIN)
def resume(visit: Visit) -> Answer:
    """Serve a target again."""
    return _done(visit, "resume", lambda target_id: switch(visit, target_id, is_on=True))


@route("POST", "/targets/<target>/retry", access=Access.ADMIN)
def retry_now(visit: Visit) -> Answer:
    """Try everything that failed again, at once."""
    return _done(visit, "retry", lambda target_id: retry(visit, target_id))


@route("GET", "/targets/<target>/clear", access=Access.ADMIN)
def confirm_clear(visit: Visit) -> Answer:
    """Ask before a queue is cleared."""
    return _confirm(visit, "clear")


@route("POST", "/targets/<target>/clear", access=Access.ADMIN)
def clear_queue(visit: Visit) -> Answer:
    """Drop everything that waits for a target."""
    return _done(visit, "clear", lambda target_id: clear(visit, target_id))


@route("GET", "/targets/<target>/remove", access=Access.ADMIN)
def confirm_remove(visit: Visit) -> Answer:
    """Ask before a target is removed."""
    return _confirm(visit, "remove")


@route("POST", "/targets/<target>/remove", access=Access.ADMIN)
def remove_target(visit: Visit) -> Answer:
    """Forget a target."""
    return _done(visit, "remove", lambda target_id: remove(visit, target_id))


@route("POST", "/targets/<target>/test", access=Access.ADMIN)
def test_target(visit: Visit) -> Answer:
    """Have a target tested; its page shows how it goes."""
    check(visit, visit.args["target"])
    return Redirect(f"{HERE}/{visit.args['target']}")


@route("POST", "/targets/<target>/trust", access=Access.ADMIN)
def trust_target(visit: Visit) -> Answer:
    """Trust the key or certificate that the last test has shown."""
    try:
        trust(visit, visit.args["target"])
    except InputError as error:
        return _list(visit, error)
    return Redirect(f"{HERE}/{visit.args['target']}?done=target-trust")


def _done(visit: Visit, act: str, do: Callable[[str], None]) -> Answer:
    try:
        do(visit.args["target"])
    except InputError as error:
        return _list(visit, error)
    return Redirect(f"{HERE}?done=target-{act}")


def _confirm(visit: Visit, act: str) -> Page:
    target = target_of(visit, visit.args["target"])
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
    kind: type[Common],
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
        "words": checked.words or target.words_of(checked.fault) if target and checked and checked.fault else None,
        "has_key": isinstance(target, SftpTarget) and bool(target.host_key),
        "certificate": _certificate_shown(checked),
        "fingerprint": fingerprint_of(checked.shown) if checked and checked.fault is Fault.KEY else "",
        "refresh": "2" if checked and checked.is_running else "",
        "zone": ZoneInfo(visit.settings.site.timezone),
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("target", values, problem.status if problem else 200)


def _certificate_shown(checked: Checked | None) -> Shown | None:
    if checked is None or checked.fault is not Fault.CERTIFICATE or not checked.shown:
        return None
    try:
        return read_certificate(checked.shown)
    except InputError:  # it names nothing: it cannot be trusted, and nothing is offered
        return None


def _texts(target: Target) -> dict[str, str]:
    return {field.path: text_of(getattr(target, field.path.partition(".")[2])) for field in target_fields(type(target))}
