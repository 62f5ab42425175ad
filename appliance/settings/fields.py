"""The settings described for people: one record a field, from the schema, for forms, the manual and comparisons."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from appliance.domain.errors import Problem, SettingsError
from appliance.settings.parse import parse, parse_target
from appliance.settings.schema import Settings
from appliance.settings.targetparts import Checked, Common, Files, Notices
from appliance.settings.targets import KINDS, Target


class Kind(StrEnum):
    """What a form draws for a field."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    LONGTEXT = "longtext"
    CHOICE = "choice"
    OPTIONAL_INT = "optional-int"
    OPTIONAL_FLOAT = "optional-float"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting, as a person meets it."""

    path: str
    """Dotted, for instance `site.latitude_deg`; also the name of the form's input."""
    title: str
    help: str
    unit: str
    kind: Kind
    minimum: float | None
    maximum: float | None
    max_length: int | None
    choices: tuple[str, ...]
    default: str
    """As `text_of` writes it."""


@dataclass(frozen=True, slots=True)
class SectionFields:
    """One section of the settings."""

    name: str
    title: str
    help: str
    fields: tuple[SettingField, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that differs between two trees."""

    path: str
    title: str
    """With its section: `Camera: Longest exposure`."""
    old_text: str
    new_text: str


def fields() -> tuple[SectionFields, ...]:
    """Return every section with its fields, in the order of the schema."""
    return _SECTIONS


def value_of(settings: Settings, path: str) -> object:
    """Return the value of a dotted path."""
    section, name = path.split(".")
    return getattr(getattr(settings, section), name)


def text_of(value: object) -> str:
    """Return a value as a form's input holds it."""
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else ""
        case Enum():
            return str(value.value)
        case float():
            return _number(value)
        case _:
            return str(value)


def shown(field: SettingField, value: object) -> str:
    """Return a value as a person reads it, with its unit."""
    match value:
        case None:
            return "not set"
        case bool():
            return "on" if value else "off"
        case "":
            return "empty"
    text = text_of(value)
    return f"{text} {field.unit}" if field.unit else text


def differences(old: Settings, new: Settings) -> tuple[Difference, ...]:
    """Return what changed from `old` to `new`, in the order of the schema."""
    found = []
    for section in _SECTIONS:
        for field in section.fields:
            before, after = value_of(old, field.path), value_of(new, field.path)
            if before != after:
                title = f"{section.title}: {field.title}"
                found.append(Difference(field.path, title, shown(field, before), shown(field, after)))
    return (*found, *_differences_of_targets(old, new))


def _differences_of_targets(old: Settings, new: Settings) -> list[Difference]:
    before, after = ({target.id: target for target in settings.targets} for settings in (old, new))
    found = []
    for target_id in (*before, *(after.keys() - before.keys())):
        one, other = before.get(target_id), after.get(target_id)
        if one is None or other is None or one.kind != other.kind:
            title = f"Target {next(target.title for target in (other, one) if target)}"
            found.append(
                Difference(f"targets.{target_id}", title, one.place if one else "none", other.place if other else "none")
            )
            continue
        for field in target_fields(type(other)):
            name = field.path.partition(".")[2]
            values = getattr(one, name), getattr(other, name)
            if values[0] != values[1]:
                path, title = f"targets.{target_id}.{name}", f"Target {other.title}: {field.title}"
                found.append(Difference(path, title, shown(field, values[0]), shown(field, values[1])))
    return found


def from_form(form: Mapping[str, str], base: Settings) -> Settings:
    """Return `base` with what a form says.

    Names with a dot are settings, others are the form's own business. A section counts as sent when any of its
    fields is there; in it an absent checkbox is off, any other absent field keeps its value.

    Parameters
    ----------
    form : mapping of str to str
        Untrusted: dotted path to text.
    base : Settings
        What the form does not touch.

    Raises
    ------
    SettingsError
        With every problem of every field.
    """
    names = {name for name in form if "." in name}
    problems = [Problem(name[:100], "is not a setting") for name in sorted(names - _BY_PATH.keys())]
    tree = base.model_dump(mode="json")
    for section in _SECTIONS:
        if any(name.startswith(f"{section.name}.") for name in names):
            problems += _read(section.fields, form, tree[section.name])
    return _parse_all(tree, problems)


def target_fields(kind: type[Common]) -> tuple[SettingField, ...]:
    """Return the fields of a kind of target, its place first; their paths begin with `target.`."""
    shared = Files.model_fields.keys() | Notices.model_fields.keys() | Checked.model_fields.keys()
    own = [name for name in kind.model_fields if name not in shared]
    first = ("certificate", "pictures", "products", "films", "every_min", "least_severity", "speed_kib_s")
    common = [name for name in first if name in kind.model_fields]
    rest = [name for name in kind.model_fields if name not in {*own, *common, "id", "kind", "title", "is_on"}]
    names = ["title", *(name for name in own if name != "kind"), *common, *rest, "is_on"]
    return tuple(_describe("target", name, kind.model_fields[name]) for name in names)


def target_from_form(form: Mapping[str, str], kind: str, target_id: str, base: Mapping[str, Any]) -> Target:
    """Return the target that a form describes.

    Parameters
    ----------
    form : mapping of str to str
        Untrusted: `target.` and the name of a field, to text.
    kind : str
        A word of `KINDS`.
    target_id : str
    base : mapping
        Fields that the form may leave out.

    Raises
    ------
    SettingsError
        With every problem, each with the path of its field.
    """
    described = target_fields(KINDS[kind])
    known = {field.path for field in described}
    problems = [Problem(name[:100], "is not a setting") for name in sorted(form) if "." in name and name not in known]
    tree = {**base, "id": target_id, "kind": kind}
    problems += _read(described, form, tree)
    try:
        target = parse_target(tree)
    except SettingsError as error:
        read = {problem.path for problem in problems}
        raise SettingsError((*problems, *(problem for problem in error.problems if problem.path not in read))) from error
    if problems:
        raise SettingsError(tuple(problems))
    return target


def _read(described: Iterable[SettingField], form: Mapping[str, str], tree: dict[str, Any]) -> list[Problem]:
    """Put what a form says into a section's tree; return what could not be read."""
    problems = []
    for field in described:
        if field.path not in form and field.kind is not Kind.BOOL:
            continue
        try:
            tree[field.path.partition(".")[2]] = _READERS[field.kind](form.get(field.path, ""))
        except ValueError as error:
            problems.append(Problem(field.path, str(error)))
    return problems


def _parse_all(tree: dict[str, Any], problems: list[Problem]) -> Settings:
    """Parse; add what the schema refuses to what could not even be read."""
    try:
        settings = parse(tree)
    except SettingsError as error:
        read = {problem.path for problem in problems}
        raise SettingsError((*problems, *(problem for problem in error.problems if problem.path not in read))) from error
    if problems:
        raise SettingsError(tuple(problems))
    return settings


_WHOLE = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,18}([.,]\d{0,18})?|[.,]\d{1,18})([eE][+-]?\d{1,2})?\Z", re.ASCII)


