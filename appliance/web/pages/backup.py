"""Backup: the file to download or to copy to a stick, and a restore, of a file or from a stick, that is shown first."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, NightjarError, RefusedError, StoreError, ThrottledError
from appliance.domain.secret import Secret
from appliance.domain.stick import Stick, StickState
from appliance.settings.fields import differences
from appliance.web.answers import Answer, Content, Cookie, Page, Redirect
from appliance.web.backups import AT_THE_CLAIM, Offer, file_name
from appliance.web.guard import FORM_COOKIE, SESSION_COOKIE
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.stickbackups import look, open_found, stick_backups
from appliance.web.usbacts import copy_backup, name_of
from appliance.web.visit import Visit

HERE = "/backup"
CLAIM = "/claim/backup"
UPLOAD = ("csrf", "passphrase")
_REFUSALS = (InputError, RefusedError, ThrottledError)


@route("GET", "/backup", access=Access.ADMIN)
def backup(visit: Visit) -> Answer:
    """Show what a backup holds, and the ways to make and to restore one."""
    return _page(visit)


@route("POST", "/backup/download", access=Access.ADMIN)
def download(visit: Visit) -> Answer:
    """Make a backup and send it."""
    try:
        made, name = _made(visit)
    except _REFUSALS as error:
        return _page(visit, "make", error)
    visit.note("backup downloaded", name)
    return Content(made, "application/octet-stream", name)


@route("POST", "/backup/stick", access=Access.ADMIN)
def to_stick(visit: Visit) -> Answer:
    """Make a backup and have it copied to a stick."""
    try:
        fs_id = visit.form.get("stick", "")
        if fs_id not in {stick.fs_id for stick, _ in _sticks(visit)}:
            raise InputError("Choose a USB stick that is plugged in and that an admin has confirmed.")
        made, name = _made(visit)
        copy_backup(visit, fs_id, name, made)
    except _REFUSALS as error:
        return _page(visit, "make", error)
    return Redirect(f"{HERE}?done=backup-ordered")


@route("POST", "/backup/open", access=Access.ADMIN, upload=UPLOAD)
def open_file(visit: Visit) -> Answer:
    """Show what is in a backup and what it would change; nothing is changed yet."""
    try:
        offer = visit.backups.open(_holder(visit), visit.file, Secret(visit.form.get("passphrase", "")))
    except _REFUSALS as error:
        return _page(visit, "restore", error)
    return _review(visit, offer)


@route("POST", "/backup/stick/look", access=Access.ADMIN)
def look_on_stick(visit: Visit) -> Answer:
    """Look for backups on a stick."""
    try:
        look(visit, visit.form.get("stick", ""), visit.visitor.name)
    except InputError as error:
        return _page(visit, "stick", error)
    return Redirect(f"{HERE}#stick-backups")


@route("POST", "/backup/stick/open", access=Access.ADMIN)
def open_from_stick(visit: Visit) -> Answer:
    """Show what is in a backup that was found on a stick; nothing is changed yet."""
    try:
        offer = open_found(visit, _holder(visit))
    except _REFUSALS as error:
        return _page(visit, "stick", error)
    return _review(visit, offer)


@route("POST", "/backup/restore", access=Access.ADMIN)
def restore(visit: Visit) -> Answer:
    """Put in force what was shown; every session ends, this one too."""
    try:
        offer = visit.backups.offer(_holder(visit), visit.form.get("ticket", ""))
    except InputError as error:
        return _page(visit, "restore", error)
    try:
        visit.parts.gate.confirm(visit.session, Secret(visit.form.get("password", "")), visit.address)
        visit.backups.restore(offer, visit.visitor.name, visit.address)
    except (RefusedError, ThrottledError, StoreError) as error:
        return _review(visit, offer, error)
    return Redirect("/login?done=backup-restored", (Cookie(SESSION_COOKIE, "", 0),), (("Clear-Site-Data", '"cache"'),))


# On an appliance that nobody has claimed


@route("GET", "/claim/backup", access=Access.ANYONE, when_unclaimed=True)
def claim_form(visit: Visit) -> Answer:
    """Ask for the setup code, before a backup is taken in."""
    return Redirect("/login") if visit.parts.gate.is_claimed else _claim_page(visit)


@route("POST", "/claim/backup", access=Access.ANYONE, when_unclaimed=True)
def claim_admit(visit: Visit) -> Answer:
    """Let whoever knows the setup code choose a backup."""
    try:
        visit.backups.admit(visit.form.get("code", ""), visit.csrf_token, visit.address)
    except _REFUSALS as error:
        return _claim_page(visit, error)
    return _claim_page(visit)


@route("POST", "/claim/backup/open", access=Access.ANYONE, when_unclaimed=True, upload=UPLOAD)
def claim_open(visit: Visit) -> Answer:
    """Show what is in a backup; nothing is changed yet."""
    try:
        _check_admitted(visit)
        offer = visit.backups.open(CLAIM, visit.file, Secret(visit.form.get("passphrase", "")))
    except _REFUSALS as error:
        return _claim_page(visit, error)
    return _claim_review(visit, offer)


@route("POST", "/claim/backup/stick/look", access=Access.ANYONE, when_unclaimed=True)
def claim_look(visit: Visit) -> Answer:
    """Look for backups on a stick."""
    try:
        _check_admitted(visit)
        look(visit, visit.form.get("stick", ""), AT_THE_CLAIM)
    except (InputError, RefusedError) as error:
        return _claim_page(visit, error, "stick")
    return Redirect(f"{CLAIM}#stick-backups")


@route("POST", "/claim/backup/stick/open", access=Access.ANYONE, when_unclaimed=True)
def claim_open_found(visit: Visit) -> Answer:
    """Show what is in a backup that was found on a stick; nothing is changed yet."""
    try:
        _check_admitted(visit)
        offer = open_found(visit, CLAIM)
    except _REFUSALS as error:
        return _claim_page(visit, error, "stick")
    return _claim_review(visit, offer)


@route("POST", "/claim/backup/restore", access=Access.ANYONE, when_unclaimed=True)
def claim_restore(visit: Visit) -> Answer:
    """Claim the appliance with what was shown: its accounts log in from now on."""
    try:
        _check_admitted(visit)
        offer = visit.backups.offer(CLAIM, visit.form.get("ticket", ""))
        visit.backups.restore(offer, AT_THE_CLAIM, visit.address, is_first=True)
    except (InputError, RefusedError, StoreError) as error:
        return _claim_page(visit, error)
    return Redirect("/login?done=backup-restored")


def _check_admitted(visit: Visit) -> None:
    if visit.parts.gate.is_claimed:
        raise RefusedError("claimed already")
    if not visit.backups.is_admitted(visit.csrf_token):
        raise InputError("Enter the setup code first; after half an hour, or a restart, once more.")


def _made(visit: Visit) -> tuple[bytes, str]:
    """Return the file of a backup of now, and its name; asks for the password, for every secret is in it."""
    form = visit.form
    if form.get("passphrase", "") != form.get("again", ""):
        raise InputError("The two pass-phrases are not the same.")
    visit.parts.gate.confirm(visit.session, Secret(form.get("password", "")), visit.address)
    name, now = visit.machine.name.value or "", visit.machine.now
    made = visit.backups.make(Secret(form.get("passphrase", "")), visit.visitor.name, name or visit.parts.device_name, now)
    return made, file_name(name, visit.parts.device_id, now.astimezone(ZoneInfo(visit.settings.site.timezone)))


def _holder(visit: Visit) -> str:
    return f"session {visit.session.id}"


def _sticks(visit: Visit) -> list[tuple[Stick, str]]:
    """Return the confirmed sticks that can take a backup now, with their names."""
    usable = [stick for stick in visit.parts.sticks.value if stick.is_confirmed and stick.state is not StickState.REFUSED]
    return [(stick, name_of(stick)) for stick in usable]


def _page(visit: Visit, about: str = "", error: NightjarError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {
        **_on_stick(visit, HERE, is_followed=problem is None),
        "sticks": _sticks(visit),
        "accounts": visit.parts.accounts.list(),
        "targets": visit.settings.targets,
        "peers": visit.parts.peers.all(),
        "problem": problem,
        "about": about,
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("backup", values, problem.status if problem else 200)


def _on_stick(visit: Visit, here: str, *, is_followed: bool) -> dict[str, object]:
    """Return what both pages show of backups on a stick, and how soon to ask again while one is looked at."""
    shown, zone = stick_backups(visit), ZoneInfo(visit.settings.site.timezone)
    # The address is told, because a page that was led to a part of itself would only be scrolled there once more.
    refresh = f"2; url={here}" if is_followed and shown.job else ""
    return {"on_stick": shown, "chosen": visit.form.get("backup", ""), "zone": zone, "refresh": refresh}


def _review(visit: Visit, offer: Offer, error: NightjarError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {**_shown(visit, offer), "problem": problem, "tokens": visit.parts.belongings.tokens(), "active": "system"}
    return Page("backup_review", values, problem.status if problem else 200)


def _claim_review(visit: Visit, offer: Offer) -> Page:
    return Page("claim_review", _shown(visit, offer) | {"csrf": visit.csrf_token}, 200, _form_cookie(visit))


def _shown(visit: Visit, offer: Offer) -> dict[str, object]:
    """Return what is in a backup, and what it would change here."""
    made = offer.backup
    coming = {account.name for account in made.belongings.accounts}
    return {
        "ticket": offer.ticket,
        "origin": made.origin,
        "is_own": made.origin.device_id == visit.parts.device_id,
        "accounts": made.belongings.accounts,
        "going": [account.name for account in visit.parts.accounts.list() if account.name not in coming],
        "targets": made.settings.targets,
        "peers": made.belongings.peers,
        "shut_out": [one.name for one in visit.parts.peers.all() if one.id not in {peer.id for peer in made.belongings.peers}],
        "sticks": made.belongings.sticks,
        "changes": differences(visit.settings, made.settings),
        "zone": ZoneInfo(made.settings.site.timezone),
    }


def _claim_page(visit: Visit, error: NightjarError | None = None, about: str = "") -> Page:
    problem = problem_of(error) if error is not None else None
    is_admitted = visit.backups.is_admitted(visit.csrf_token)
    values = {
        **_on_stick(visit, CLAIM, is_followed=is_admitted and problem is None),
        "problem": problem,
        "about": about if is_admitted else "",
        "code": visit.form.get("code", ""),
        "is_admitted": is_admitted,
        "csrf": visit.csrf_token,
    }
    return Page("claim_backup", values, problem.status if problem else 200, _form_cookie(visit))


def _form_cookie(visit: Visit) -> tuple[Cookie, ...]:
    return (Cookie(FORM_COOKIE, visit.csrf_token),)
