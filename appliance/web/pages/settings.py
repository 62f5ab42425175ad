"""Settings in the panel: one form made from the schema, every problem in its place, the changes shown before they count."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, SettingsError
from appliance.settings.fields import differences, fields, from_form, text_of, value_of
from appliance.settings.schema import Settings
from appliance.web.answers import Answer, NotFoundError, Page, Redirect
from appliance.web.notices import notice
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number

REVISIONS_SHOWN = 100


@route("GET", "/settings", access=Access.STAFF)
def show(visit: Visit) -> Answer:
    """Show every setting; an admin may change them."""
    return _form(visit, _texts(visit.settings), {})


@route("POST", "/settings/review", access=Access.ADMIN)
def review(visit: Visit) -> Answer:
    """Check what was entered and show what would change; nothing is saved yet."""
    try:
        wanted = from_form(visit.form, visit.settings)
    except SettingsError as error:
        return _form(visit, {**_unchecked(), **visit.form}, _by_path(error), 422)
    changes = differences(visit.settings, wanted)
    if not changes:
        return Redirect("/settings?done=unchanged")
    return Page(
        "settings_review", {"changes": changes, "fields": _sent(_texts(wanted)), "base": _base(visit), "active": "settings"}
    )


@route("POST", "/settings/save", access=Access.ADMIN)
def save(visit: Visit) -> Answer:
    """Save what was reviewed as a new revision."""
    try:
        wanted = from_form(visit.form, visit.settings)
    except SettingsError as error:
        return _form(visit, {**_unchecked(), **visit.form}, _by_path(error), 422)
    changes = differences(visit.settings, wanted)
    if not changes:
        return Redirect("/settings?done=unchanged")
    base = whole_number(visit.form.get("base", ""), "base", 0, 10**18)
    revision = visit.parts.settings.save(wanted, visit.visitor.name, based_on=base)
    visit.note("settings saved", f"revision {revision.id}: {', '.join(change.path for change in changes)}")
    return Redirect("/settings?done=saved")


@route("GET", "/settings/revisions", access=Access.STAFF)
def revisions(visit: Visit) -> Answer:
    """List what was saved, when and by whom."""
    values = {
        "revisions": visit.parts.settings.revisions(REVISIONS_SHOWN),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "settings",
    }
    return Page("revisions", values)


@route("GET", "/settings/revisions/<number>", access=Access.STAFF)
def revision(visit: Visit) -> Answer:
    """Show how a former revision differs from what is in force."""
    revision_id = _revision_id(visit)
    former, problem = None, ""
    try:
        former = visit.parts.settings.settings_of(revision_id)
    except InputError as error:
        raise NotFoundError(str(error)) from error
    except SettingsError as error:
        problem = str(error)
    changes = differences(visit.settings, former) if former else ()
    return Page("revision", {"number": revision_id, "changes": changes, "unreadable": problem, "active": "settings"})


@route("POST", "/settings/revisions/<number>/restore", access=Access.ADMIN)
def restore(visit: Visit) -> Answer:
    """Put a former revision in force again, as a new one."""
    former = _revision_id(visit)
    made = visit.parts.settings.restore(former, visit.visitor.name)
    visit.note("settings restored", f"revision {former} as {made.id}")
    return Redirect("/settings?done=restored")


def _form(visit: Visit, texts: Mapping[str, str], problems: Mapping[str, str], status: int = 200) -> Page:
    values = {
        "sections": fields(),
        "texts": texts,
        "problems": problems,
        "base": _base(visit),
        "notice": notice(visit.query),
        "active": "settings",
    }
    return Page("settings", values, status)


def _base(visit: Visit) -> str:
    """Return the revision that the person has seen: the form's, where it came through one already."""
    return visit.form.get("base", "") or str(visit.parts.settings.newest_id())


def _texts(settings: Settings) -> dict[str, str]:
    return {field.path: text_of(value_of(settings, field.path)) for section in fields() for field in section.fields}


def _unchecked() -> dict[str, str]:
    """Return every field empty: a form leaves unchecked boxes out."""
    return {field.path: "" for section in fields() for field in section.fields}


def _sent(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what a browser would send for these texts: an unchecked box not at all."""
    boxes = {field.path for section in fields() for field in section.fields if field.kind.value == "bool"}
    return {path: text for path, text in texts.items() if path not in boxes or text}


def _by_path(error: SettingsError) -> dict[str, str]:
    found: dict[str, str] = {}
    for problem in error.problems:
        found.setdefault(problem.path, problem.message)
    return found


def _revision_id(visit: Visit) -> int:
    number = visit.args["number"]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise NotFoundError("There is no such revision.")
    return int(number)
