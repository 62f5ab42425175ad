"""Peers: other appliances that send their pictures here, what they announce, and what has come of them."""

import json
import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from appliance.domain.errors import InputError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId

LONGEST_METADATA = 4096
LARGEST_NUMBER = 10**15
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_FIELDS = {
    "sha256", "size", "started_at", "kind", "duration_s", "gain", "binning", "offset_adu", "mean_adu", "saturated_fraction",
    "stars", "sky_mag_arcsec2", "sensor_temperature_c",
}  # fmt: skip


class ThingKind(StrEnum):
    """What a peer sends."""

    FRAME = "frame"
    PRODUCT = "product"
    FILM = "film"

    @property
    def largest_bytes(self) -> int:
        """How large one may be."""
        return (1 << 30) if self is ThingKind.FILM else (64 << 20)


PRODUCTS = {ThingKind.PRODUCT: ("keogram", "startrail"), ThingKind.FILM: ("night", "day", "startrail")}
"""Names of what is no frame; a frame has a number."""


@dataclass(frozen=True, slots=True)
class Key:
    """Which thing of a peer: what comes under the same key replaces what was there."""

    kind: ThingKind
    night: NightId
    name: str
    """The number of a frame at its sender, the name of everything else."""

    def __post_init__(self) -> None:
        """Refuse a name that is none of the kind."""
        if self.kind is ThingKind.FRAME:
            is_good = self.name.isascii() and self.name.isdigit() and not self.name.startswith("0")
            if not (is_good and int(self.name) <= LARGEST_NUMBER):
                raise InputError("A frame has a whole number above 0.")
        elif self.name not in PRODUCTS[self.kind]:
            raise InputError(f"A {self.kind} is one of: {', '.join(PRODUCTS[self.kind])}.")

    @property
    def number(self) -> int:
        """A frame's number; 0 for all else."""
        return int(self.name) if self.kind is ThingKind.FRAME else 0


@dataclass(frozen=True, slots=True)
class Numbers:
    """What its sender tells of a frame."""

    started_at: datetime
    exposure: Exposure
    measurement: Measurement
    sensor_temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """One thing as its sender announces it; its bytes are on their way."""

    key: Key
    size: int
    sha256: str
    numbers: Numbers | None
    """Of a frame."""


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What is kept of a peer."""

    keep_days: int = 30
    """Nights older than this go; 0 keeps them while there is room."""
    most_mib: int = 4096
    """Its oldest nights go beyond this."""

    def __post_init__(self) -> None:
        """Refuse what is out of bounds."""
        if not 0 <= self.keep_days <= 3650:
            raise InputError("Keep a peer's nights for 0 to 3650 days.")
        if not 100 <= self.most_mib <= 10_000_000:
            raise InputError("A peer may have 100 to 10,000,000 MiB.")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another appliance that may send here."""

    id: str
    name: str
    """As an admin calls it here."""
    made_at: datetime
    limits: PeerLimits
    is_open: bool
    """Whether it may still send; a revoked one is kept for its pictures."""
    last_at: datetime | None = None
    """When it was last heard of."""
    last_address: str = ""
    told: str = ""
    """What it calls itself, with its version; somebody else's words."""


@dataclass(frozen=True, slots=True)
class Received:
    """One thing that has come from a peer, as the store keeps it."""

    id: int
    peer: str
    key: Key
    size: int
    sha256: str
    path: str
    """Relative to the data folder; its ending was chosen here, from what is in it."""
    thumb_path: str
    """Of a frame; empty for all else."""
    width: int
    height: int
    received_at: datetime
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class PeerNight:
    """One night of a peer."""

    peer: str
    night: NightId
    frames: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None


def check_name(untrusted: str) -> str:
    """Return a peer's name; InputError if people could not read it."""
    name = " ".join(untrusted.split())
    if not (0 < len(name) <= 60 and name.isprintable()):
        raise InputError("Give the other appliance a name of 1 to 60 letters.")
    return name


