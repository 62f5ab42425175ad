"""Versions of releases as numbers that can be compared (Semantic Versioning 2.0): what is newer, what is older."""

import re

from appliance.domain.errors import InputError

LONGEST = 64
_NUMBER = r"(0|[1-9]\d{0,8})"
_WORD = r"(?:0|[1-9]\d{0,8}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_FORM = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_WORD}(?:\.{_WORD})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.ASCII
)

VersionKey = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def version_key(untrusted: str) -> VersionKey:
    """Return what versions are ordered by: numbers, a release after its candidates, a candidate by its words; no build.

    Raises
    ------
    InputError
        If it is no version.
    """
    match = _FORM.fullmatch(untrusted) if len(untrusted) <= LONGEST else None
    if match is None:
        raise InputError("A version is written like 1.2.0 or 1.2.0-rc.1.")
    major, minor, patch, candidate = match.groups()
    words = candidate.split(".") if candidate else ()
    ordered = tuple((False, int(word), "") if word.isdigit() else (True, 0, word) for word in words)
    return int(major), int(minor), int(patch), candidate is None, ordered


def is_version(untrusted: str) -> bool:
    """Return whether a text is a version."""
    return len(untrusted) <= LONGEST and _FORM.fullmatch(untrusted) is not None


def is_older(one: str, other: str) -> bool:
    """Return whether a version is older than another; InputError if either is none."""
    return version_key(one) < version_key(other)
