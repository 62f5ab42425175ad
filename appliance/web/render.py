"""Templates and static files: read once at the start, escaped always."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bottle import SimpleTemplate

from appliance.web.words import HELPERS

_HERE = Path(__file__).parent
_TEMPLATES = _HERE / "templates"
_STATIC = _HERE / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of ours that every visitor gets."""

    body: bytes
    content_type: str
    version: str
    """From its content: an address with it may be kept for ever."""


def _read_static() -> Mapping[str, StaticFile]:
    found = {}
    for path in sorted(_STATIC.iterdir()):
        body = path.read_bytes()
        found[path.name] = StaticFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
    return found


STATIC = _read_static()
_ICONS = {path.stem: path.read_text("ascii").strip() for path in sorted((_HERE / "icons").iterdir())}
"""Drawings of ours that stand inside pages, so that they take the colour of the words beside them."""


def static_address(name: str) -> str:
    """Return the address of a static file, with its version."""
    return f"/static/{name}?v={STATIC[name].version}"


def icon(name: str) -> str:
    """Return a drawing as markup."""
    return _ICONS[name]


class Templates:
    """Every template, compiled at its first use; Bottle escapes each `{{value}}`."""

    def __init__(self) -> None:
        self._compiled: dict[str, SimpleTemplate] = {}

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """Return a page."""
        template = self._compiled.get(name)
        if template is None:
            template = self._compiled[name] = SimpleTemplate(name=f"{name}.html", lookup=[str(_TEMPLATES)])
        text: str = template.render({**HELPERS, "static": static_address, "icon": icon, **values})
        return text
