"""One request as handlers see it: who asks, for what, and what they sent, none of it trusted yet."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.access import Access, Role, Scope, Session
from appliance.domain.errors import InputError, RefusedError
from appliance.domain.peer import Peer
from appliance.settings.schema import Settings
from appliance.store.tokens import ApiToken
from appliance.web.backups import BackupKeeper
from appliance.web.downloads import Downloads
from appliance.web.machine import MachineKeeper
from appliance.web.parts import WebParts
from appliance.web.publication import PublicNights
from appliance.web.series import SeriesKeeper


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a session, a token, or nobody in particular."""

    session: Session | None = None
    token: ApiToken | None = None
    everybody: Access = Access.ANYONE
    """What is open to people without a login."""
    peer: Peer | None = None
    """Another appliance, whose signed request this is; it has no level."""

    @property
    def level(self) -> Access:
        """What this visitor may see; what a token may do is decided by its scope."""
        if self.session is not None:
            return Access.ADMIN if self.session.account.role is Role.ADMIN else Access.STAFF
        if self.token is not None:
            return Access.STAFF
        return self.everybody

    @property
    def name(self) -> str:
        """Who is written into the audit log."""
        if self.session is not None:
            return self.session.account.name
        return f"{self.token.account.name} by token {self.token.name}" if self.token is not None else ""

    @property
    def is_admin(self) -> bool:
        """Whether pages offer what only an admin may do."""
        return self.level is Access.ADMIN


ORDER = {Scope.READ: 1, Scope.WRITE: 2, Scope.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request."""

    parts: WebParts
    series: SeriesKeeper
    machine: MachineKeeper
    downloads: Downloads
    public_nights: PublicNights
    backups: BackupKeeper
    visitor: Visitor
    method: str
    path: str
    args: Mapping[str, str]
    """What stood for the `<name>`s of the route's path."""
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes
    host: str
    """As the client named us. What is no name or address of ours has not come past the TLS front."""
    address: str
    agent: str
    csrf_token: str
    """What forms on this visit's page carry."""
    metadata: str = ""
    """What a signed request tells beside its body."""
    authorization: str = ""
    content_type: str = ""
    file: bytes = b""
    """What came with a form that may bring one."""
    sunk: str = ""
    """The token of what the front has put into a sink in the body's place; see `door.py`."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.parts.settings.published.value

    @property
    def session(self) -> Session:
        """The session, where the route asks for one; RefusedError for a token."""
        if self.visitor.session is None:
            raise RefusedError("this needs a login")
        return self.visitor.session

    def note(self, action: str, detail: str = "") -> None:
        """Write what this visitor did into the audit log."""
        self.parts.audit.add(self.visitor.name, self.address, action, detail)


def whole_number(untrusted: str, name: str, low: int, high: int) -> int:
    """Return a number from a query, path or form; InputError if it is none or out of bounds."""
    if not (untrusted.isascii() and untrusted.isdigit() and len(untrusted) <= 18) or not low <= int(untrusted) <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}.")
    return int(untrusted)
