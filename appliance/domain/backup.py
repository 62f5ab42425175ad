"""What a backup holds beside the settings: the people, the other cameras, the sticks and the secrets that belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.access import Role
from appliance.domain.peer import PeerLimits
from appliance.domain.secret import Secret
from appliance.domain.syncv1 import V1Peer

CREDENTIALS = ("target.", "peer.")
"""How the names of credentials begin that travel; all others are the device's own."""
LARGEST_BACKUP = 3 << 20
"""Bytes of the encrypted file."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a backup comes from."""

    made_at: datetime
    made_by: str
    """Name of the account."""
    device_id: str
    device_name: str
    version: str


@dataclass(frozen=True, slots=True)
class SavedAccount:
    """A person who may log in, with what they prove it by."""

    name: str
    role: Role
    is_disabled: bool
    created_at: datetime
    password_hash: Secret[str]
    totp: Secret[str] | None
    """Secret of the second factor."""
    totp_last_step: int
    recovery_hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SavedKey:
    """A key by which a peer signs; the key itself is a credential."""

    id: str
    made_at: datetime
    forgotten_until_s: int


@dataclass(frozen=True, slots=True)
class SavedPeer:
    """Another camera that may send here."""

    id: str
    name: str
    made_at: datetime
    limits: PeerLimits
    is_open: bool
    told: str
    keys: tuple[SavedKey, ...]
    v1: V1Peer | None
    """What it has beside, where it comes by the sync of indi-allsky."""


@dataclass(frozen=True, slots=True)
class SavedStick:
    """A stick that may fill itself."""

    fs_id: str
    name: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Belongings:
    """Everything that a restore puts in place of what was there."""

    accounts: tuple[SavedAccount, ...]
    peers: tuple[SavedPeer, ...]
    sticks: tuple[SavedStick, ...]
    credentials: Mapping[str, Secret[str]]
    """What the vault had sealed, by name; each still holds the place that it is good for."""
