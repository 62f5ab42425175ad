"""The text on a picture: a template with a closed list of words in braces, and nothing that a template could call."""

import difflib
import re
from collections.abc import Mapping

from appliance.domain.errors import InputError

WORDS = ("site", "time", "date", "exposure", "gain", "temperature", "mean", "stars", "sqm")
"""What may stand in braces."""
LINES_MAX = 8
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def check_template(template: str) -> None:
    """Refuse a template that cannot be filled in, and say what to write instead.

    Raises
    ------
    InputError
        If a word in braces is not known, a brace has no partner, or there are too many lines.
    """
    fill(template, dict.fromkeys(WORDS, ""))


def fill(template: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines of a template with its words filled in; a doubled brace stands for itself.

    A line that its words leave empty is left out. Only names are looked up: no attributes, no items, no formats.

    Raises
    ------
    InputError
        As in `check_template`.
    """
    text = _PART.sub(lambda found: _filled(found, values), template)
    lines = tuple(line for line in ("".join(filter(str.isprintable, line)).strip() for line in text.splitlines()) if line)
    if len(lines) > LINES_MAX:
        raise InputError(f"the label has {len(lines)} lines; at most {LINES_MAX} are drawn")
    return lines


def _filled(found: re.Match[str], values: Mapping[str, str]) -> str:
    part = found.group()
    if part in ("{{", "}}"):
        return part[0]
    word = found.group(1)
    if word is None:
        raise InputError(f"the label has a single {part}; write {part}{part} for the sign itself")
    if word not in WORDS:
        close = difflib.get_close_matches(word, WORDS, n=1)
        advice = f"did you mean {{{close[0]}}}?" if close else f"known are {', '.join(WORDS)}"
        raise InputError(f"the label asks for {{{word[:30]}}}, which is not known; {advice}")
    return values[word]


def duration_text(duration_s: float) -> str:
    """Return an exposure time as photographers say it: `15 s`, `2.5 s`, `40 ms`, `125 µs`."""
    if duration_s >= 0.9995:
        return f"{duration_s:.3g} s" if duration_s < 100 else f"{duration_s:.0f} s"
    if duration_s >= 0.0009995:
        return f"{duration_s * 1e3:.3g} ms"
    return f"{duration_s * 1e6:.3g} µs"


def temperature_text(temperature_c: float | None) -> str:
    """Return a temperature with a true minus sign, or nothing where none is known."""
    return "" if temperature_c is None else f"{temperature_c:.1f} °C".replace("-", "\N{MINUS SIGN}")
