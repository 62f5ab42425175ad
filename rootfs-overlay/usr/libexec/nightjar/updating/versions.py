"""Versions as https://semver.org has them: which one is older."""

import re
from pathlib import Path

OS_RELEASE = Path("/usr/lib/os-release")
_VERSION = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d{0,8}|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d{0,8}|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
LONGEST = 64

Rank = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]


def rank(text: str) -> Rank | None:
    """Return what orders versions, or None where a text is none; what stands behind a plus does not count."""
    found = _VERSION.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    parts = found[4].split(".") if found[4] else []
    # A number comes before a word, a shorter list before a longer one that begins like it, and a release after all before it.
    before = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, "" if part.isdigit() else part) for part in parts)
    return (int(found[1]), int(found[2]), int(found[3])), not parts, before


def running(os_release: Path = OS_RELEASE) -> str:
    """Return the version of the system that runs, empty where it does not say."""
    try:
        found = re.search(
            r'^IMAGE_VERSION="?([^"\n]*)"?$', os_release.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
        )
    except OSError:
        return ""
    return found[1] if found else ""
