"""Answers as Bottle sends them, and a request's headers as a value: the only module beside `app.py` that knows Bottle's."""

import bottle

from appliance.web.answers import Content, Cookie, Json, Media, Redirect, Stream
from appliance.web.encode import to_json
from appliance.web.guard import FORM_COOKIE, SESSION_COOKIE, Evidence
from appliance.web.headers import EVERYWHERE, PRIVATE
from appliance.web.media import Conditions, matches, part_of, send
from appliance.web.peergate import SignedRequest


def evidence() -> Evidence:
    """Return what the current request's headers say about who sent it."""
    environ, request = bottle.request.environ, bottle.request
    return Evidence(
        host=environ.get("HTTP_HOST", ""),
        origin=environ.get("HTTP_ORIGIN", ""),
        fetch_site=environ.get("HTTP_SEC_FETCH_SITE", ""),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        has_cookie_header="HTTP_COOKIE" in environ,
        session_cookie=request.get_cookie(SESSION_COOKIE) or "",
        form_cookie=request.get_cookie(FORM_COOKIE) or "",
        csrf_header=environ.get("HTTP_X_CSRF_TOKEN", ""),
    )


def signed_request() -> SignedRequest:
    """Return what the current request's head says of its signature."""
    environ = bottle.request.environ
    return SignedRequest(
        environ.get("HTTP_AUTHORIZATION", ""),
        environ["REQUEST_METHOD"],
        environ["REQUEST_URI"],
        environ.get("HTTP_NIGHTJAR_METADATA", ""),
    )


def reply(status: int, body: bytes, content_type: str) -> bottle.HTTPResponse:
    """Return an answer with the headers that every answer has."""
    response = bottle.HTTPResponse(body=body, status=status)
    for name, value in EVERYWHERE:
        response.set_header(name, value)
    response.set_header("Cache-Control", PRIVATE)
    response.set_header("Content-Type", content_type)
    return response


def add_headers(response: bottle.HTTPResponse, headers: tuple[tuple[str, str], ...]) -> None:
    """Set further headers."""
    for name, value in headers:
        response.set_header(name, value)


def set_cookies(response: bottle.HTTPResponse, cookies: tuple[Cookie, ...]) -> None:
    """Set cookies, each bound to this host, to HTTPS, to HTTP itself and to our own pages."""
    for cookie in cookies:
        words = [f"{cookie.name}={cookie.value}", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
        if cookie.max_age_s is not None:
            words.append(f"Max-Age={cookie.max_age_s}")
        response.add_header("Set-Cookie", "; ".join(words))


def json_reply(answer: Json) -> bottle.HTTPResponse:
    """Return an answer of the API; nothing but its head where the client has it already."""
    none_match = bottle.request.environ.get("HTTP_IF_NONE_MATCH", "")
    if answer.etag and none_match and matches(answer.etag, none_match):
        response = reply(304, b"", "application/json")
        del response.headers["Content-Type"]
    else:
        response = reply(answer.status, to_json(answer.value), "application/json")
    if answer.etag:
        add_headers(response, (("ETag", answer.etag), ("Cache-Control", "private, no-cache")))
    add_headers(response, answer.headers)
    return response


def redirect_reply(answer: Redirect) -> bottle.HTTPResponse:
    """Return the way to another page of ours."""
    response = reply(303, b"", "text/html; charset=utf-8")
    response.set_header("Location", answer.location)
    add_headers(response, answer.headers)
    set_cookies(response, answer.cookies)
    return response


def content_reply(answer: Content) -> bottle.HTTPResponse:
    """Return bytes, or a stream of them that is never held as a whole."""
    none_match = bottle.request.environ.get("HTTP_IF_NONE_MATCH", "")
    is_known = bool(answer.etag and none_match and matches(answer.etag, none_match))
    response = reply(304 if is_known else 200, b"", answer.content_type)
    response.set_header("Cache-Control", answer.cache_control)
    if answer.etag:
        response.set_header("ETag", answer.etag)
    if answer.download_name:
        response.set_header("Content-Disposition", f'attachment; filename="{answer.download_name}"')
    add_headers(response, answer.headers)
    if not is_known:
        response.body = answer.body
    return response


def media_reply(answer: Media) -> bottle.HTTPResponse:
    """Return a file, a part of it, or that it has not changed."""
    sent = send(answer, _conditions())
    response = reply(sent.status, b"", "application/octet-stream")
    add_headers(response, sent.headers)
    if sent.file is not None:
        response.body = sent.file
    return response


def stream_reply(answer: Stream) -> bottle.HTTPResponse:
    """Return what is made while it is sent, a part of it, or that it has not changed."""
    conditions = _conditions()
    validators = (("ETag", answer.etag), ("Cache-Control", "private, no-cache"), ("Accept-Ranges", "bytes"))
    if conditions.none_match and matches(answer.etag, conditions.none_match):
        response = reply(304, b"", answer.content_type)
        add_headers(response, validators)
        return response
    part = part_of(answer.length, answer.etag, conditions)
    response = reply(part.status, b"", answer.content_type)
    add_headers(response, (*validators, *part.headers))
    response.set_header("Content-Disposition", f'attachment; filename="{answer.download_name}"')
    if part.status != 416 and bottle.request.method != "HEAD":
        response.body = answer.pieces(part.first, part.last)
    return response


def _conditions() -> Conditions:
    """Return what the current request's browser says that it has already."""
    environ = bottle.request.environ
    return Conditions(
        environ.get("HTTP_IF_NONE_MATCH", ""),
        environ.get("HTTP_IF_MODIFIED_SINCE", ""),
        environ.get("HTTP_RANGE", ""),
        environ.get("HTTP_IF_RANGE", ""),
    )
