"""Settings from untrusted data: a typed tree, or every reason why not, in plain words."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from appliance.domain.errors import Problem, SettingsError
from appliance.settings.migrate import migrate
from appliance.settings.schema import VERSION, Settings
from appliance.settings.targets import Target

LARGEST_TEXT = 256 << 10
MOST_PROBLEMS = 100
_TARGET: TypeAdapter[Target] = TypeAdapter(Target)

_WORDS = {
    "greater_than_equal": "must be at least {ge:g}{unit}",
    "less_than_equal": "must be at most {le:g}{unit}",
    "greater_than": "must be more than {gt:g}{unit}",
    "less_than": "must be less than {lt:g}{unit}",
    "string_too_long": "has more than {max_length} letters; shorten it",
    "string_too_short": "needs at least {min_length} letters",
    "string_pattern_mismatch": "holds letters that do not belong here",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "finite_number": "must be a number, not infinite",
    "bool_type": "must be true or false",
    "enum": "must be one of {expected}",
    "model_type": "must be a section with its settings",
    "model_attributes_type": "must be a section with its settings",
    "missing": "is missing",
    "json_invalid": "is not JSON: {error}",
    "misfit": "{message}",
    "value_error": "{error}",
}


def parse(untrusted: object) -> Settings:
    """Return the settings that a tree of plain values describes; what it leaves out has its default.

    Types are strict: the text "5" is no number. Forms, where all is text, come through `fields.from_form`.

    Raises
    ------
    SettingsError
        With every problem, each with its dotted path.
    """
    try:
        text = json.dumps(untrusted, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError((Problem("settings", f"is not JSON: {error}"),)) from error
    return _parse_text(text)


def parse_target(untrusted: object) -> Target:
    """Return the target that a tree of plain values describes.

    Raises
    ------
    SettingsError
        With every problem, each with the path `target.` and its field.
    """
    try:
        return _TARGET.validate_json(json.dumps(untrusted, allow_nan=False), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        problems = [_problem(detail) for detail in details]
        raise SettingsError(tuple(Problem(f"target.{one.path.rpartition('.')[2]}", one.message) for one in problems)) from error


def from_json(text: str, version: int = VERSION) -> Settings:
    """Return the settings of a JSON text that was written with the schema of `version`.

    Raises
    ------
    SettingsError
        As `parse`, and if the text is too large or its version is newer than this program.
    """
    _check_size(text)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError((Problem("settings", f"is not JSON: {error}"),)) from error
    if not isinstance(tree, dict):
        raise SettingsError((Problem("settings", "must be an object of sections"),))
    return parse(migrate(version, tree))


def to_json(settings: Settings) -> str:
    """Return settings as JSON, every field named."""
    return settings.model_dump_json()


def _parse_text(text: str) -> Settings:
    _check_size(text)
    try:
        return Settings.model_validate_json(text, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        raise SettingsError(tuple(_problem(detail) for detail in details)) from error


def _check_size(text: str) -> None:
    if len(text) > LARGEST_TEXT:
        raise SettingsError((Problem("settings", f"has more than {LARGEST_TEXT // 1024} KiB"),))


def _problem(detail: ErrorDetails) -> Problem:
    context: dict[str, Any] = dict(detail.get("ctx", {}))
    path = [str(word) for word in detail["loc"]]
    if field := context.pop("field", None):  # a check over a whole section names the field that it is about
        path.append(str(field))
    dotted = ".".join(path)[:200] or "settings"
    if detail["type"] == "extra_forbidden":
        return Problem(dotted, f"is not a setting{_advice(path)}")
    unit = _unit(path)
    words = _WORDS.get(detail["type"], detail["msg"])
    try:
        return Problem(dotted, words.format_map(context | {"unit": f" {unit}" if unit else ""}))
    except (KeyError, ValueError):
        return Problem(dotted, detail["msg"])


def _advice(path: list[str]) -> str:
    """Return `; did you mean ...?` for a key that looks like a true one."""
    model: type[BaseModel] | None = _section(path[:-1])
    close = difflib.get_close_matches(path[-1][:100], list(model.model_fields), n=1) if model else []
    return f"; did you mean {close[0]}?" if close else "; remove it"


def _unit(path: list[str]) -> str:
    model = _section(path[:-1])
    field = model.model_fields.get(path[-1]) if model and path else None
    extra = field.json_schema_extra if field else None
    return str(extra.get("unit", "")) if isinstance(extra, Mapping) else ""


def _section(path: list[str]) -> type[BaseModel] | None:
    if not path:
        return Settings
    field = Settings.model_fields.get(path[0]) if len(path) == 1 else None
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