def metadata_of(announced: Announced) -> str:
    """Return what is told of a thing beside its bytes: one line of ASCII."""
    told: dict[str, object] = {"sha256": announced.sha256, "size": announced.size}
    if (numbers := announced.numbers) is not None:
        told |= {
            "started_at": numbers.started_at.isoformat(),
            "kind": numbers.exposure.kind.value,
            "duration_s": numbers.exposure.duration_s,
            "gain": numbers.exposure.gain,
            "binning": numbers.exposure.binning,
            "offset_adu": numbers.exposure.offset_adu,
            "mean_adu": numbers.measurement.mean_adu,
            "saturated_fraction": numbers.measurement.saturated_fraction,
            "stars": numbers.measurement.stars,
            "sky_mag_arcsec2": numbers.measurement.sky_mag_arcsec2,
            "sensor_temperature_c": numbers.sensor_temperature_c,
        }
    return json.dumps({name: value for name, value in told.items() if value is not None}, separators=(",", ":"))


def parse_metadata(key: Key, untrusted: str) -> Announced:
    """Return what metadata announces.

    Raises
    ------
    InputError
        If it is no such line, or a value is missing, unknown or out of bounds.
    """
    if len(untrusted) > LONGEST_METADATA:
        raise InputError(f"Metadata may have {LONGEST_METADATA} letters at most.")
    try:
        told = json.loads(untrusted)
    except (ValueError, RecursionError) as error:
        raise InputError("Metadata is one JSON object.") from error
    if not isinstance(told, dict):
        raise InputError("Metadata is one JSON object.")
    if unknown := sorted(told.keys() - _FIELDS):
        raise InputError(f"Metadata has no field {unknown[0][:40]!r}.")
    sha256 = told.get("sha256")
    if not (isinstance(sha256, str) and _HASH.match(sha256)):
        raise InputError("sha256 has 64 hexadecimal digits.")
    size = _whole(told, "size", 1, key.kind.largest_bytes)
    numbers = _numbers(told, key.night) if key.kind is ThingKind.FRAME else None
    if numbers is None and len(told) != 2:
        raise InputError("Only a frame has numbers.")
    return Announced(key, size, sha256, numbers)


def _numbers(told: dict[str, Any], night: NightId) -> Numbers:
    try:
        kind = FrameKind(told.get("kind", FrameKind.LIGHT.value))
    except ValueError as error:
        raise InputError("kind is one of light, dark, bias, flat.") from error
    exposure = Exposure(
        kind,
        _number(told, "duration_s", 0, 86_400),
        _number(told, "gain", 0, 1e6),
        _whole(told, "binning", 1, 16) if "binning" in told else 1,
        _whole(told, "offset_adu", 0, 65_535) if "offset_adu" in told else None,
    )
    measurement = Measurement(
        _number(told, "mean_adu", -65_535, 65_535),
        _number(told, "saturated_fraction", 0, 1),
        _whole(told, "stars", 0, 1_000_000) if "stars" in told else None,
        _number(told, "sky_mag_arcsec2", -30, 40) if "sky_mag_arcsec2" in told else None,
    )
    temperature = _number(told, "sensor_temperature_c", -120, 150) if "sensor_temperature_c" in told else None
    return Numbers(_moment(told, night), exposure, measurement, temperature)


def _moment(told: dict[str, Any], night: NightId) -> datetime:
    try:
        at = datetime.fromisoformat(str(told.get("started_at")))
        is_near = at.tzinfo is not None and abs(at.date() - date.fromisoformat(night.text)) <= timedelta(days=2)
    except (ValueError, OverflowError) as error:
        raise InputError("started_at is a moment with its zone, like 2026-01-31T22:15:30+00:00.") from error
    if not is_near or not 2000 <= at.year <= 2200:
        raise InputError("started_at has a zone and lies in the night of the frame.")
    return at


def _number(told: dict[str, Any], name: str, low: float, high: float) -> float:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or not math.isfinite(value):
        raise InputError(f"{name} is a number from {low:g} to {high:g}.")
    return float(value)


def _whole(told: dict[str, Any], name: str, low: int, high: int) -> int:
    value = told.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} is a whole number from {low} to {high}.")
    return value
