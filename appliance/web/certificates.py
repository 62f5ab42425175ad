"""The keeper of the panel's certificates: follows names, addresses and time, and what an admin brings.

The server is given `context` once. What changes here is used from the next handshake on; nobody is disconnected.
"""

import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, SecurityError, StoreError
from appliance.domain.health import Severity
from appliance.domain.secret import Secret
from appliance.security.addresses import LocalAddresses, local_addresses
from appliance.security.certificate import Leaves, fingerprint, names_of, not_after, to_der
from appliance.security.names import Address, Names, host_label, names_for
from appliance.security.own_certificate import OwnCertificate, check_import, split_pem
from appliance.security.servercontext import RenewableContext
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat
from appliance.web.issuer import ROOT, check_leaves, read_leaves

log = logging.getLogger(__name__)

CHECK_EVERY_S = 20.0
OWN = "own.pem"
"""Among the keys: `tls/` is another user's on the appliance, and only read there."""
OWN_WARNING = timedelta(days=21)

HSTS_SHORT_S = 86_400
"""For the device's own authority: who installs it and later resets the device must not be shut out for long."""
HSTS_LONG_S = 31_536_000

_RENEWAL, _AUTHORITY, _OWN = "certificate.renewal", "certificate.authority", "certificate.own"


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine is called and reached at."""

    host_name: str
    addresses: LocalAddresses


def this_machine() -> Machine:
    """Return the machine's name and addresses of now, from the kernel."""
    return Machine(socket.gethostname(), local_addresses())


class SeesToIt(Protocol):
    """Makes certificates, as `Issuer` does, or has them made, as `IssuerApart` does."""

    def ensure(self, names: Names, now: datetime) -> bool:
        """See to certificates for `names`; return whether the authority is a new one."""
        ...

    def wait(self, beat: Beat) -> None:
        """Wait, within reason, until there are certificates at all; call `beat` all the while."""
        ...


