"""Accounts, for admins: make, change, shut out, delete."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Role
from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, NotFoundError, Page, Redirect
from appliance.web.notices import notice
from appliance.web.routes import route
from appliance.web.visit import Visit


@route("GET", "/accounts", access=Access.ADMIN)
def accounts(visit: Visit) -> Answer:
    """List every account and what an admin can do with it."""
    return _page(visit, "")


@route("POST", "/accounts/create", access=Access.ADMIN)
def create(visit: Visit) -> Answer:
    """Make an account."""
    return _done(visit, "account-created", lambda: _create(visit))


@route("POST", "/accounts/<number>/role", access=Access.ADMIN)
def set_role(visit: Visit) -> Answer:
    """Change an account's level."""
    role, account_id = _role(visit), _account_id(visit)
    return _done(visit, "account-changed", lambda: visit.parts.people.set_role(visit.session, account_id, role, visit.address))


@route("POST", "/accounts/<number>/disable", access=Access.ADMIN)
def disable(visit: Visit) -> Answer:
    """Shut an account out, at once."""
    account_id = _account_id(visit)
    return _done(
        visit, "account-changed", lambda: visit.parts.people.set_disabled(visit.session, account_id, True, visit.address)
    )


@route("POST", "/accounts/<number>/enable", access=Access.ADMIN)
def enable(visit: Visit) -> Answer:
    """Let an account in again."""
    account_id = _account_id(visit)
    return _done(
        visit, "account-changed", lambda: visit.parts.people.set_disabled(visit.session, account_id, False, visit.address)
    )


@route("POST", "/accounts/<number>/reset", access=Access.ADMIN)
def reset(visit: Visit) -> Answer:
    """Set another's password."""
    account_id, password = _account_id(visit), Secret(visit.form.get("password", ""))
    return _done(
        visit, "password-reset", lambda: visit.parts.people.reset_password(visit.session, account_id, password, visit.address)
    )


@route("POST", "/accounts/<number>/clear-totp", access=Access.ADMIN)
def clear_totp(visit: Visit) -> Answer:
    """Turn another's second factor off."""
    account_id = _account_id(visit)
    return _done(visit, "totp-cleared", lambda: visit.parts.people.clear_totp(visit.session, account_id, visit.address))


@route("POST", "/accounts/<number>/delete", access=Access.ADMIN)
def delete(visit: Visit) -> Answer:
    """Remove an account."""
    account_id = _account_id(visit)
    return _done(visit, "account-deleted", lambda: visit.parts.people.delete(visit.session, account_id, visit.address))


def _create(visit: Visit) -> None:
    password = Secret(visit.form.get("password", ""))
    visit.parts.people.create(visit.session, visit.form.get("name", ""), password, _role(visit), visit.address)


def _done(visit: Visit, done: str, act: Callable[[], object]) -> Answer:
    """Act and go back to the list; what was refused stands above the list."""
    try:
        act()
    except InputError as error:
        return _page(visit, str(error))
    return Redirect(f"/accounts?done={done}")


def _page(visit: Visit, refused: str) -> Page:
    values = {
        "accounts": visit.parts.accounts.list(),
        "sessions": visit.parts.sessions.list(),
        "refused": refused,
        "entered": visit.form if refused else {},
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "accounts",
    }
    return Page("accounts", values, 400 if refused else 200)


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.get("role", ""))
    except ValueError as error:
        raise InputError("Choose Staff or Admin.") from error


def _account_id(visit: Visit) -> int:
    number = visit.args["number"]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise NotFoundError("There is no such account.")
    return int(number)
