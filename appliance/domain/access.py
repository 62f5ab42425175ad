"""Who is asking: the levels of access, and the person or token behind a request."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Access(IntEnum):
    """What a route asks for; a higher level may do all that a lower one may."""

    ANYONE = 0
    """Answers without a login, always: login page, static files, health."""
    PUBLIC = 1
    """The public page and what belongs to it: Anonymous only while an admin has it switched on, or pictures are public."""
    VIEWER = 2
    """Pictures and films: Staff and Admin always, Anonymous only while pictures are public."""
    STAFF = 3
    ADMIN = 4
    PEER = 5
    """Above every level of people: only another appliance's signed request opens it, no login and no token does."""


class Role(StrEnum):
    """The level of an account."""

    STAFF = "staff"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token may do."""

    READ = "read"
    """What Staff sees."""
    WRITE = "write"
    """Settings and commands."""
    ADMIN = "admin"
    """All but accounts and tokens."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in."""

    id: int
    name: str
    role: Role
    disabled: bool
    created_at: datetime
    has_totp: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser."""

    id: int
    account: Account
    csrf_token: str
    created_at: datetime
    last_seen_at: datetime
    address: str
    agent: str
