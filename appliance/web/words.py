"""Numbers and moments as people read them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from appliance.settings.fields import SettingField

_STEPS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def duration(seconds: float) -> str:
    """Return a length of time with two steps at most, for instance `3 h 12 min`."""
    if seconds < 1:
        return "now" if seconds < 0.05 else f"{seconds:.1f} s"
    parts: list[str] = []
    rest = round(seconds)
    for size, unit in _STEPS:
        count, rest = divmod(rest, int(size))
        if count or parts:
            parts.append(f"{int(count)} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def exposure_time(seconds: float) -> str:
    """Return an exposure as photographers write it: `1/2000 s`, `0.8 s`, `14 s`."""
    if 0 < seconds < 0.25:
        return f"1/{round(1 / seconds):,} s".replace(",", "\u202f")
    return f"{seconds:.1f} s" if seconds < 10 and seconds != round(seconds) else f"{seconds:.0f} s"


def size(count: float) -> str:
    """Return a number of bytes, for instance `3.4 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    """Return a number with its unit, or a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "\u2212")
    return f"{text} {unit}" if unit else text


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 frame`, `12 frames`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """Return what an error says as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def moment(when: datetime, zone: ZoneInfo) -> str:
    """Return date and time in a zone: `2026-01-31 22:15:30`."""
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def clock_time(when: datetime, zone: ZoneInfo) -> str:
    """Return the time of day in a zone."""
    return when.astimezone(zone).strftime("%H:%M:%S")


def iso(when: datetime) -> str:
    """Return a moment for machines."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def night_title(text: str) -> str:
    """Return a night as people say it: `Saturday, 31 January 2026`."""
    day = datetime.fromisoformat(text)
    return f"{day:%A}, {day.day} {day:%B %Y}"


def _plain(bound: float) -> str:
    """Return a bound without an exponent."""
    text = f"{bound:,.9f}".rstrip("0").rstrip(".")
    return text.replace(",", "\u202f").replace("-", "\u2212")


def bounds(field: SettingField) -> str:
    """Return the bounds of a setting as a sentence, or nothing."""
    unit = {"": "", "°": "°"}.get(field.unit, f"\u00a0{field.unit}")
    low, high = (None if bound is None else _plain(bound) for bound in (field.minimum, field.maximum))
    if low is not None and high is not None:
        return f"From {low} to {high}{unit}."
    return f"At least {low}{unit}." if low is not None else f"At most {high}{unit}." if high is not None else ""


_BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser(agent: str) -> str:
    """Return what a User-Agent most likely means, for a list of sessions."""
    program = next((name for mark, name in _BROWSERS if mark in agent), "a program")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{program} on {system}" if system else program


HELPERS: Mapping[str, Callable[..., object]] = {
    "bounds": bounds,
    "browser": browser,
    "duration": duration,
    "exposure_time": exposure_time,
    "size": size,
    "number": number,
    "plural": plural,
    "sentence": sentence,
    "moment": moment,
    "clock_time": clock_time,
    "iso": iso,
    "night_title": night_title,
}
"""What templates may call."""
