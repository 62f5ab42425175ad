"""One's own account: password, second factor, sessions."""

import re
from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.errors import InputError, RefusedError, ThrottledError
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.visit import Visit, whole_number


@route("GET", "/me", access=Access.STAFF)
def me(visit: Visit) -> Answer:
    """Show one's own account."""
    return _page(visit)


@route("POST", "/me/password", access=Access.STAFF)
def change_password(visit: Visit) -> Answer:
    """Change one's own password; every other session ends."""
    form = visit.form
    try:
        if form.get("new", "") != form.get("again", ""):
            raise InputError("The two new passwords are not the same.")
        visit.parts.people.change_password(visit.session, Secret(form.get("old", "")), Secret(form.get("new", "")), visit.address)
    except (InputError, RefusedError, ThrottledError) as error:
        return _page(visit, about="password", error=error)
    return Redirect("/me?done=password-changed")


@route("GET", "/me/totp", access=Access.STAFF)
def offer_totp(visit: Visit) -> Answer:
    """Offer a second factor: a picture for the telephone, and a field for its first code."""
    return _offer(visit, "")


@route("POST", "/me/totp", access=Access.STAFF)
def enrol_totp(visit: Visit) -> Answer:
    """Turn the second factor on and show the recovery codes, once."""
    try:
        codes = visit.parts.people.enrol_totp(
            visit.session, visit.form.get("ticket", ""), visit.form.get("code", ""), visit.address
        )
    except InputError as error:
        return _offer(visit, str(error))
    return Page("recovery_codes", {"codes": [code.reveal() for code in codes], "active": "me"})


@route("POST", "/me/totp/clear", access=Access.STAFF)
def clear_totp(visit: Visit) -> Answer:
    """Turn one's own second factor off."""
    try:
        visit.parts.people.clear_own_totp(visit.session, Secret(visit.form.get("password", "")), visit.address)
    except (InputError, RefusedError, ThrottledError) as error:
        return _page(visit, about="totp", error=error)
    return Redirect("/me?done=totp-cleared")


@route("POST", "/sessions/<number>/revoke", access=Access.STAFF)
def revoke_session(visit: Visit) -> Answer:
    """End a session: one's own, or for an admin anybody's."""
    number = whole_number(visit.args["number"], "session", 1, 10**18)
    back = "/accounts" if visit.form.get("back") == "accounts" and visit.visitor.is_admin else "/me"
    visit.parts.people.revoke_session(visit.session, number, visit.address)
    return Redirect(f"{back}?done=session-revoked")


def _page(visit: Visit, *, about: str = "", error: InputError | RefusedError | ThrottledError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {
        "account": visit.session.account,
        "codes_left": visit.parts.accounts.recovery_codes_left(visit.session.account.id),
        "sessions": visit.parts.sessions.list(visit.session.account.id),
        "current": visit.session.id,
        "problem": problem,
        "about": about,
        "notice": notice(visit.query),
        "zone": ZoneInfo(visit.settings.site.timezone),
        "active": "me",
    }
    return Page("me", values, problem.status if problem else 200)


def _scalable(svg: str) -> str:
    """Return a drawing that grows and shrinks with its place: its size becomes the box that it is seen through."""
    return re.sub(r'width="(\d+)" height="(\d+)"', r'viewBox="0 0 \1 \2"', svg, count=1)


def _offer(visit: Visit, refused: str) -> Answer:
    enrolment = visit.parts.people.offer_totp(visit.session, visit.parts.device_name)
    secret = enrolment.secret.reveal()
    values = {
        "qr": _scalable(enrolment.qr_svg.reveal()),
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "ticket": enrolment.ticket,
        "refused": refused,
        "active": "me",
    }
    return Page("totp", values, 400 if refused else 200)
