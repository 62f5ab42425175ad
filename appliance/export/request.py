"""`nightjar-export.toml`: what a stick asks for, as far as the settings allow it."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.domain.errors import InputError
from appliance.domain.night import NightId
from appliance.domain.stick import ExportKind, kinds_asked_for, nights_asked_for
from appliance.export.names import REQUEST

LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Choice:
    """Which nights, and what of them."""

    kinds: tuple[ExportKind, ...]
    nights: tuple[NightId, ...] = ()
    """Empty for all."""
    newest: int = 0
    """Only so many of the newest; 0 for all."""

    def of(self, nights: Iterable[NightId]) -> list[NightId]:
        """Return the chosen ones of these nights, the newest first."""
        chosen = sorted((night for night in nights if not self.nights or night in self.nights), reverse=True)
        return chosen[: self.newest] if self.newest else chosen

    def narrowed_by(self, other: "Choice") -> "Choice":
        """Return what both allow; where `other` names no kinds, it means all."""
        kinds = tuple(kind for kind in self.kinds if not other.kinds or kind in other.kinds)
        newest = min(self.newest, other.newest) if self.newest and other.newest else self.newest or other.newest
        return Choice(kinds, other.nights or self.nights, newest)


def choice_of(untrusted: bytes) -> Choice:
    """Return what the file asks for.

    Raises
    ------
    InputError
        If it is too large, not TOML, or says anything but `nights` and `kinds` in the form that the manual shows.
    """
    if len(untrusted) > LARGEST:
        raise InputError(f"{REQUEST} is larger than {LARGEST} bytes.")
    try:
        values = tomllib.loads(untrusted.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{REQUEST} is not TOML.") from error
    if values.keys() - {"nights", "kinds"}:
        raise InputError(f"{REQUEST} may say nights and kinds only.")
    try:
        nights, newest = nights_asked_for(values.get("nights", "all"))
        return Choice(kinds_asked_for(values.get("kinds", [])), nights, newest)
    except InputError as error:
        raise InputError(f"{REQUEST}: {error}") from error
