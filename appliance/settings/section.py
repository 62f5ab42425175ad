"""What sections of the settings and their fields are made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


def setting(default: Any, title: str, help_: str, *, unit: str = "", kind: str = "", **bounds: Any) -> Any:  # noqa: ANN401 - a field's default has any type
    """Return a field; `kind` says what a form draws where the type does not."""
    return Field(default, title=title, description=help_, json_schema_extra={"unit": unit, "kind": kind}, **bounds)


def misfit(field: str, message: str) -> PydanticCustomError:
    """Return the error of a check over a whole section, about one of its fields."""
    return PydanticCustomError("misfit", "{message}", {"field": field, "message": message})


class Section(BaseModel):
    """Base of every section: frozen, and it refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_shown(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and not value.replace("\n", "").isprintable():
            raise ValueError("holds characters that cannot be shown")
        if isinstance(value, str) and "\n" in value and not cls._has_lines(info.field_name or ""):
            raise ValueError("must be one line")
        return value

    @classmethod
    def _has_lines(cls, name: str) -> bool:
        extra = cls.model_fields[name].json_schema_extra
        return isinstance(extra, dict) and extra.get("kind") == "longtext"
