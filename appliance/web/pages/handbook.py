"""The user's manual in the panel: the pages of `appliance/manual`, and the settings described from their schema."""

from pathlib import Path

from appliance.domain.access import Access
from appliance.settings.fields import fields
from appliance.web.answers import Answer, NotFoundError, Page
from appliance.web.markdown import Chapter, read_chapter
from appliance.web.routes import route
from appliance.web.visit import Visit

FOLDER = Path(__file__).parents[2] / "manual"
ORDER = (
    "first-steps",
    "live",
    "gallery",
    "public",
    "usb",
    "targets",
    "observatory",
    "indi-allsky",
    "notices",
    "settings",
    "system",
    "camera",
    "machine",
    "updates",
    "network",
    "backup",
    "factory-reset",
    "sensors",
    "accounts",
    "security",
    "privileges",
)


def _read() -> dict[str, Chapter]:
    return {name: read_chapter((FOLDER / f"{name}.md").read_text("utf-8")) for name in ORDER}


CHAPTERS = _read()


@route("GET", "/help", access=Access.ANYONE)
def contents(_visit: Visit) -> Answer:
    """Show what the manual holds."""
    return Page("help", {"chapters": CHAPTERS, "chapter": None, "sections": (), "name": "", "active": "help"})


@route("GET", "/help/<name>", access=Access.ANYONE)
def chapter(visit: Visit) -> Answer:
    """Show a chapter of the manual."""
    name = visit.args["name"]
    found = CHAPTERS.get(name)
    if found is None:
        raise NotFoundError("The manual has no such chapter.")
    sections = fields() if name == "settings" else ()
    return Page("help", {"chapters": CHAPTERS, "chapter": found, "sections": sections, "name": name, "active": "help"})
