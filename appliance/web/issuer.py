"""Makes and renews the device's certificates on disk: in development beside the panel, on the appliance in a process apart.

It needs the authority's private keys, which the web process of the appliance cannot read.
"""

import logging
from datetime import datetime

from appliance.domain.errors import SecurityError
from appliance.domain.secret import Secret
from appliance.security.certificate import (
    Authority,
    Leaves,
    Signed,
    fits,
    is_whole,
    issue_leaves,
    key_in,
    make_authority,
    needs_renewal,
    new_p256_key,
    new_rsa_key,
)
from appliance.security.names import Names
from appliance.store.files import DataFolder
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

ROOT, ROOT_KEY, INTERMEDIATE, INTERMEDIATE_KEY = "ca.pem", "ca-key.pem", "intermediate.pem", "intermediate-key.pem"
RSA_LEAF, P256_LEAF = "rsa.pem", "p256.pem"


def read_leaves(folder: DataFolder) -> Leaves | None:
    """Return the leaves on disk, or None where one is missing."""
    rsa, p256 = folder.read_tls(RSA_LEAF), folder.read_tls(P256_LEAF)
    return None if rsa is None or p256 is None else Leaves(Secret(rsa), Secret(p256))


class Issuer:
    """Keeps `tls/` in order: an authority that stays, and two leaves that follow names and time."""

    def __init__(self, folder: DataFolder, device_id: str) -> None:
        self._folder, self._device_id = folder, device_id

    def ensure(self, names: Names, now: datetime) -> bool:
        """Make what is missing or broken, renew what is due; return whether the authority was made anew.

        The leaves keep their keys when only names change, which takes milliseconds; with age they get new ones.

        Raises
        ------
        SecurityError
            If the clock is outside the life of the authority.
        StoreError
            If a file cannot be written.
        """
        authority, is_new = self._authority()
        leaves = read_leaves(self._folder)
        if leaves is None or not fits(leaves, authority.root.certificate):
            self._issue(authority, names, now, "there was none of this authority", None)
            return is_new
        reason = needs_renewal(leaves.rsa.reveal(), names, now) or needs_renewal(leaves.p256.reveal(), names, now)
        if reason:
            self._issue(authority, names, now, reason, None if "soon" in reason else leaves)
        return is_new

    def wait(self, beat: Beat) -> None:
        """Return at once: `ensure` has made what there is to make."""

    def _authority(self) -> tuple[Authority, bool]:
        found = [self._folder.read_tls(name) for name in (ROOT, ROOT_KEY, INTERMEDIATE, INTERMEDIATE_KEY)]
        root, root_key, middle, middle_key = (part or b"" for part in found)
        authority = Authority(Signed(root, Secret(root_key)), Signed(middle, Secret(middle_key)))
        if all(found) and is_whole(authority):
            return authority, False
        if any(found):
            log.warning("the certificate authority is damaged: a new one is made")
        authority = make_authority(self._device_id)
        # The certificate comes last: while it is missing or another's, the next start makes all of them again.
        self._folder.write_tls(ROOT_KEY, authority.root.key.reveal())
        self._folder.write_tls(INTERMEDIATE_KEY, authority.intermediate.key.reveal())
        self._folder.write_tls(INTERMEDIATE, authority.intermediate.certificate)
        self._folder.write_tls(ROOT, authority.root.certificate)
        return authority, bool(root)

    def _issue(self, authority: Authority, names: Names, now: datetime, reason: str, kept: Leaves | None) -> None:
        rsa_key = key_in(kept.rsa) if kept else new_rsa_key()
        p256_key = key_in(kept.p256) if kept else new_p256_key()
        leaves = issue_leaves(authority, names, now, rsa_key=rsa_key, p256_key=p256_key)
        self._folder.write_tls(RSA_LEAF, leaves.rsa.reveal())
        self._folder.write_tls(P256_LEAF, leaves.p256.reveal())
        log.info("certificates issued, because %s: %s", reason, " ".join(names.texts))


def check_leaves(leaves: Leaves | None, root: bytes | None) -> tuple[Leaves, bytes]:
    """Return leaves and root that belong together; raise SecurityError otherwise."""
    if leaves is None or root is None or not fits(leaves, root):
        raise SecurityError("the panel's certificates are missing or do not belong together; wait for them to be made")
    return leaves, root
