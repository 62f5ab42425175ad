"""The update channel: a list of releases that somebody has signed, and which of them is for this appliance."""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from appliance.domain.errors import InputError
from appliance.domain.update import LARGEST_BUNDLE, SMALLEST_BUNDLE
from appliance.domain.version import is_older, is_version, version_key

FORMAT = 1
LARGEST_FILE = 256 << 10
MOST_RELEASES = 200
LONGEST_NOTES = 2000
LONGEST_ADDRESS = 500
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMPATIBLE = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the list."""

    version: str
    compatible: str
    """Which machines it is for."""
    url: str
    size: int
    sha256: str
    notes: str
    percent: float
    """Of all appliances, how many are offered it."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A list of releases."""

    serial: int
    """Grows with each list: an older one is not taken."""
    made_at: datetime
    releases: tuple[Release, ...]


def parse_channel(untrusted: bytes) -> Channel:
    """Return the list that a channel's file holds; its signature was checked before.

    Raises
    ------
    InputError
        If it is none, or one of a later format.
    """
    try:
        tree = json.loads(untrusted) if len(untrusted) <= LARGEST_FILE else None
    except (ValueError, RecursionError) as error:
        raise InputError("The channel's file is no JSON.") from error
    match tree:
        case {"format": int() as form, "serial": int() as serial, "made_at": made_at, "releases": list() as releases}:
            if form != FORMAT:
                raise InputError(f"The channel's file has format {form}; this version of Nightjar reads format {FORMAT}.")
            if isinstance(serial, bool) or not 0 < serial < 1 << 53:
                raise InputError("The channel's file has no usable serial number.")
            if len(releases) > MOST_RELEASES:
                raise InputError(f"The channel's file names more than {MOST_RELEASES} releases.")
            return Channel(serial, _moment(made_at), tuple(_release(one) for one in releases))
    raise InputError("The channel's file is not one: it has no format, serial, made_at and releases.")


def choose(channel: Channel, *, running: str, compatible: str, device_id: str, bad: Collection[str]) -> Release | None:
    """Return the newest release for an appliance; None where there is none that is newer than what runs.

    Parameters
    ----------
    channel : Channel
    running : str
        The version that runs.
    compatible : str
        Which kind of machine this is.
    device_id : str
        Decides whether a release that only some get is for this one.
    bad : collection of str
        Versions that did not prove themselves here.
    """
    fitting = [
        one
        for one in channel.releases
        if one.compatible == compatible and is_still_for(one, running, bad) and place_of(device_id, one.version) < one.percent
    ]
    return max(fitting, key=lambda one: version_key(one.version), default=None)


def is_still_for(release: Release, running: str, bad: Collection[str]) -> bool:
    """Return whether a release is newer than what runs and has not failed here."""
    return is_older(running, release.version) and release.version not in bad


def place_of(device_id: str, what: str) -> float:
    """Return a number from 0 to below 100 that is always the same for a device and a word, and evenly spread over devices."""
    digest = hashlib.sha256(f"{device_id} {what}".encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48) * 100


def is_https(untrusted: str) -> bool:
    """Return whether a text is an https address without name and password."""
    try:
        parts = urlsplit(untrusted)
        has_port = parts.port != 0
    except ValueError:
        return False
    is_plain = untrusted.isascii() and untrusted.isprintable() and " " not in untrusted and len(untrusted) <= LONGEST_ADDRESS
    is_place = has_port and parts.scheme == "https" and bool(parts.hostname)
    return is_plain and is_place and "@" not in parts.netloc and not parts.fragment


def _release(tree: Any) -> Release:  # noqa: ANN401 - JSON is any value
    match tree:
        case {
            "version": str() as version,
            "compatible": str() as compatible,
            "url": str() as url,
            "size": int() as size,
            "sha256": str() as sha256,
            "notes": str() as notes,
            "percent": int() | float() as percent,
        }:
            is_sized = not isinstance(size, bool) and SMALLEST_BUNDLE <= size <= LARGEST_BUNDLE
            is_shared = not isinstance(percent, bool) and 0 <= percent <= 100
            is_named = is_version(version) and _COMPATIBLE.match(compatible) is not None and _SHA256.match(sha256) is not None
            if is_sized and is_shared and is_named and is_https(url):
                return Release(version, compatible, url, size, sha256, _shown(notes), float(percent))
    raise InputError("The channel's file describes a release wrongly.")


def _moment(value: object) -> datetime:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise InputError("The channel's file does not say when it was made.")
    return when


def _shown(text: str) -> str:
    lines = ["".join(letter if letter.isprintable() else " " for letter in line) for line in text.splitlines()]
    return "\n".join(lines)[:LONGEST_NOTES].strip()
