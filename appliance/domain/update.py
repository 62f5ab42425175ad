"""An update of the system on its way: what arrives, what was found in it, what may be installed, what became of others."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from appliance.domain.errors import InputError
from appliance.domain.version import is_older, is_version

INSTALL_JOB, OTHER_JOB, STICK_JOB, FETCH_JOB = "update", "other half", "update from a stick", "update download"
JOBS = frozenset((INSTALL_JOB, OTHER_JOB, STICK_JOB, FETCH_JOB))
LARGEST_BUNDLE = 1 << 30
"""Both file systems of a half together have room for 640 MiB; more than this is no update of ours."""
SMALLEST_BUNDLE = 4096


class Source(StrEnum):
    """Where a bundle came from."""

    UPLOAD = "upload"
    STICK = "stick"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Announced:
    """A bundle of which the bytes are still to come."""

    size: int
    sha256: str
    source: Source
    by: str
    """Who brings it; empty where it came by itself, as the settings ask."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Arriving:
    """A bundle on its way."""

    announced: Announced
    have: int
    """Bytes that are here."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, once its signature was found good."""

    version: str
    compatible: str
    """Which machines it is for."""
    notes: str
    format: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a bundle."""

    name: str
    fingerprint: str
    """SHA-256 of the certificate."""
    valid_until: datetime


class BundleState(StrEnum):
    """Where a bundle that is here stands."""

    NEW = "new"
    """Nobody has looked at it yet."""
    CHECKED = "checked"
    """Its signature is good, and it may be installed."""
    INSTALLED = "installed"
    """It is written into the other half; its file is gone."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is here, whole."""

    announced: Announced
    state: BundleState
    manifest: Manifest | None = None
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The last bundle that was refused, or that could not be installed; its file is gone."""

    at: datetime
    source: Source
    version: str
    """Empty where it is not known."""
    reason: str


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """A restart that waits for the end of the night."""

    due_at: datetime
    version: str
    by: str


class Outcome(StrEnum):
    """What became of an update, as root wrote it down."""

    GOOD = "good"
    FELL_BACK = "fell back"
    REFUSED = "refused"
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True)
class Past:
    """One line of the history."""

    at: datetime
    version: str
    from_version: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """The system that runs has not proved itself yet."""

    version: str
    from_version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Records:
    """What root has written down about updates."""

    trial: Trial | None = None
    history: tuple[Past, ...] = ()
    """The newest first."""
    bad: tuple[str, ...] = ()
    """Versions that did not prove themselves here; they are not offered again."""


@dataclass(frozen=True, slots=True)
class Updater:
    """What is known of the machine's updater."""

    compatible: str = ""
    """Which kind of machine this is."""
    booted: str = ""
    """The half that runs; empty while that is not told."""
    next: str = ""
    """The half that the machine starts from next."""
    unavailable: str = "not asked yet"
    """Why this computer cannot be updated; empty where it can."""

    @property
    def is_known(self) -> bool:
        """Whether both halves are known: the updater tells nothing of them while it writes."""
        return self.booted != "" and self.next != ""

    @property
    def is_restart_due(self) -> bool:
        """Whether the machine starts from the other half next."""
        return self.is_known and self.booted != self.next


@dataclass(frozen=True, slots=True)
class Order:
    """What a job of ours holds."""

    by: str
    sha256: str = ""
    """Of the bundle, where it is about one that is here."""
    fs_id: str = ""
    """Of the stick, where it is about one that lies on it."""
    half: str = ""
    """Which half ran when it was given: after a start from the other one it would mean the opposite."""

    def to_json(self) -> str:
        """Return it as a job's request."""
        return json.dumps(asdict(self))


def order_of(text: str) -> Order:
    """Return the order of a job's request; InputError for anything else."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("This order cannot be read.") from error
    match tree:
        case {"by": str() as by, "sha256": str() as sha256, "fs_id": str() as fs_id, "half": str() as half}:
            return Order(by, sha256, fs_id, half)
    raise InputError("This order cannot be read.")


@dataclass(frozen=True, slots=True)
class LookAgain:
    """A bundle has come, or something was ordered: do not wait for the next round."""


UpdateCommand = LookAgain


@dataclass(frozen=True, slots=True)
class CheckChannel:
    """Ask the update channel now."""


def why_not(manifest: Manifest, compatible: str, running: str, bad: Collection[str]) -> str:
    """Return why a bundle with a good signature is not installed here; empty where it may be.

    Parameters
    ----------
    manifest : Manifest
    compatible : str
        What this machine is.
    running : str
        The version that runs.
    bad : collection of str
        Versions that did not prove themselves here.
    """
    if manifest.compatible != compatible:
        return (
            f"it is for another kind of machine: for {manifest.compatible or 'none that it names'}, and this one is {compatible}"
        )
    if not is_version(manifest.version):
        return "it names no version"
    if is_older(manifest.version, running):
        return f"it is older than what runs: version {manifest.version}, and {running} runs"
    if manifest.version in bad:
        return f"version {manifest.version} was installed here before and did not prove itself; take a newer one"
    return ""
