"""What a handler answers with, as values; `app.py` makes HTTP of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.domain.errors import NightjarError


class NotFoundError(NightjarError):
    """There is no such page, frame, night or file; the message says so in words."""


class BusyError(NightjarError):
    """Too many do this at once; the message says so in words, and `retry_after_s` when to try again."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TurnedAwayError(NightjarError):
    """A request of another program is refused with a status, and a reason in one word that the program can act upon."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie; always `__Host-`, Secure, HttpOnly and SameSite=Strict."""

    name: str
    value: str
    max_age_s: int | None = None
    """None: until the browser is closed; 0: forget it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page made from a template."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    cookies: tuple[Cookie, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Json:
    """A value for the API; dataclasses become objects."""

    value: object
    status: int = 200
    etag: str = ""
    """If given, the answer may be kept and asked for again with If-None-Match."""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """See another page of ours, with GET."""

    location: str
    cookies: tuple[Cookie, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """A file of the data folder."""

    path: Path
    content_type: str
    max_age_s: int
    """How long a browser may show its copy without asking again; 0: never."""
    download_name: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    is_public: bool = False
    """Whether caches on the way to the browser may keep it, too."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that we hold or make."""

    body: bytes | Iterable[bytes]
    content_type: str
    download_name: str = ""
    etag: str = ""
    cache_control: str = "no-store"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """What is made while it is sent, and whose length is known before."""

    length: int
    pieces: Callable[[int, int], Iterable[bytes]]
    """Makes the bytes from the first to the last, both included; closed by whoever sends them, also if it never began."""
    content_type: str
    download_name: str
    etag: str


Answer = Page | Json | Redirect | Media | Content | Stream
