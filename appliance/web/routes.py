"""The table of routes: what is not in it does not exist, and nothing enters it without saying who may ask.

Pages, media and API are functions from a `Visit` to an `Answer`, declared with `@route`; the matrix of tests and the
OpenAPI document are made from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from appliance.domain.access import Access, Scope
from appliance.web.answers import Answer
from appliance.web.visit import Visit

Handler = Callable[[Visit], Answer]
Schema = dict[str, object] | Callable[[], dict[str, object]]
"""Of JSON; or what makes it, once somebody asks for the API's document."""

SAFE_METHODS = frozenset({"GET"})
"""HEAD is GET without the body, everywhere."""
METHODS = frozenset({"GET", "POST", "PUT"})
LARGEST_BODY = 64 * 1024
"""What a body may have where its route says nothing else."""


class Style(Enum):
    """How a route refuses: a page sends people to the login, the others answer with a status."""

    PAGE = auto()
    MEDIA = auto()
    API = auto()
    V1 = auto()
    """indi-allsky's own sync: its handler asks for that program's signature, and answers in its words."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query, for the API's document."""

    name: str
    schema: dict[str, object]
    help: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one path."""

    method: str
    path: str
    """With `<name>` for what varies."""
    access: Access
    style: Style
    handler: Handler
    scope: Scope | None
    """What an API token needs; None: no token opens this."""
    when_unclaimed: bool
    """Whether it answers before anybody has claimed the appliance; then it is for that time, and nothing else answers."""
    parameters: tuple[Parameter, ...] = ()
    answer: type | Schema | None = None
    """What the API answers: a dataclass, or a schema."""
    body: Schema | None = field(default=None)
    """Schema of what the API takes."""
    largest_body: int = LARGEST_BODY
    """Larger ones come past the front only where the door has been told of them; see `door.py`."""
    upload: tuple[str, ...] = ()
    """Fields of its form beside a file; where there are any, the body may be as large as the door lets in."""

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n")[0]


_TABLE: dict[tuple[str, str], Route] = {}


def route(
    method: str,
    path: str,
    *,
    access: Access,
    style: Style = Style.PAGE,
    scope: Scope | None = None,
    when_unclaimed: bool = False,
    parameters: tuple[Parameter, ...] = (),
    answer: type | Schema | None = None,
    body: Schema | None = None,
    largest_body: int = LARGEST_BODY,
    upload: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Put a handler into the table; a wrong declaration is an error while the program is imported.

    Raises
    ------
    TypeError
        If no access is declared.
    ValueError
        If the method is not served, the path is taken, or an open route would change something.
    """
    if not isinstance(access, Access):
        raise TypeError(f"{method} {path} needs an access of Access, not {access!r}")
    if method not in METHODS:
        raise ValueError(f"{path}: {method} is not served; use one of {sorted(METHODS)}")
    if (method, path) in _TABLE:
        raise ValueError(f"{method} {path} is declared twice")

    def declare(handler: Handler) -> Handler:
        _TABLE[method, path] = Route(
            method, path, access, style, handler, scope, when_unclaimed, parameters, answer, body, largest_body, upload
        )
        return handler

    return declare


def table() -> tuple[Route, ...]:
    """Return every route, sorted by path and method."""
    return tuple(sorted(_TABLE.values(), key=lambda entry: (entry.path, entry.method)))
