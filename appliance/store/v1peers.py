"""Peers that speak indi-allsky's SyncAPI v1: who, from where, with which camera, and which signatures they have used."""

import ipaddress

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError
from appliance.domain.syncv1 import Network, V1Peer
from appliance.store.database import Database
from appliance.store.peermodels import PeerRow, V1PeerRow, V1UsedRow

KEPT_SIGNATURES = 5000
"""Of one peer, the newest: one every third of a second for as long as a signature is good."""


class V1PeerStore:
    """What such a peer has beside what every peer has; its key lies sealed elsewhere."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, peer_id: str, user: str, network: Network) -> None:
        """Let a peer come by the other program's scheme.

        Raises
        ------
        InputError
            If the user is taken.
        """
        self.check_free(user)
        with self._database.write() as db:
            V1PeerRow.insert(peer=peer_id, user=user, network=str(network), camera="").execute(db)

    def check_free(self, user: str) -> None:
        """Raise InputError if a user is taken."""
        with self._database.read() as db:
            if V1PeerRow.select().where(V1PeerRow.user == user).exists(db):
                raise InputError("There is an indi-allsky with that user already.")

    def all(self) -> tuple[V1Peer, ...]:
        """Return every such peer."""
        with self._database.read() as db:
            return tuple(v1_peer_of(row) for row in V1PeerRow.select().order_by(V1PeerRow.user).execute(db))

    def of_user(self, untrusted_user: str) -> V1Peer | None:
        """Return the peer of a user, where it may still send."""
        with self._database.read() as db:
            row = V1PeerRow.select().where(V1PeerRow.user == untrusted_user).get_or_none(db)
            is_open = row is not None and PeerRow.select().where(PeerRow.id == row.peer, PeerRow.is_open).exists(db)
        return v1_peer_of(row) if row is not None and is_open else None

    def of_peer(self, peer_id: str) -> V1Peer | None:
        """Return such a peer by its id."""
        with self._database.read() as db:
            row = V1PeerRow.select().where(V1PeerRow.peer == peer_id).get_or_none(db)
        return None if row is None else v1_peer_of(row)

    def is_any(self) -> bool:
        """Return whether there is one that may send."""
        with self._database.read() as db:
            is_open = PeerRow.select(PeerRow.id).where(PeerRow.is_open)
            return V1PeerRow.select().where(V1PeerRow.peer.in_(is_open)).exists(db)

    def set_camera(self, peer_id: str, camera: str) -> None:
        """Note which camera a peer has made known."""
        with self._database.write() as db:
            V1PeerRow.update(camera=camera).where(V1PeerRow.peer == peer_id).execute(db)

    def use(self, peer_id: str, signature: str, sha256: str, address: str) -> None:
        """Take a signature that is good: for one content for ever, since it does not cover that.

        Raises
        ------
        RefusedError
            If it came before with other content.
        """
        same = (V1UsedRow.peer == peer_id) & (V1UsedRow.signature == signature)
        with self._database.write() as db:
            row = V1UsedRow.select().where(same).get_or_none(db)
            if row is not None and row.sha256 != sha256:
                raise RefusedError("this signature came before, with other content")
            if row is None:
                V1UsedRow.insert(peer=peer_id, signature=signature, sha256=sha256).execute(db)
                _forget_oldest(db, peer_id)
            PeerRow.update(last_at=self._clock.now(), last_address=address[:64]).where(PeerRow.id == peer_id).execute(db)

    def remove(self, peer_id: str) -> None:
        """Forget such a peer."""
        with self._database.write() as db:
            for model in (V1PeerRow, V1UsedRow):
                model.delete().where(model.peer == peer_id).execute(db)


def _forget_oldest(db: peewee.SqliteDatabase, peer_id: str) -> None:
    of_peer = V1UsedRow.select(V1UsedRow.id).where(V1UsedRow.peer == peer_id).order_by(V1UsedRow.id.desc())
    for first_gone in of_peer.offset(KEPT_SIGNATURES).limit(1).execute(db):
        V1UsedRow.delete().where(V1UsedRow.peer == peer_id, V1UsedRow.id <= first_gone.id).execute(db)


def v1_peer_of(row: V1PeerRow) -> V1Peer:
    """Return the peer of a row."""
    return V1Peer(row.peer, row.user, ipaddress.ip_network(row.network), row.camera)
