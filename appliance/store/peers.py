"""Peers, their keys by id, and the nonces that their requests have used; the keys themselves lie sealed elsewhere."""

from dataclasses import dataclass

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError, ThrottledError
from appliance.domain.peer import Peer, PeerLimits
from appliance.store.database import Database
from appliance.store.models import count
from appliance.store.peermodels import PeerKeyRow, PeerNonceRow, PeerRow

MOST_PEERS = 50
NONCES_KEPT_S = 600
"""Twice as far as two clocks may stand apart."""
MOST_NONCES = 50_000
"""Of one key; a sender that needs more in ten minutes is told to wait."""
_LONGEST_TOLD = 120


@dataclass(frozen=True, slots=True)
class PeerKey:
    """A key by which a peer signs."""

    id: str
    peer: str


class PeerStore:
    """Who may send here."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, peer_id: str, name: str, limits: PeerLimits) -> Peer:
        """Make a peer; it can do nothing before it has a key.

        Raises
        ------
        InputError
            If the name is taken, or there are too many peers.
        """
        row = PeerRow(
            id=peer_id,
            name=name,
            made_at=self._clock.now(),
            keep_days=limits.keep_days,
            most_mib=limits.most_mib,
            is_open=True,
            last_at=None,
            last_address="",
            told="",
        )
        with self._database.write() as db:
            if PeerRow.select().where(PeerRow.name == name).exists(db):
                raise InputError("There is an appliance of that name already.")
            if count(PeerRow.select(), db) >= MOST_PEERS:
                raise InputError(f"There are {MOST_PEERS} appliances already; remove one first.")
            PeerRow.insert(row.__data__).execute(db)
        return _peer(row)

    def all(self) -> tuple[Peer, ...]:
        """Return every peer by name, revoked ones too."""
        with self._database.read() as db:
            return tuple(_peer(row) for row in PeerRow.select().order_by(PeerRow.name).execute(db))

    def get(self, peer_id: str) -> Peer | None:
        """Return a peer, None where there is none."""
        with self._database.read() as db:
            row = PeerRow.select().where(PeerRow.id == peer_id).get_or_none(db)
        return None if row is None else _peer(row)

    def set_limits(self, peer_id: str, limits: PeerLimits) -> None:
        """Change what is kept of a peer."""
        values = {"keep_days": limits.keep_days, "most_mib": limits.most_mib}
        with self._database.write() as db:
            PeerRow.update(**values).where(PeerRow.id == peer_id).execute(db)

    def note_told(self, peer_id: str, told: str) -> None:
        """Note what a peer calls itself, where that is new."""
        told = "".join(filter(str.isprintable, told))[:_LONGEST_TOLD]
        is_other = (PeerRow.id == peer_id) & (PeerRow.told != told)
        with self._database.read() as db:
            if not PeerRow.select().where(is_other).exists(db):
                return
        with self._database.write() as db:
            PeerRow.update(told=told).where(is_other).execute(db)

    def all_keys(self) -> list[PeerKey]:
        """Return every key, the newest of a peer last."""
        with self._database.read() as db:
            rows = list(PeerKeyRow.select().order_by(PeerKeyRow.made_at).execute(db))
        return [PeerKey(row.id, row.peer) for row in rows]

    def add_key(self, peer_id: str, key_id: str) -> None:
        """Let a peer sign with another key too."""
        with self._database.write() as db:
            PeerKeyRow.insert(id=key_id, peer=peer_id, made_at=self._clock.now(), forgotten_until_s=0).execute(db)
            PeerRow.update(is_open=True).where(PeerRow.id == peer_id).execute(db)

    def drop_keys(self, peer_id: str, *, but: str = "") -> list[str]:
        """End a peer's keys but one, with their nonces; return the ids of those that ended."""
        with self._database.write() as db:
            return _drop_keys(db, peer_id, but)

    def revoke(self, peer_id: str) -> list[str]:
        """End all keys of a peer; what came from it stays. Return the ids of the keys."""
        with self._database.write() as db:
            PeerRow.update(is_open=False).where(PeerRow.id == peer_id).execute(db)
            return _drop_keys(db, peer_id, "")

    def remove(self, peer_id: str) -> list[str]:
        """Forget a peer; return the ids of its keys."""
        with self._database.write() as db:
            PeerRow.delete().where(PeerRow.id == peer_id).execute(db)
            return _drop_keys(db, peer_id, "")

    def is_spent(self, key_id: str, nonce: str) -> bool:
        """Return whether a nonce was used."""
        same = (PeerNonceRow.key == key_id) & (PeerNonceRow.nonce == nonce)
        with self._database.read() as db:
            return PeerNonceRow.select().where(same).exists(db)

    def spend(self, key: PeerKey, nonce: str, time_s: int, address: str) -> None:
        """Take a request whose signature is good, once and for all, and note that its peer was heard of.

        A nonce is forgotten when its request is too old for the clock of now; what is as old as those that were
        forgotten is refused for ever, so that a clock which is set back opens nothing (decision 0906).

        Raises
        ------
        RefusedError
            If it came before, or may have.
        ThrottledError
            If there are too many.
        """
        now = self._clock.now()
        old_s = int(now.timestamp()) - NONCES_KEPT_S
        with self._database.write() as db:
            row = PeerKeyRow.select().where(PeerKeyRow.id == key.id).get_or_none(db)
            if row is None:
                raise RefusedError("this key has ended")
            if time_s <= row.forgotten_until_s:
                raise RefusedError(
                    "a request signed later than this one was taken long ago; if a clock was wrong, rotate the key"
                )
            same = (PeerNonceRow.key == key.id) & (PeerNonceRow.nonce == nonce)
            if PeerNonceRow.select().where(same).exists(db):
                raise RefusedError("this request came before")
            self._forget(db, key.id, old_s)
            if count(PeerNonceRow.select().where(PeerNonceRow.key == key.id), db) >= MOST_NONCES:
                raise ThrottledError(60)
            PeerNonceRow.insert(key=key.id, nonce=nonce, time_s=time_s).execute(db)
            PeerRow.update(last_at=now, last_address=address[:64]).where(PeerRow.id == key.peer).execute(db)

    def _forget(self, db: peewee.SqliteDatabase, key_id: str, old_s: int) -> None:
        is_old = (PeerNonceRow.key == key_id) & (PeerNonceRow.time_s < old_s)
        newest = PeerNonceRow.select(peewee.fn.MAX(PeerNonceRow.time_s)).where(is_old).scalar(db)
        if newest is not None:
            PeerKeyRow.update(forgotten_until_s=int(newest)).where(PeerKeyRow.id == key_id).execute(db)
            PeerNonceRow.delete().where(is_old).execute(db)


def _drop_keys(db: peewee.SqliteDatabase, peer_id: str, but: str) -> list[str]:
    ended = (PeerKeyRow.peer == peer_id) & (PeerKeyRow.id != but)
    ids = [row.id for row in PeerKeyRow.select().where(ended).execute(db)]
    PeerNonceRow.delete().where(PeerNonceRow.key.in_(ids)).execute(db)
    PeerKeyRow.delete().where(ended).execute(db)
    return ids


def _peer(row: PeerRow) -> Peer:
    limits = PeerLimits(row.keep_days, row.most_mib)
    return Peer(row.id, row.name, row.made_at, limits, bool(row.is_open), row.last_at, row.last_address, row.told)