class CertificateKeeper:
    """Loads, makes, renews and tells; used by the web service (`open`, `step`) and by its pages (the rest).

    Parameters
    ----------
    issuer : SeesToIt or None
        None where nothing is to be issued or asked for: then a changed file is taken up as it comes.
    look : callable
        Tells what the machine is called and reached at.
    """

    def __init__(
        self,
        folder: DataFolder,
        clock: Clock,
        board: HealthBoard,
        issuer: SeesToIt | None,
        look: Callable[[], Machine] = this_machine,
    ) -> None:
        self._folder, self._clock, self._board, self._issuer, self._look = folder, clock, board, issuer, look
        self._checked_at = 0.0
        self._machine: Machine | None = None
        self._names = Names((), ())
        self._leaves: tuple[bytes, bytes] = (b"", b"")
        self._root = b""
        self._own: OwnCertificate | None = None
        self._renewable: RenewableContext | None = None

    def open(self, beat: Beat = lambda: None) -> None:
        """Load the certificates, or see to them first: at a first start that takes a second on a desktop, a minute on a small Pi.

        Parameters
        ----------
        beat : callable
            Is called while that is waited for.

        Raises
        ------
        SecurityError
            If there is nothing to serve with and nothing can be made.
        """
        self._own = self._read_own()
        self._look_around()
        if self._issuer is not None:
            self._issuer.wait(beat)
        self._load()

    def step(self) -> None:
        """Look, every 20 s, whether a name, an address or the time asks for new certificates."""
        if self._clock.monotonic() - self._checked_at < CHECK_EVERY_S:
            return
        self._look_around()
        try:
            self._load()
        except (SecurityError, StoreError) as error:
            self._tell_failure(error)
        else:
            if self._issuer is None:
                self._board.clear_issue(_RENEWAL)

    @property
    def context(self) -> ssl.SSLContext:
        """What the server is given, once; valid after `open`."""
        if self._renewable is None:
            raise ValueError("the keeper was not opened")
        return self._renewable.context

    @property
    def names(self) -> Names:
        """What the device's own certificate is for."""
        return self._names

    @property
    def left_out(self) -> tuple[Address, ...]:
        """Addresses of this machine that the device's authority may not certify: public and temporary ones."""
        return self._machine.addresses.left_out if self._machine else ()

    @property
    def not_after(self) -> datetime:
        """When the device's own certificate ends."""
        return not_after(self._leaves[1])

    @property
    def authority_pem(self) -> bytes:
        """The authority's certificate, to be downloaded and trusted."""
        return self._root

    @property
    def authority_der(self) -> bytes:
        """The same, as some telephones want it."""
        return to_der(self._root)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate, as people compare it."""
        return fingerprint(self._root)

    @property
    def own(self) -> OwnCertificate | None:
        """The certificate that an admin brought, if any."""
        return self._own

    def import_own(self, untrusted_chain: bytes, untrusted_key: Secret[bytes]) -> OwnCertificate:
        """Check, keep and serve a certificate of the admin's, for its own names; others keep getting the device's.

        Raises
        ------
        InputError
            With what is wrong; nothing has changed then.
        """
        own = check_import(untrusted_chain, untrusted_key, self._clock.now())
        self._own = own
        self._serve()
        self._folder.replace_key(OWN, own.pem)
        self._tell_own()
        return own

    def remove_own(self) -> bool:
        """Forget the admin's certificate; return whether there was one."""
        was_there = self._folder.remove(f"keys/{OWN}")
        self._own = None
        self._serve()
        self._board.clear_issue(_OWN)
        return was_there

    def hsts(self, host: str = "") -> str:
        """Return the Strict-Transport-Security header for an answer to `host`."""
        is_public = self._own is not None and self._own.is_trusted and self._own.is_for(host)
        return f"max-age={HSTS_LONG_S if is_public else HSTS_SHORT_S}"

    def is_ours(self, host: str, arrival_address: str) -> bool:
        """Say whether a Host header, without port and brackets, names this machine or the address that was called."""
        wanted = host.lower().rstrip(".")
        if wanted in self._names.hosts or (self._own is not None and self._own.is_for(wanted)):
            return True
        host_name = self._machine.host_name.lower() if self._machine else ""
        if wanted and wanted in (host_name, host_label(host_name)):
            return True
        called, arrived = _address(wanted), _address(arrival_address)
        return called is not None and called == arrived

    def _look_around(self) -> None:
        """Find names and addresses, and have the certificates made or renewed where this process may."""
        self._checked_at = self._clock.monotonic()
        self._machine = machine = self._look()
        if self._issuer is None:
            return
        try:
            is_new = self._issuer.ensure(names_for(machine.host_name, machine.addresses.certifiable), self._clock.now())
        except (SecurityError, StoreError) as error:
            self._tell_failure(error)
            return
        self._board.clear_issue(_RENEWAL)
        if is_new:
            self._board.raise_issue(
                _AUTHORITY, Severity.WARNING, "The device has a new certificate authority",
                "The old one was damaged. Download the new one and install it where you had installed the old one.",
            )  # fmt: skip

    def _tell_failure(self, error: Exception) -> None:
        """Go on with the old certificates: an expired one can be clicked away, a closed panel cannot."""
        title, advice = "The panel's certificate could not be renewed", f"Check the clock and the disk: {error}."
        self._board.raise_issue(_RENEWAL, Severity.WARNING, title, advice)

    def _load(self) -> None:
        """Take up what lies on disk, if it is new and whole."""
        leaves, root = check_leaves(read_leaves(self._folder), self._folder.read_tls(ROOT))
        pems = (leaves.rsa.reveal(), leaves.p256.reveal())
        if pems != self._leaves or root != self._root:
            self._leaves, self._root, self._names = pems, root, names_of(pems[1])
            self._serve()
        self._tell_own()

    def _serve(self) -> None:
        """Answer the next handshake with what is there now."""
        leaves = Leaves(*(Secret(pem) for pem in self._leaves))
        if self._renewable is None:
            self._renewable = RenewableContext(leaves, self._own)
        else:
            self._renewable.use(leaves, self._own)

    def _read_own(self) -> OwnCertificate | None:
        kept = self._folder.read_key(OWN)
        if kept is None:
            return None
        try:
            return check_import(*split_pem(kept), self._clock.now())
        except InputError as error:
            self._board.raise_issue(
                _OWN, Severity.WARNING, "The imported certificate is not used", f"The device's own serves in its place. {error}"
            )
            return None

    def _tell_own(self) -> None:
        """Say when the admin's certificate ends soon, and stop using it when it has ended."""
        if self._own is None:
            return
        left = self._own.not_after - self._clock.now()
        if left <= timedelta(0):
            self._own = None
            self._serve()
        if left < OWN_WARNING:
            ended = "has ended; the device's own serves in its place" if self._own is None else f"ends in {left.days} days"
            self._board.raise_issue(_OWN, Severity.WARNING, f"The imported certificate {ended}", "Import its successor.")
        else:
            self._board.clear_issue(_OWN)


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
