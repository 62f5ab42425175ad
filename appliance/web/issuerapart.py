"""The issuer as the web process of the appliance sees it: another process, which it can only tell that something is due.

It does so by writing an empty file that a systemd path unit watches. The file carries no name and no address, so that
whoever takes over the web process can have certificates made for this machine, and for nothing else.
"""

import logging
import time
from datetime import datetime
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.errors import SecurityError, StoreError
from appliance.security.certificate import Leaves, fits, needs_renewal
from appliance.security.names import Names
from appliance.store.files import DataFolder
from appliance.supervisor.service import Beat
from appliance.web.issuer import ROOT, read_leaves

log = logging.getLogger(__name__)

WANTED = "certificates-wanted"
"""In the panel's runtime folder; `nightjar-ca.path` watches it."""
PATIENCE_S = 180.0
"""A small Pi makes two RSA-4096 keys in that time."""
_LOOK_EVERY_S = 0.5


class IssuerApart:
    """Stands where `Issuer` stands in development; see `CertificateKeeper`."""

    def __init__(self, folder: DataFolder, runtime: Path, clock: Clock) -> None:
        self._folder, self._wanted, self._clock = folder, runtime / WANTED, clock
        self._root = b""
        self._asked_at: float | None = None

    def ensure(self, names: Names, now: datetime) -> bool:
        """Ask for what is missing or due; return whether the authority is another one than before.

        Raises
        ------
        SecurityError
            If what was asked for has not come for three minutes.
        StoreError
            If it cannot be asked for.
        """
        root = self._folder.read_tls(ROOT) or b""
        is_new = bool(self._root) and bool(root) and root != self._root
        self._root = root or self._root
        reason = self._what_is_due(names, now, root)
        if not reason:
            self._asked_at = None
            return is_new
        if self._asked_at is None:
            log.info("certificates are asked for, because %s", reason)
            self._asked_at = self._clock.monotonic()
        self._ask()
        if self._clock.monotonic() - self._asked_at > PATIENCE_S:
            raise SecurityError(f"the certificate service does not answer ({reason})")
        return is_new

    def wait(self, beat: Beat) -> None:
        """Wait for the first certificates: at a device's first start they are made while the program is loaded."""
        until = self._clock.monotonic() + PATIENCE_S
        while self._leaves_of(self._folder.read_tls(ROOT) or b"") is None and self._clock.monotonic() < until:
            beat()
            time.sleep(_LOOK_EVERY_S)

    def _leaves_of(self, root: bytes) -> Leaves | None:
        leaves = read_leaves(self._folder)
        return leaves if leaves is not None and fits(leaves, root) else None

    def _what_is_due(self, names: Names, now: datetime, root: bytes) -> str:
        leaves = self._leaves_of(root)
        if leaves is None:
            return "there is none of this authority"
        return needs_renewal(leaves.rsa.reveal(), names, now) or needs_renewal(leaves.p256.reveal(), names, now)

    def _ask(self) -> None:
        try:
            self._wanted.write_bytes(b"")  # closing what was opened for writing is what the path unit sees
        except OSError as error:
            raise StoreError(f"cannot write {self._wanted}: {error.strerror}") from error
