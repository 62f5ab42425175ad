"""Who may come by indi-allsky's sync: a user that an admin has made, from the address set for it, with its key.

The head alone tells user and address, so that much is asked before a byte of a large body is read; the signature over the
metadata is asked before a byte of media is written.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, RefusedError, VaultError
from appliance.domain.peer import Peer, PeerLimits, check_name
from appliance.domain.secret import Secret
from appliance.domain.syncv1 import FOLDER, Network, V1Kind, V1Peer, check_user, kind_of_word
from appliance.security.bound import open_for, seal_for
from appliance.security.signingv1 import check_signature_v1, new_v1_key, parse_authorization_v1
from appliance.security.vault import Vault
from appliance.store.credentials import CredentialStore
from appliance.store.peers import PeerStore
from appliance.store.v1peers import V1PeerStore
from appliance.web.door import Leave
from appliance.web.head import HeadError, RequestHead
from appliance.web.v1arrivals import Arrival, Arrivals

PREFIX = f"{FOLDER}/sync/v1/"
_LETTERS = string.ascii_lowercase + string.digits
_LARGEST = {
    V1Kind.VIDEO: (1 << 30) + (128 << 10),
    V1Kind.STARTRAIL_VIDEO: (1 << 30) + (128 << 10),
}
_LARGEST_OTHER = (64 << 20) + (128 << 10)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself, its address being the set one."""

    peer: V1Peer
    signature: str


class V1Gate:
    """Lets forms of such peers in."""

    def __init__(
        self,
        all_peers: PeerStore,
        peers: V1PeerStore,
        credentials: CredentialStore,
        vault: Callable[[], Vault],
        arrivals: Arrivals,
        clock: Clock,
    ) -> None:
        self._all, self.peers, self.arrivals = all_peers, peers, arrivals
        self._credentials, self._vault, self._clock = credentials, vault, clock

    def make(self, untrusted_name: str, untrusted_user: str, network: Network, limits: PeerLimits) -> tuple[Peer, Secret[str]]:
        """Make a peer that comes by this scheme, and its key, which is shown once.

        Raises
        ------
        InputError
            If name or user cannot be used, or are taken.
        """
        user = check_user(untrusted_user)
        self.peers.check_free(user)
        peer = self._all.add("".join(secrets.choice(_LETTERS) for _ in range(8)), check_name(untrusted_name), limits)
        self.peers.add(peer.id, user, network)
        return peer, self.rotate(V1Peer(peer.id, user, network, ""))

    def rotate(self, peer: V1Peer) -> Secret[str]:
        """Give a peer another key; the old one ends now."""
        key = new_v1_key()
        self._credentials.set(_credential(peer), seal_for(self._vault(), _place(peer), key))
        return key

    def forget(self, peer_id: str) -> None:
        """Let a peer come by this scheme no more; nothing where it does not."""
        peer = self.peers.of_peer(peer_id)
        if peer is not None:
            self._credentials.clear(_credential(peer))
            self.peers.remove(peer_id)

    def claim_of(self, untrusted_authorization: str, address: str) -> Claim:
        """Return who a request says that it is from.

        Raises
        ------
        RefusedError
            If there is no such user, or it may not come from that address.
        """
        found = parse_authorization_v1(untrusted_authorization)
        peer = None if found is None else self.peers.of_user(found[0])
        if found is None or peer is None or not peer.may_come_from(address):
            raise RefusedError("no such user, or not from this address")
        return Claim(peer, found[1])

    def check(self, claim: Claim, metadata: bytes) -> None:
        """Raise RefusedError unless the peer's key has signed the metadata, of late."""
        sealed = self._credentials.get(_credential(claim.peer))
        if sealed is None:
            raise RefusedError("this user has no key")
        try:
            key = open_for(self._vault(), _place(claim.peer), sealed)
        except VaultError as error:
            raise RefusedError("the key of this user cannot be opened") from error
        check_signature_v1(key, metadata, claim.signature, now_s=self._clock.now().timestamp())

    def begin(self, claim: Claim, content_type: str) -> Arrival:
        """Return a form that is about to come; InputError if it is none."""

        def check(metadata: bytes) -> None:
            try:
                self.check(claim, metadata)
            except RefusedError as error:
                raise HeadError(400, "authentication failed") from error

        return self.arrivals.begin(content_type, check)

    def leave(self, head: RequestHead, address: str) -> Leave:
        """Say what a large body may be; see `door.AskLeave`."""
        kind = kind_of_word(head.target.removeprefix(PREFIX))
        if head.method != "PUT" or kind is None or not self.peers.is_any():
            raise HeadError(404, "there is nothing here")
        try:
            claim = self.claim_of(head.header("authorization"), address)
            self.arrivals.check_room(head.body_bytes)
        except RefusedError as error:
            raise HeadError(403, "this body is too large for a request that is not let in") from error
        except DiskFullError as error:
            raise HeadError(507, "there is no room for this file here") from error
        content_type = head.header("content-type")
        return Leave(_LARGEST.get(kind, _LARGEST_OTHER), f"v1:{claim.peer.peer}", sink=lambda: self.begin(claim, content_type))


def _credential(peer: V1Peer) -> str:
    return f"peer.{peer.peer}.v1"


def _place(peer: V1Peer) -> str:
    return f"indi-allsky:{peer.user}"
