"""What people enter about the machine, taken apart: its time, its zone, its name."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from appliance.domain.errors import InputError

EARLIEST, LATEST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""A clock that is set outside of these was set wrongly; certificates and codes would not work with it."""
MOMENT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_TYPED = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")


@cache
def zones() -> tuple[str, ...]:
    """Return the time zones to choose from: places and UTC, without the tables' older names."""
    return tuple(sorted(name for name in available_timezones() if name == "UTC" or _is_place(name)))


def _is_place(name: str) -> bool:
    continent, _, place = name.partition("/")
    return bool(place) and continent not in {"Etc", "SystemV", "US", "posix", "right"}


def moment_of_form(form: Mapping[str, str], zone: ZoneInfo) -> datetime:
    """Return the time of a form: that of the browser, which its script fills in, or one typed in the machine's zone."""
    from_browser = form.get("browser_ms", "").strip()
    if from_browser:
        if not (from_browser.isascii() and from_browser.isdigit() and len(from_browser) <= 15):
            raise InputError("The browser's time could not be read. Load the page again.")
        return _bounded(datetime.fromtimestamp(min(int(from_browser), 10**14) / 1000, UTC))
    typed = " ".join(form.get("time", "").split())
    for pattern in _TYPED:
        try:
            return _bounded(datetime.strptime(typed, pattern).replace(tzinfo=zone).astimezone(UTC))
        except (ValueError, OverflowError):
            continue
    raise InputError("Enter date and time like 2026-01-31 22:15:30.")


def moment_of_text(text: str) -> datetime:
    """Return the time that a program sends, with its offset from UTC."""
    if not re.fullmatch(MOMENT_PATTERN, text):
        raise InputError("The time must look like 2026-01-31T22:15:30Z.")
    try:
        return _bounded(datetime.fromisoformat(text).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InputError("There is no such date or time of day.") from error


def _bounded(when: datetime) -> datetime:
    if not EARLIEST <= when < LATEST:
        raise InputError(f"The year {when.year} cannot be right: the clock is set from {EARLIEST.year} to {LATEST.year - 1}.")
    return when


def zone_of(text: str) -> str:
    """Return a time zone that can be chosen."""
    name = text.strip()
    if name not in zones() and name not in available_timezones():
        raise InputError("Choose a time zone from the list, for instance Europe/Vienna or UTC.")
    return name


def name_of(text: str) -> str:
    """Return a name for the machine."""
    name = text.strip().lower()
    if not re.fullmatch(NAME_PATTERN, name) or name == "localhost":
        raise InputError("A name has 1 to 63 small letters, digits and dashes; it neither begins nor ends with a dash.")
    return name