def _bool(untrusted: str) -> bool:
    if untrusted not in {"", "on", "off", "true", "false", "1", "0"}:
        raise ValueError("must be on or off")
    return untrusted in {"on", "true", "1"}


def _int(untrusted: str) -> int:
    text = untrusted.strip()
    if not _WHOLE.match(text):
        raise ValueError("must be a whole number" if text else "must not be empty")
    return int(text)


def _float(untrusted: str) -> float:
    text = untrusted.strip().replace("\u2212", "-")
    if not _DECIMAL.match(text):
        raise ValueError("must be a number, like 12.5" if text else "must not be empty")
    return float(text.replace(",", "."))


def _optional(read: Callable[[str], object]) -> Callable[[str], object]:
    return lambda untrusted: read(untrusted) if untrusted.strip() else None


def _longtext(untrusted: str) -> str:
    return untrusted.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


_READERS: Mapping[Kind, Callable[[str], object]] = {
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.TEXT: str.strip,
    Kind.LONGTEXT: _longtext,
    Kind.CHOICE: str.strip,
    Kind.OPTIONAL_INT: _optional(_int),
    Kind.OPTIONAL_FLOAT: _optional(_float),
    Kind.ZONE: str.strip,
}


def _number(value: float) -> str:
    """Return a number without a needless exponent or `.0`."""
    text = f"{value:.12f}".rstrip("0").rstrip(".") if 1e-9 <= abs(value) < 1e15 else f"{value:g}"
    return text if float(text) == value else repr(value)


def _describe(section: str, name: str, info: FieldInfo) -> SettingField:
    extra = cast("Mapping[str, Any]", info.json_schema_extra or {})
    kind, choices = _kind(info.annotation, str(extra.get("kind", "")))
    default = info.get_default(call_default_factory=True, validated_data={})
    return SettingField(
        path=f"{section}.{name}",
        title=info.title or name,
        help=info.description or "",
        unit=str(extra.get("unit", "")),
        kind=kind,
        minimum=_bound(info, "ge"),
        maximum=_bound(info, "le"),
        max_length=next((item.max_length for item in info.metadata if hasattr(item, "max_length")), None),
        choices=choices,
        default=text_of(default),
    )


def _kind(annotation: object, said: str) -> tuple[Kind, tuple[str, ...]]:
    if said:
        kind = Kind(said)
        return kind, tuple(sorted(available_timezones())) if kind is Kind.ZONE else ()
    if get_origin(annotation) in {Union, UnionType}:
        (inner,) = (kind for kind in get_args(annotation) if kind is not type(None))
        return Kind(f"optional-{inner.__name__}"), ()
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return Kind.CHOICE, tuple(str(choice.value) for choice in annotation)
    plain = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT}
    return plain[cast("type", annotation)], ()


def _bound(info: FieldInfo, word: str) -> float | None:
    return next((float(getattr(item, word)) for item in info.metadata if hasattr(item, word)), None)


def _sections() -> tuple[SectionFields, ...]:
    found = []
    for name, info in Settings.model_fields.items():
        if name == "targets":  # they have pages of their own
            continue
        model = cast("type[BaseModel]", info.annotation)
        described = tuple(_describe(name, field, field_info) for field, field_info in model.model_fields.items())
        found.append(SectionFields(name, info.title or name, (model.__doc__ or "").strip(), described))
    return tuple(found)


_SECTIONS = _sections()
_BY_PATH = {field.path: field for section in _SECTIONS for field in section.fields}
