"""Who asks, and whether they may: cookies, tokens, levels, and requests that another site made a browser send."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.access import Access
from appliance.security.tokens import looks_like_token, new_token, same
from appliance.settings.schema import Web
from appliance.web.login import Gate
from appliance.web.routes import SAFE_METHODS, Route
from appliance.web.visit import ORDER, Visitor

SESSION_COOKIE = "__Host-nightjar"
FORM_COOKIE = "__Host-nightjar-form"
"""For the forms of people who have no session yet: claim and login."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a request's headers say about who sent it."""

    host: str
    origin: str
    fetch_site: str
    authorization: str
    has_cookie_header: bool
    session_cookie: str
    form_cookie: str
    csrf_header: str

    @property
    def bearer(self) -> str:
        """The token of the Authorization header, empty where there is none."""
        scheme, _, rest = self.authorization.partition(" ")
        return rest.strip() if scheme.lower() == "bearer" else ""


def open_to_everybody(web: Web) -> Access:
    """Return what an admin has opened to people without a login; public pictures are more than the public page."""
    if web.public_pictures:
        return Access.VIEWER
    return Access.PUBLIC if web.public_page else Access.ANYONE


def identify(evidence: Evidence, gate: Gate, *, everybody: Access) -> Visitor:
    """Return who asks. A cookie wins over a token, so that a request with both is never exempt from the CSRF check."""
    session = gate.session_of(evidence.session_cookie) if evidence.session_cookie else None
    token = gate.token_of(evidence.bearer) if evidence.bearer and not evidence.has_cookie_header else None
    return Visitor(session, token, everybody)


def is_allowed(route: Route, visitor: Visitor) -> bool:
    """Say whether the visitor's level, or the token's scope, opens a route."""
    if visitor.everybody >= route.access:
        return True
    if visitor.token is not None:
        return route.scope is not None and ORDER[visitor.token.scope] >= ORDER[route.scope]
    return visitor.level >= route.access


def form_token(evidence: Evidence, visitor: Visitor) -> str:
    """Return the token that forms carry: the session's, or for people without one the cookie's, which may be new."""
    if visitor.session is not None:
        return visitor.session.csrf_token
    return evidence.form_cookie if looks_like_token(evidence.form_cookie) else new_token().reveal()


def is_forged(method: str, evidence: Evidence, visitor: Visitor, form: Mapping[str, str]) -> bool:
    """Say whether a request that changes something may have been sent by another site.

    The browser's own words come first: `Sec-Fetch-Site` and `Origin`, where it sends them. The token is asked for in
    any case. Exempt are programs that show a Bearer token and no cookie: a browser never adds such a header by itself.
    """
    if method in SAFE_METHODS:
        return False
    if evidence.fetch_site not in ("", "same-origin"):
        return True
    if evidence.origin and evidence.origin.lower() != f"https://{evidence.host.lower()}":
        return True
    if evidence.authorization and not evidence.has_cookie_header:
        return visitor.token is None
    expected = visitor.session.csrf_token if visitor.session is not None else evidence.form_cookie
    shown = evidence.csrf_header or form.get("csrf", "")
    return not looks_like_token(expected) or not same(expected, shown)
