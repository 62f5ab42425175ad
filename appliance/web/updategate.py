"""The gate of updates: whether a request's head alone shows an admin, before the door lets the first byte of a chunk in."""

from http.cookies import CookieError, SimpleCookie

from appliance.domain.access import Access, Scope
from appliance.web.door import Leave
from appliance.web.guard import FORM_COOKIE, SESSION_COOKIE, Evidence, identify, is_forged
from appliance.web.head import HeadError, RequestHead
from appliance.web.login import Gate
from appliance.web.visit import ORDER, Visitor

UPLOAD = "/api/v1/update/upload/"
CHUNK_BYTES = 8 << 20
"""The largest body of one request."""


class UpdateGate:
    """Lets chunks of a bundle in, one at a time; the route asks everything again once the body is there."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def ask_leave(self, head: RequestHead, _address: str) -> Leave:
        """Say what a head may bring; raises HeadError where it may bring nothing large."""
        if not self._gate.is_claimed:
            raise HeadError(403, "nobody has claimed this appliance yet")
        seen = _evidence(head)
        visitor = identify(seen, self._gate, everybody=Access.ANYONE)
        if visitor.session is None and visitor.token is None:
            raise HeadError(401, "log in first")
        if not _is_admin(visitor):
            raise HeadError(403, "only an admin may bring an update")
        if is_forged(head.method, seen, visitor, {}):
            raise HeadError(403, "this request did not come from a page of this panel")
        return Leave(CHUNK_BYTES, "update")


def _is_admin(visitor: Visitor) -> bool:
    if visitor.token is not None:
        return ORDER[visitor.token.scope] >= ORDER[Scope.ADMIN]
    return visitor.level is Access.ADMIN


def _evidence(head: RequestHead) -> Evidence:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(head.header("cookie"))
    except CookieError as error:
        raise HeadError(400, "the header cookie is malformed") from error
    found = {name: cookies[name].value if name in cookies else "" for name in (SESSION_COOKIE, FORM_COOKIE)}
    return Evidence(
        host=head.header("host"),
        origin=head.header("origin"),
        fetch_site=head.header("sec-fetch-site"),
        authorization=head.header("authorization"),
        has_cookie_header=any(name == "cookie" for name, _ in head.headers),
        session_cookie=found[SESSION_COOKIE],
        form_cookie=found[FORM_COOKIE],
        csrf_header=head.header("x-csrf-token"),
    )
