"""The gate of peers: their keys, and whether a signed request is one of theirs, is of now, and comes for the first time."""

import logging
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError, SkewError, VaultError
from appliance.domain.peer import Peer, PeerLimits, check_name
from appliance.domain.secret import Secret
from appliance.security.bound import open_for, seal_for
from appliance.security.signedheader import SignedHeader, parse_signed_header
from appliance.security.signing import check_signature, key_id, new_sync_key
from appliance.security.tokens import same
from appliance.security.vault import Vault
from appliance.store.credentials import CredentialStore
from appliance.store.peers import PeerKey, PeerStore
from appliance.web.answers import NotFoundError, TurnedAwayError
from appliance.web.door import Leave
from appliance.web.head import HeadError, RequestHead

log = logging.getLogger(__name__)

METADATA_HEADER = "nightjar-metadata"
CHUNK_BYTES = 8 << 20
"""The largest body of a signed request."""
_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a request's head says."""

    authorization: str
    method: str
    target: str
    """Path and query as they stand in the request line."""
    metadata: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that may sign."""

    key: PeerKey
    secret: Secret[str]
    is_newest: bool


class PeerGate:
    """Makes peers and their keys, and lets their requests in.

    The keys in use are in memory: a flood of forged requests costs a hash each, and never the disk.
    """

    def __init__(self, peers: PeerStore, credentials: CredentialStore, vault: Callable[[], Vault], clock: Clock) -> None:
        self._peers, self._credentials, self._vault, self._clock = peers, credentials, vault, clock
        self._known: dict[str, _Known] = {}

    def open(self) -> None:
        """Read the keys."""
        found: dict[str, _Known] = {}
        keys = self._peers.all_keys()
        newest = {key.peer: key.id for key in keys}
        for key in keys:
            sealed = self._credentials.get(_credential(key.id))
            try:
                secret = open_for(self._vault(), _place(key.peer), sealed) if sealed is not None else None
            except VaultError as error:
                log.warning("a peer's key cannot be opened: %s: %s", key.peer, error)
                continue
            if secret is not None:
                found[key.id] = _Known(key, secret, newest[key.peer] == key.id)
        self._known = found  # another dictionary: other threads read it

    def make(self, untrusted_name: str, limits: PeerLimits) -> tuple[Peer, Secret[str]]:
        """Make a peer and its key, which is shown once.

        Raises
        ------
        InputError
            If the name cannot be used.
        """
        peer = self._peers.add("".join(secrets.choice(_LETTERS) for _ in range(8)), check_name(untrusted_name), limits)
        return peer, self._new_key(peer.id)

    def rotate(self, peer_id: str, *, at_once: bool) -> Secret[str]:
        """Give a peer another key, also one that was revoked.

        Parameters
        ----------
        peer_id : str
        at_once : bool
            Whether the old key ends now; else when the new one is first used, so that no picture waits meanwhile.
        """
        if self._peers.get(peer_id) is None:
            raise NotFoundError("There is no such appliance; it may have been removed.")
        if at_once:
            self._forget(self._peers.drop_keys(peer_id))
        return self._new_key(peer_id)

    def revoke(self, peer_id: str) -> None:
        """End a peer's keys, at once."""
        self._forget(self._peers.revoke(peer_id))

    def remove(self, peer_id: str) -> None:
        """Forget a peer."""
        self._forget(self._peers.remove(peer_id))

    def ask_leave(self, head: RequestHead, _address: str) -> Leave:
        """Say what a head may bring: the door asks before the first byte of a large body is read.

        Nothing is spent here: `admit` does that, once the whole request is there.
        """
        if head.header("cookie"):
            raise HeadError(401, "a signed request comes without a cookie", reason="signature")
        request = SignedRequest(head.header("authorization"), head.method, head.target, head.header(METADATA_HEADER))
        try:
            known, header = self._weigh(request)
        except TurnedAwayError as error:
            raise HeadError(error.status, str(error), reason=error.reason) from error
        if self._peers.is_spent(known.key.id, header.signed.nonce):
            raise HeadError(409, "this request came before", reason="replay")
        return Leave(CHUNK_BYTES, f"peer {known.key.peer}", header.signed.body_sha256)

    def admit(self, request: SignedRequest, body_sha256: str, address: str) -> Peer:
        """Let a request in, once.

        Raises
        ------
        TurnedAwayError
            With the reason.
        ThrottledError
            If its peer asks too often.
        """
        known, header = self._weigh(request)
        if not same(header.signed.body_sha256, body_sha256):
            raise TurnedAwayError(401, "signature", "The body is not the one that was signed.")
        try:
            self._peers.spend(known.key, header.signed.nonce, header.signed.time_s, address)
        except RefusedError as error:
            raise TurnedAwayError(409, "replay", f"Refused: {error}.") from error
        if known.is_newest and any(other.key.peer == known.key.peer for other in self._known.values() if other is not known):
            self._forget(self._peers.drop_keys(known.key.peer, but=known.key.id))
        peer = self._peers.get(known.key.peer)
        if peer is None:
            raise TurnedAwayError(401, "key", "This key has ended.")
        return peer

    def _weigh(self, request: SignedRequest) -> tuple[_Known, SignedHeader]:
        """Return whose request this is; nothing but memory is asked."""
        try:
            header = parse_signed_header(request.authorization, request.method, request.target, request.metadata)
        except InputError as error:
            raise TurnedAwayError(401, "signature", str(error)) from error
        known = self._known.get(header.key)
        if known is None:
            raise TurnedAwayError(401, "key", "This key is not known here: it was changed or revoked, or mistyped.")
        try:
            check_signature(known.secret, header.signed, header.signature, now_s=self._clock.now().timestamp())
        except SkewError as error:
            raise TurnedAwayError(403, "clock", f"Refused: {error}.") from error
        except RefusedError as error:
            raise TurnedAwayError(401, "signature", f"Refused: {error}.") from error
        return known, header

    def _new_key(self, peer_id: str) -> Secret[str]:
        secret = new_sync_key()
        name = key_id(secret)
        self._credentials.set(_credential(name), seal_for(self._vault(), _place(peer_id), secret))
        self._peers.add_key(peer_id, name)
        self.open()
        return secret

    def _forget(self, key_ids: list[str]) -> None:
        for name in key_ids:
            self._credentials.clear(_credential(name))
        self.open()


def _credential(name: str) -> str:
    return f"peer.{name}"


def _place(peer_id: str) -> str:
    return f"peer:{peer_id}"
