"""The head of an HTTP/1 request, parsed strictly, once, before any byte of it reaches the application server.

What two parsers could read differently is refused: repeated or malformed lengths, folded lines, bare line feeds, a
second host. The head that is passed on is written anew from the parsed value.
"""

import re
from dataclasses import dataclass

from appliance.domain.errors import InputError
from appliance.web.limits import Limits

END = b"\r\n\r\n"
SUNK = "x-nightjar-sunk"
"""The front's word to the application that a body lies in a sink, and under which token; from a client it is dropped."""

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-\"$-~]{0,4095}) HTTP/1\.([01])\Z")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}\Z")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_LENGTH = re.compile(r"[0-9]{1,12}\Z")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?\Z")
_ONCE = frozenset(
    ["host", "content-length", "content-type", "authorization", "cookie", "origin", "x-csrf-token", "expect", "connection"]
)
_OF_THIS_HOP = frozenset(  # "te" to "forwarded" among them
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "transfer-encoding",
        "forwarded",
        "via",
    ]
)


class HeadError(InputError):
    """A request is refused at its head; `status` is the answer."""

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.retry_after_s, self.reason = status, retry_after_s, reason


@dataclass(frozen=True, slots=True)
class RequestHead:
    """One request, without its body."""

    method: str
    target: str
    """Path and query as they came: printable ASCII that begins with a slash."""
    is_http_11: bool
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, values as latin-1 without surrounding blanks."""
    host: str
    """Name or address without port, lower case, an IPv6 address without its brackets; empty only in HTTP/1.0."""
    body_bytes: int
    expects_continue: bool
    wants_close: bool

    def header(self, name: str) -> str:
        """Return a header's value, the last where it came more than once, empty where it did not come."""
        return next((value for known, value in reversed(self.headers) if known == name), "")

    def passed_on(self) -> bytes:
        """Return the head for the application server: one request, then close; what belongs to this hop is left out."""
        return self._passed_on(self.headers)

    def passed_on_for(self, token: str, body_bytes: int) -> bytes:
        """Return the head where the body has gone to a sink: it says under which token, and how much of it comes along."""
        others = tuple((name, value) for name, value in self.headers if name != "content-length")
        return self._passed_on((*others, ("content-length", str(body_bytes))), f"{SUNK}: {token}")

    def _passed_on(self, headers: tuple[tuple[str, str], ...], *ours: str) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.{int(self.is_http_11)}"]
        lines += [f"{name}: {value}" for name, value in headers if _is_passed_on(name)]
        lines += [*ours, "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


def parse_head(untrusted: bytes, limits: Limits) -> RequestHead:
    r"""Parse a head that ends in CR LF CR LF.

    Raises
    ------
    HeadError
        With the status to answer: 400 malformed, 411 a body without a length, 413 a body too large, 417 an unknown
        expectation, 431 too many headers, 505 another version of HTTP.
    """
    lines = untrusted.removeprefix(b"\r\n").removesuffix(END).split(b"\r\n")
    if len(lines) - 1 > limits.headers:
        raise HeadError(431, f"more than {limits.headers} header lines")
    method, target, is_http_11 = _request_line(lines[0])
    headers = tuple(_header(line) for line in lines[1:])
    values: dict[str, str] = {}
    for name, value in headers:
        if name in values and name in _ONCE:
            raise HeadError(400, f"the header {name} came twice")
        values[name] = value
    return RequestHead(
        method,
        target,
        is_http_11,
        headers,
        _host(values.get("host"), is_http_11),
        _body_bytes(values, limits),
        _expects_continue(values, is_http_11),
        _wants_close(values, is_http_11),
    )


def split_host(text: str) -> tuple[str, int | None] | None:
    """Return name or address (without brackets, lower case) and port of a Host value, or None if it is malformed."""
    match = _HOST.match(text)
    if match is None:
        return None
    port = match["port"]
    return match["host"].strip("[]").rstrip(".").lower(), int(port) if port else None


def _is_passed_on(name: str) -> bool:
    return name not in _OF_THIS_HOP and "_" not in name and name != SUNK and not name.startswith("x-forwarded")


def _request_line(line: bytes) -> tuple[str, str, bool]:
    match = _REQUEST_LINE.match(line)
    if match is None:
        if re.match(rb"[A-Z]+ \S+ HTTP/[02-9]", line):
            raise HeadError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        raise HeadError(400, "the request line is malformed")
    return match[1].decode(), match[2].decode(), match[3] == b"1"


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.match(name) or not _VALUE.match(value):
        raise HeadError(400, "a header line is malformed")
    return name.decode().lower(), value.strip(b" \t").decode("latin-1")


def _host(value: str | None, is_http_11: bool) -> str:
    if value is None:
        if is_http_11:
            raise HeadError(400, "the header host is missing")
        return ""
    parts = split_host(value)
    if parts is None:
        raise HeadError(400, "the header host is malformed")
    return parts[0]


def _body_bytes(values: dict[str, str], limits: Limits) -> int:
    length = values.get("content-length")
    if "transfer-encoding" in values:
        if length is not None:
            raise HeadError(400, "a length and a transfer encoding exclude each other")
        raise HeadError(411, "send the body with a Content-Length")
    if length is None:
        return 0
    if not _LENGTH.match(length):
        raise HeadError(400, "the header content-length is malformed")
    if int(length) > limits.body_bytes:
        raise HeadError(413, f"a body may have {limits.body_bytes} bytes at most")
    return int(length)


def _expects_continue(values: dict[str, str], is_http_11: bool) -> bool:
    expectation = values.get("expect", "").lower()
    if expectation not in ("", "100-continue"):
        raise HeadError(417, "the expectation is unknown")
    return bool(expectation) and is_http_11


def _wants_close(values: dict[str, str], is_http_11: bool) -> bool:
    words = {word.strip().lower() for word in values.get("connection", "").split(",")}
    return "close" in words or (not is_http_11 and "keep-alive" not in words)
