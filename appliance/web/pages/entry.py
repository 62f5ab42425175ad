"""The way in and out: claim, login, logout."""

import re

from appliance.domain.access import Access
from appliance.domain.errors import InputError, RefusedError, ThrottledError
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, Cookie, Page, Redirect
from appliance.web.guard import FORM_COOKIE, SESSION_COOKIE
from appliance.web.notices import notice
from appliance.web.problems import Problem, problem_of
from appliance.web.routes import route
from appliance.web.visit import Visit

_OURS = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}\Z")
"""A path of ours: not `//host` or `/\\host`, which browsers take for another site."""


@route("GET", "/claim", access=Access.ANYONE, when_unclaimed=True)
def claim_form(visit: Visit) -> Answer:
    """Show the claim page, while there is something to claim."""
    gate = visit.parts.gate
    if gate.is_claimed and not gate.is_recovering:
        return Redirect("/login")
    return _claim_page(visit, None)


@route("POST", "/claim", access=Access.ANYONE, when_unclaimed=True)
def claim(visit: Visit) -> Answer:
    """Make the first admin for whoever knows the setup code."""
    form = visit.form
    password = Secret(form.get("password", ""))
    gate = visit.parts.gate
    if gate.is_claimed and not gate.is_recovering:
        raise RefusedError("claimed already")
    try:
        if form.get("password", "") != form.get("again", ""):
            raise InputError("The two passwords are not the same.")
        gate.claim(form.get("code", ""), form.get("name", ""), password, visit.address)
    except (InputError, RefusedError, ThrottledError) as error:
        return _claim_page(visit, problem_of(error))
    return Redirect("/login?done=claimed")


@route("GET", "/login", access=Access.ANYONE)
def login_form(visit: Visit) -> Answer:
    """Show the login."""
    if visit.visitor.session is not None:
        return Redirect(_target(visit.query.get("next", "")))
    return _login_page(visit, None, visit.query.get("next", ""))


@route("POST", "/login", access=Access.ANYONE)
def login(visit: Visit) -> Answer:
    """Open a session."""
    form = visit.form
    wanted = form.get("next", "")
    try:
        _, token = visit.parts.gate.login(
            form.get("name", ""), Secret(form.get("password", "")), form.get("second", ""), visit.address, visit.agent
        )
    except (RefusedError, ThrottledError) as error:
        return _login_page(visit, problem_of(error), wanted)
    if visit.visitor.session is not None:
        visit.parts.gate.logout(visit.visitor.session, visit.address)
    days = visit.settings.web.session_days
    cookies = (Cookie(SESSION_COOKIE, token.reveal(), days * 86400), Cookie(FORM_COOKIE, "", 0))
    return Redirect(_target(wanted), cookies)


@route("POST", "/logout", access=Access.STAFF)
def logout(visit: Visit) -> Answer:
    """End the session, here and in the database."""
    visit.parts.gate.logout(visit.session, visit.address)
    # The browser's copies of pictures go too: whoever uses it next has not logged in.
    return Redirect("/login?done=logged-out", (Cookie(SESSION_COOKIE, "", 0),), (("Clear-Site-Data", '"cache"'),))


def _claim_page(visit: Visit, problem: Problem | None) -> Page:
    values = {
        "problem": problem,
        "code": visit.form.get("code", ""),
        "name": visit.form.get("name", ""),
        "is_recovery": visit.parts.gate.is_claimed,
        "csrf": visit.csrf_token,
    }
    return Page("claim", values, *_after(problem, visit))


def _login_page(visit: Visit, problem: Problem | None, wanted: str) -> Page:
    values = {
        "problem": problem,
        "name": visit.form.get("name", "")[:64],
        "next": wanted if _OURS.match(wanted) else "",
        "notice": notice(visit.query),
        "is_recovery": visit.parts.gate.is_recovering,
    }
    return Page("login", values, *_after(problem, visit))


def _after(problem: Problem | None, visit: Visit) -> tuple[int, tuple[Cookie, ...], tuple[tuple[str, str], ...]]:
    """Return status, cookies and headers of a form for people without a session."""
    cookies = () if visit.visitor.session is not None else (Cookie(FORM_COOKIE, visit.csrf_token),)
    if problem is None:
        return 200, cookies, ()
    wait = (("Retry-After", str(problem.retry_after_s)),) if problem.retry_after_s is not None else ()
    return problem.status, cookies, wait


def _target(untrusted: str) -> str:
    return untrusted if _OURS.match(untrusted) else "/"
