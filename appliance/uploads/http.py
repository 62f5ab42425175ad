"""One HTTPS connection to one place: files go out in pieces, every wait has a deadline, no redirect is followed."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.uploads.faults import DEADLINE_S, told
from appliance.uploads.port import Progress
from appliance.uploads.trust import Patient, connect, context_of

CHUNK = 32 << 10
ANSWER_S = 30.0
"""The longest that an answer may take in all."""
LARGEST_ANSWER = 256 << 10
_AGENT = "Nightjar"
_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}
_FAULTS = {
    401: Fault.LOGIN,
    403: Fault.RIGHT,
    404: Fault.PATH,
    405: Fault.PATH,
    407: Fault.LOGIN,
    409: Fault.PATH,
    410: Fault.PATH,
    507: Fault.FULL,
}
_REFUSED = {400, 411, 413, 414, 415, 422}


class Readable(Protocol):
    """What can be read in pieces, as a file."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes
    """At most 256 KiB of it."""

    @property
    def is_well(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300


def parse_address(untrusted: str) -> SplitResult:
    """Return the parts of an https address.

    Raises
    ------
    InputError
        If it is none, or holds a name and password: they belong into their own fields.
    """
    try:
        parts = urlsplit(untrusted)
        port = parts.port
    except ValueError as error:
        raise InputError("This is no address. It looks like https://cloud.example.net/sky/") from error
    if parts.scheme != "https" or not parts.hostname or port == 0:
        raise InputError("The address begins with https:// and a host name.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InputError("Name and password have fields of their own; the address holds neither, and no #.")
    return parts


def type_of(name: str) -> str:
    """Return the media type of a file by its name."""
    return next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "application/octet-stream")


class Https:
    """A connection that is made when it is first used, and again after it broke."""

    def __init__(self, host: str, port: int, certificate: str) -> None:
        self._host, self._port, self._certificate = host, port, certificate
        self._connection: _Connection | None = None

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Readable = b"",
        *,
        size: int | None = None,
        progress: Progress = lambda _: None,
    ) -> Answer:
        """Make one request and return what the server says.

        Parameters
        ----------
        method : str
        path : str
            Path and query, escaped.
        headers : mapping
        body : bytes or a file
        size : int or None
            Bytes of a file that are sent, from where it stands.
        progress : callable
            See `Progress`.

        Raises
        ------
        UploadError
            If there is no answer.
        """
        length = len(body) if isinstance(body, bytes) else size
        if length is None:
            raise ValueError("the size of a file must be said")
        pieces = _pieces(body, length, progress)
        sent = {"User-Agent": _AGENT, "Content-Length": str(length), **headers}
        try:
            with told():
                return self._exchange(method, path, sent, pieces)
        except http.client.HTTPException as error:
            self.close()
            raise UploadError(
                Fault.BROKEN, f"no answer that could be understood: {str(error) or type(error).__name__}"
            ) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], pieces: Iterator[bytes]) -> Answer:
        if self._connection is None:
            self._connection = _Connection(self._host, self._port, context_of(self._certificate))
        connection = self._connection
        connection.must_answer(None)
        try:
            connection.request(method, path, pieces, dict(headers))
        except (BrokenPipeError, ConnectionResetError):  # it said no before it had heard all: what it said is worth reading
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = self._answer(connection)
                self.close()
                return answer
            raise
        return self._answer(connection)

    def _answer(self, connection: "_Connection") -> Answer:
        connection.must_answer(ANSWER_S)
        response = connection.getresponse()
        body = response.read(LARGEST_ANSWER)
        if response.length and len(body) < LARGEST_ANSWER:  # read() takes what a cut has left for the whole
            raise http.client.IncompleteRead(body, response.length)
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(response.status, response.reason, headers, body)


def raise_for(answer: Answer, what: str) -> None:
    """Raise the fault that an answer tells of; return where it is well.

    Raises
    ------
    UploadRefusedError
        If this file is not taken.
    UploadError
    """
    if answer.is_well:
        return
    said = f"{what}: {answer.status} {answer.reason}"[:200]
    if 300 <= answer.status < 400:
        raise UploadError(Fault.PATH, f"{said}; it is now at {answer.headers.get('location', 'another address')[:200]}")
    if answer.status in _REFUSED:
        raise UploadRefusedError(f"The server does not take it: {said}")
    raise UploadError(_FAULTS.get(answer.status, Fault.BROKEN), said)


class _Connection(http.client.HTTPSConnection):
    """A connection that checks whom it speaks to as `trust.py` says."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=DEADLINE_S, context=context)
        self._trust = context

    def connect(self) -> None:
        """Connect."""
        self.sock = connect(self.host, self.port, self._trust)

    def must_answer(self, within_s: float | None) -> None:
        """Set the time by which an answer has to be there in all."""
        if isinstance(self.sock, Patient):
            self.sock.until_s = None if within_s is None else time.monotonic() + within_s
            self.sock.settimeout(DEADLINE_S)


def _pieces(body: bytes | Readable, length: int, progress: Progress) -> Iterator[bytes]:
    """Yield a body, and say how far it has gone."""
    if isinstance(body, bytes):
        yield from (body[begin : begin + CHUNK] for begin in range(0, length, CHUNK))
        return
    sent = 0
    while sent < length:
        chunk = body.read(min(CHUNK, length - sent))
        if not chunk:
            raise UploadError(Fault.BROKEN, "the file has become shorter")
        yield chunk
        sent += len(chunk)
        progress(sent)
