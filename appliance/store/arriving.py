"""What is still arriving in chunks: bytes in a file, which survives a restart, and the row that says of what."""

import contextlib
import hashlib
from typing import Protocol

from appliance.domain.errors import StoreError
from appliance.domain.peer import Announced
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.models import count
from appliance.store.peerfiles import arriving_path
from appliance.store.peermodels import ArrivingRow

MOST_OF_A_PEER = 8
"""What has waited longest for its next chunk gives way; its sender begins it again."""
_PIECE = 1 << 20


class _Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class ArrivingStore:
    """Things of which some chunks have come."""

    def __init__(self, database: Database, folder: DataFolder) -> None:
        self._database, self._folder = database, folder
        self._digests: dict[int, tuple[int, _Digest]] = {}
        """How far each file has been hashed while it grew; what a restart forgets is read again at the end."""

    def have(self, peer_id: str, announced: Announced) -> int:
        """Return how many bytes of exactly this thing are here."""
        row = self._row(peer_id, announced)
        return 0 if row is None or not _is_same(row, announced) else self._size(row)

    def add(self, peer_id: str, announced: Announced, data: bytes, at: int) -> int:
        """Add a chunk, if it goes on where the last one ended; return how many bytes there are then.

        Raises
        ------
        BlockingIOError
            If another request is adding to it.
        StoreError
        """
        row = self._row(peer_id, announced)
        if row is not None and not _is_same(row, announced):
            self._drop(row)
            row = None
        row = row or self._begin(peer_id, announced)
        size = self._folder.append(arriving_path(peer_id, row.id), data, at=at)
        if size == at + len(data):
            self._hash_on(row, data, at)
        return size

    def path(self, peer_id: str, announced: Announced) -> str:
        """Return where the bytes lie, relative to the data folder."""
        row = self._row(peer_id, announced)
        if row is None:
            raise StoreError("nothing of this has come")
        return arriving_path(peer_id, row.id)

    def digest(self, peer_id: str, announced: Announced) -> str:
        """Return the SHA-256 of what has come."""
        row = self._row(peer_id, announced)
        if row is None:
            return ""
        done, digest = self._digests.get(row.id, (0, hashlib.sha256()))
        if done != self._size(row):
            digest = hashlib.sha256()
            with self._folder.path_of(arriving_path(peer_id, row.id)).open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        return digest.hexdigest()

    def drop(self, peer_id: str, announced: Announced) -> None:
        """Forget what has come of a thing."""
        row = self._row(peer_id, announced)
        if row is not None:
            self._drop(row)

    def _begin(self, peer_id: str, announced: Announced) -> ArrivingRow:
        key = announced.key
        values = {
            "peer": peer_id,
            "kind": key.kind.value,
            "night": key.night,
            "name": key.name,
            "size": announced.size,
            "sha256": announced.sha256,
        }
        of_peer = ArrivingRow.select().where(ArrivingRow.peer == peer_id)
        with self._database.read() as db:
            surplus = count(of_peer, db) - MOST_OF_A_PEER + 1
            oldest = list(of_peer.order_by(ArrivingRow.id).limit(max(0, surplus)).execute(db))
        for row in oldest:
            self._drop(row)
        row = ArrivingRow(**values)
        with self._database.write() as db:
            row.id = ArrivingRow.insert(values).execute(db)
        return row

    def _row(self, peer_id: str, announced: Announced) -> ArrivingRow | None:
        key = announced.key
        query = ArrivingRow.select().where(ArrivingRow.peer == peer_id, ArrivingRow.kind == key.kind.value)
        query = query.where(ArrivingRow.night == key.night, ArrivingRow.name == key.name)
        with self._database.read() as db:
            return query.get_or_none(db)

    def _size(self, row: ArrivingRow) -> int:
        try:
            return self._folder.path_of(arriving_path(row.peer, row.id)).stat().st_size
        except FileNotFoundError:
            return 0

    def _hash_on(self, row: ArrivingRow, data: bytes, at: int) -> None:
        done, digest = self._digests.pop(row.id, (0, hashlib.sha256()))
        if done == at:
            digest.update(data)
            self._digests[row.id] = (at + len(data), digest)

    def _drop(self, row: ArrivingRow) -> None:
        with self._database.write() as db:
            ArrivingRow.delete().where(ArrivingRow.id == row.id).execute(db)
        self._digests.pop(row.id, None)
        with contextlib.suppress(StoreError):
            self._folder.remove(arriving_path(row.peer, row.id))


def _is_same(row: ArrivingRow, announced: Announced) -> bool:
    return bool(row.size == announced.size and row.sha256 == announced.sha256)
