"""The panel as a WSGI application: each request is identified, weighed against its route, answered, and dressed in headers."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import bottle

from appliance.domain.access import Access
from appliance.domain.errors import InputError, NightjarError
from appliance.security.signedheader import looks_signed
from appliance.security.signing import SCHEME, body_hash
from appliance.web import api, pages  # noqa: F401 - importing them fills the table of routes
from appliance.web.answers import Answer, Content, Json, Media, Page, Redirect, Stream
from appliance.web.backups import LARGEST_UPLOAD, BackupKeeper
from appliance.web.downloads import Downloads
from appliance.web.encode import to_json
from appliance.web.forms import FORM_TYPE, parse_form, parse_form_with_file, parse_query
from appliance.web.guard import Evidence, form_token, identify, is_allowed, is_forged, open_to_everybody
from appliance.web.head import SUNK, split_host
from appliance.web.machine import MachineKeeper
from appliance.web.parts import WebParts
from appliance.web.peergate import CHUNK_BYTES
from appliance.web.problems import Problem, problem_of
from appliance.web.publication import PublicNights
from appliance.web.render import Templates
from appliance.web.replies import (
    add_headers,
    content_reply,
    evidence,
    json_reply,
    media_reply,
    redirect_reply,
    reply,
    set_cookies,
    signed_request,
    stream_reply,
)
from appliance.web.routes import Route, Style, table
from appliance.web.series import SeriesKeeper
from appliance.web.visit import Visit, Visitor

log = logging.getLogger(__name__)

UNSIGNED = Problem(
    401, "This is for other appliances: sign the request with a peer's key, and send no cookie.", reason="signature"
)
FAULT = Problem(500, "Something went wrong here. The log says what; the rest goes on.")
FORGED = Problem(403, "This request did not come from a page of this panel. Go back, load the page again and repeat it.")
UNCLAIMED = Problem(403, "Nobody has claimed this appliance yet. Open its panel in a browser first.")
BELOW = Problem(403, "Your account may not do this. Ask an admin.")
NOBODY = Problem(401, "Log in first.")


@dataclass(frozen=True, slots=True)
class Tab:
    """A page in the navigation."""

    name: str
    title: str
    address: str
    access: Access


TABS = (
    Tab("live", "Live", "/", Access.VIEWER),
    Tab("nights", "Nights", "/nights", Access.VIEWER),
    Tab("system", "System", "/system", Access.STAFF),
    Tab("settings", "Settings", "/settings", Access.STAFF),
    Tab("accounts", "Accounts", "/accounts", Access.ADMIN),
    Tab("help", "Help", "/help", Access.ANYONE),
)


def _read_body(largest: int) -> bytes:
    body: bytes = bottle.request.environ["wsgi.input"].read(largest + 1)
    if len(body) > largest:
        raise InputError(f"A body may have {largest} bytes at most.")
    return body


def _form(route: Route, body: bytes, content_type: str) -> tuple[Mapping[str, str], bytes]:
    """Return the fields of a form, and the file that came with them."""
    if route.upload and not content_type.startswith(FORM_TYPE):
        return parse_form_with_file(body, content_type, route.upload, LARGEST_UPLOAD)
    has_form = route.style is Style.PAGE or content_type.startswith(FORM_TYPE)
    return (parse_form(body, content_type) if has_form else {}), b""


class Panel:
    """Everything behind the TLS front."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._templates = Templates()
        self._series = SeriesKeeper(parts.frames)
        self._machine = MachineKeeper(parts.time_and_date, parts.host_name, parts.network, parts.updates)
        self._downloads = Downloads()
        self._public_nights = PublicNights(parts.frames, parts.products, parts.clock)
        self.backups = BackupKeeper(parts)
        self._bottle = bottle.Bottle()
        self._bottle.default_error_handler = self._refuse_unknown
        for route in table():
            self._bottle.route(route.path, route.method, self._bound(route))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, as WSGI wants it."""
        answer: Iterable[bytes] = self._bottle(environ, start_response)
        return answer

    def step(self) -> None:
        """Read what pages show of the machine."""
        self._machine.step()

    def _bound(self, route: Route) -> Callable[..., bottle.HTTPResponse]:
        def serve(**args: str) -> bottle.HTTPResponse:
            response = self._serve(route, args)
            response.set_header("Strict-Transport-Security", self._hsts())
            return response

        return serve

    def _hsts(self) -> str:
        host = split_host(bottle.request.environ.get("HTTP_HOST", ""))
        return self._parts.certificates.hsts(host[0] if host else "")

    def _serve(self, route: Route, args: dict[str, str]) -> bottle.HTTPResponse:
        """Answer a request; whatever goes wrong becomes words."""
        try:
            return self._weigh(route, args)
        except NightjarError as error:
            problem = problem_of(error)
            if problem.status >= 500 and problem.retry_after_s is None:
                log.error("could not serve: %s %s: %s", route.method, route.path, error)
            return self._refuse(problem, route.style)
        except Exception:
            log.exception("fault while serving: %s %s", route.method, route.path)
            return self._refuse(FAULT, route.style)

    def _weigh(self, route: Route, args: dict[str, str]) -> bottle.HTTPResponse:
        """Let a request through to its handler, or not."""
        gate = self._parts.gate
        if not gate.is_claimed and not route.when_unclaimed:
            is_page = route.style is Style.PAGE and route.method == "GET"
            return redirect_reply(Redirect("/claim")) if is_page else self._refuse(UNCLAIMED, Style.API)
        seen = evidence()
        if route.access is Access.PEER:
            return self._admit_v1(route, args, seen) if route.style is Style.V1 else self._admit(route, args, seen)
        visitor = identify(seen, gate, everybody=open_to_everybody(self._parts.settings.published.value.web))
        if not is_allowed(route, visitor):
            return self._turn_away(route, visitor)
        visit = self._visit(route, args, seen, visitor)
        if is_forged(route.method, seen, visitor, visit.form):
            return self._refuse(FORGED, route.style)
        return self._dressed(route.handler(visit), visit)

    def _admit(self, route: Route, args: dict[str, str], seen: Evidence) -> bottle.HTTPResponse:
        """Let another appliance's signed request through; no cookie, login or token counts here."""
        if seen.has_cookie_header or not looks_signed(seen.authorization):
            return self._refuse(UNSIGNED, route.style)
        request = signed_request()
        body = _read_body(CHUNK_BYTES)
        peer = self._parts.peer_gate.admit(request, body_hash(body), bottle.request.environ["REMOTE_ADDR"])
        visit = self._visit(route, args, seen, Visitor(peer=peer), body)
        return self._dressed(route.handler(replace(visit, metadata=request.metadata)), visit)

    def _admit_v1(self, route: Route, args: dict[str, str], seen: Evidence) -> bottle.HTTPResponse:
        """Let a request by indi-allsky's sync go to its handler, which asks for the signature; no cookie or login counts."""
        if seen.has_cookie_header:
            return self._refuse(UNSIGNED, route.style)
        visit = self._visit(route, args, seen, Visitor())
        return self._dressed(route.handler(visit), visit)

    def _visit(self, route: Route, args: dict[str, str], seen: Evidence, visitor: Visitor, body: bytes | None = None) -> Visit:
        environ = bottle.request.environ
        if body is None:
            largest = LARGEST_UPLOAD if route.upload else route.largest_body
            body = _read_body(largest) if route.method != "GET" else b""
        content_type = environ.get("CONTENT_TYPE", "")
        form, file = _form(route, body, content_type)
        return Visit(
            parts=self._parts,
            series=self._series,
            machine=self._machine,
            downloads=self._downloads,
            public_nights=self._public_nights,
            backups=self.backups,
            visitor=visitor,
            method=route.method,
            path=environ["PATH_INFO"],
            args=args,
            query=parse_query(environ.get("QUERY_STRING", "")),
            form=form,
            file=file,
            body=body,
            host=seen.host,
            address=environ["REMOTE_ADDR"],
            agent=environ.get("HTTP_USER_AGENT", ""),
            csrf_token=form_token(seen, visitor),
            authorization=seen.authorization,
            content_type=content_type,
            sunk=environ.get(f"HTTP_{SUNK.upper().replace('-', '_')}", ""),
        )

    def _turn_away(self, route: Route, visitor: Visitor) -> bottle.HTTPResponse:
        """Send people to the login; tell everybody else the status."""
        if visitor.session is not None or visitor.token is not None:
            return self._refuse(BELOW, route.style)
        if route.style is not Style.PAGE or route.method != "GET":
            return self._refuse(NOBODY, route.style)
        request = bottle.request
        here = request.environ["PATH_INFO"] + (f"?{request.query_string}" if request.query_string else "")
        return redirect_reply(Redirect("/login" if here == "/" else f"/login?next={quote(here, safe='/')}"))

    def _dressed(self, answer: Answer, visit: Visit) -> bottle.HTTPResponse:
        match answer:
            case Page():
                return self._page(answer, visit)
            case Json():
                return json_reply(answer)
            case Redirect():
                return redirect_reply(answer)
            case Media():
                return media_reply(answer)
            case Content():
                return content_reply(answer)
            case Stream():
                return stream_reply(answer)

    def _page(self, page: Page, visit: Visit | None) -> bottle.HTTPResponse:
        visitor = visit.visitor if visit else Visitor()
        about = {
            "site_name": self._parts.settings.published.value.site.name if visitor.level >= Access.VIEWER else "Nightjar",
            "tabs": tuple(tab for tab in TABS if tab.access <= visitor.level) if visitor.level >= Access.VIEWER else (),
            "visitor": visitor,
            "csrf": visit.csrf_token if visit else "",
            "path": visit.path if visit else "",
            "issues": self._parts.board.issues if visitor.level >= Access.STAFF else (),
        }
        text = self._templates.render(page.template, {**about, **page.values})
        response = reply(page.status, text.encode(), "text/html; charset=utf-8")
        add_headers(response, page.headers)
        set_cookies(response, page.cookies)
        return response

    def _refuse(self, problem: Problem, style: Style) -> bottle.HTTPResponse:
        if style is Style.PAGE:
            response = self._page(Page("message", {"problem": problem}, problem.status), None)
        else:
            response = reply(problem.status, to_json(problem.document()), "application/problem+json")
        if problem.status == 401:
            response.set_header("WWW-Authenticate", SCHEME if problem.reason else 'Bearer realm="Nightjar"')
        if problem.retry_after_s is not None:
            response.set_header("Retry-After", str(problem.retry_after_s))
        return response

    def _refuse_unknown(self, error: bottle.HTTPError) -> bytes:
        """Dress what Bottle refuses by itself, unknown paths and methods; its own pages would show more than they should."""
        status = int(error.status_code)
        is_api = bottle.request.environ.get("PATH_INFO", "").startswith("/api/")
        style = Style.API if is_api or not self._parts.gate.is_claimed else Style.PAGE
        words = {404: "There is nothing here.", 405: "This address does not take that method."}
        if status not in words:
            log.error("fault outside a route: %s", error.exception)
        made = self._refuse(Problem(status, words[status]) if status in words else FAULT, style)
        response = bottle.response
        response.status = made.status
        for name, value in (*made.headerlist, ("Strict-Transport-Security", self._hsts())):
            response.set_header(name, value)
        if status == 405:
            response.set_header("Allow", error.headers["Allow"])
        body: bytes = made.body
        return body
