"""Settings for programs: read as a tree, replaced as a whole."""

import json

from appliance.domain.access import Access, Scope
from appliance.domain.errors import InputError
from appliance.settings.parse import parse
from appliance.settings.schema import Settings
from appliance.web.answers import Answer, Json
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


def _schema() -> dict[str, object]:
    """Return the form of all settings; made when somebody asks for the API's document, not at each start."""
    return Settings.model_json_schema(ref_template="#/components/schemas/{model}")


@route("GET", "/api/v1/settings", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=_schema)
def read(visit: Visit) -> Answer:
    """Tell the settings in force."""
    return _settings(visit.settings)


@route("PUT", "/api/v1/settings", access=Access.ADMIN, style=Style.API, scope=Scope.WRITE, answer=_schema, body=_schema)
def replace(visit: Visit) -> Answer:
    """Replace the settings; what is left out returns to its default."""
    try:
        tree = json.loads(visit.body)
    except (ValueError, RecursionError) as error:
        raise InputError("The body must be JSON.") from error
    settings = parse(tree)
    revision = visit.parts.settings.save(settings, visit.visitor.name)
    visit.note("settings saved", f"revision {revision.id}")
    return _settings(settings)


def _settings(settings: Settings) -> Json:
    return Json(settings.model_dump(mode="json"))
