"""API tokens, for admins."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.notices import notice
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number


@route("GET", "/tokens", access=Access.ADMIN)
def tokens(visit: Visit) -> Answer:
    """List every token, never its text."""
    return _page(visit, "")


@route("POST", "/tokens/create", access=Access.ADMIN)
def create(visit: Visit) -> Answer:
    """Make a token and show its text, once."""
    form = visit.form
    try:
        days = whole_number(form.get("days", "").strip(), "Days", 1, 366)
        token, text = visit.parts.people.create_token(visit.session, form.get("name", ""), _scope(form), days, visit.address)
    except InputError as error:
        return _page(visit, str(error))
    return Page("token_created", {"token": token, "text": text.reveal(), "active": "accounts"})


@route("POST", "/tokens/<number>/revoke", access=Access.ADMIN)
def revoke(visit: Visit) -> Answer:
    """End a token."""
    number = whole_number(visit.args["number"], "token", 1, 10**18)
    visit.parts.people.revoke_token(visit.session, number, visit.address)
    return Redirect("/tokens?done=token-revoked")


def _page(visit: Visit, refused: str) -> Page:
    values = {
        "tokens": visit.parts.tokens.list(),
        "refused": refused,
        "entered": visit.form if refused else {},
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "accounts",
    }
    return Page("tokens", values, 400 if refused else 200)


def _scope(form: Mapping[str, str]) -> Scope:
    try:
        return Scope(form.get("scope", ""))
    except ValueError as error:
        raise InputError("Choose what the token may do.") from error
