"""Answers that the TLS front gives by itself, in words, before the application is asked."""

import html
import json
from http import HTTPStatus

from appliance.web.headers import EVERYWHERE, PRIVATE

_HEADERS = (*(f"{name}: {value}" for name, value in EVERYWHERE), f"Cache-Control: {PRIVATE}", "Connection: close")


def refusal(
    status: int, message: str, *, is_api: bool = False, hsts: str = "", retry_after_s: int | None = None, reason: str = ""
) -> bytes:
    """Return a whole answer that refuses a request and ends the connection."""
    phrase = HTTPStatus(status).phrase
    if is_api:
        kind = "application/problem+json"
        told = {"type": "about:blank", "title": phrase, "status": status, "detail": message}
        body = json.dumps({**told, "reason": reason} if reason else told)
    else:
        kind = "text/html; charset=utf-8"
        body = (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{phrase}</title></head>'
            f"<body><h1>{phrase}</h1><p>{html.escape(message)}</p></body></html>"
        )
    content = body.encode()
    lines = [f"HTTP/1.1 {status} {phrase}", f"Content-Type: {kind}", f"Content-Length: {len(content)}", *_HEADERS]
    if retry_after_s is not None:
        lines.append(f"Retry-After: {retry_after_s}")
    if hsts:
        lines.append(f"Strict-Transport-Security: {hsts}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def page_answer(page: str, *, has_body: bool = True) -> bytes:
    """Return a whole answer with a page."""
    content = page.encode()
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", f"Content-Length: {len(content)}", *_HEADERS]
    return "\r\n".join([*lines, "", ""]).encode() + (content if has_body else b"")


def redirection(location: str) -> bytes:
    """Return a whole answer that sends the client, for good and with its method, to `location`."""
    lines = ["HTTP/1.1 308 Permanent Redirect", f"Location: {location}", "Content-Length: 0", *_HEADERS]
    return "\r\n".join([*lines, "", ""]).encode()
