"""The night: what one evening's pictures belong to, from local noon to local noon."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

_FORM = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


@dataclass(frozen=True, slots=True, order=True)
class NightId:
    """The date of a night's evening, for instance `2026-01-31`."""

    text: str

    def __post_init__(self) -> None:
        if not _FORM.match(self.text):
            raise ValueError(f"a night is written like 2026-01-31, not {self.text!r}")
        date.fromisoformat(self.text)

    def __str__(self) -> str:
        return self.text


def night_of(when: datetime, zone: ZoneInfo) -> NightId:
    """Return the night that an aware moment belongs to, with noon in `zone` as its border."""
    if when.tzinfo is None:
        raise ValueError(f"a moment needs a zone: {when!r}")
    return NightId((when.astimezone(zone) - timedelta(hours=12)).date().isoformat())
