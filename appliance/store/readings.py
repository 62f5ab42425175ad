"""Readings of the machine, one a minute: every one of the last two days, then every tenth up to thirty days.

What is kept is told by how many came after it, never by the date: a clock that jumps deletes nothing. Ten are written
together: a commit a minute would be most of what a card has to take while nothing happens (decision 1026).
"""

import threading
from datetime import UTC, datetime

import peewee

from appliance.domain.machine import Reading, StoredReading
from appliance.store.database import Database
from appliance.store.models import ReadingRow

WHOLE = 2 * 1440
"""So many of the newest are all kept."""
KEPT = 30 * 1440
"""Older than so many: none."""
THINNED = 10
"""In between one of so many stays."""
LARGEST_PAGE = 1000
TOGETHER = 10
"""So many are written in one commit; a power cut takes fewer than these from the charts."""
WAITING_MOST = 240
"""What waits for a disk that takes no rows: four hours; older ones are given up."""


class ReadingStore:
    """What charts are drawn of; those that are still to be written are among what it returns. For every thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[StoredReading] = []
        """Oldest first, with the ids that their rows will have."""

    def add(self, reading: Reading) -> None:
        """Keep what charts need of a reading; every tenth call writes.

        Raises
        ------
        StoreError
            What waits could not be written; nothing is lost, and the next call tries again.
        """
        number = self.newest_id() + 1
        at = reading.at.astimezone(UTC).replace(microsecond=0)
        memory_bytes, disk_bytes = reading.memory.available_bytes, reading.disk.free_bytes
        stored = StoredReading(number, at, reading.temperature_c, reading.load, memory_bytes, disk_bytes, reading.signal_dbm)
        with self._lock:
            self._waiting = [*self._waiting[1 - WAITING_MOST :], stored]
            is_due = len(self._waiting) >= TOGETHER
        if is_due:
            self.write()

    def write(self) -> None:
        """Write what waits, in one commit; StoreError where that fails, and it goes on waiting."""
        with self._lock:
            waiting = self._waiting
            if not waiting:
                return
            with self._database.write() as db:
                ReadingRow.insert_many([_row(one) for one in waiting]).execute(db)
            self._waiting = []

    def thin(self) -> int:
        """Write what waits and remove what is not to be kept; return how many rows went."""
        self.write()
        newest = self.newest_id()
        is_old = ReadingRow.id <= newest - KEPT
        is_between = (ReadingRow.id <= newest - WHOLE) & (peewee.Expression(ReadingRow.id, peewee.OP.MOD, THINNED) != 0)
        with self._database.write() as db:
            return int(ReadingRow.delete().where(is_old | is_between).execute(db))

    def newest_id(self) -> int:
        """Return the id of the newest reading, 0 where there is none: what tells whether a chart is still the same."""
        with self._lock:
            if self._waiting:
                return self._waiting[-1].id
            with self._database.read() as db:
                row = ReadingRow.select().order_by(ReadingRow.id.desc()).limit(1).get_or_none(db)
        return 0 if row is None else int(row.id)

    def between(self, start: datetime, end: datetime) -> list[StoredReading]:
        """Return the readings of a time, oldest first."""
        first_s, last_s = int(start.timestamp()), int(end.timestamp())
        query = (
            ReadingRow.select()
            .where((ReadingRow.at_s >= first_s) & (ReadingRow.at_s <= last_s))
            .order_by(ReadingRow.at_s, ReadingRow.id)
        )
        with self._lock:
            with self._database.read() as db:
                written = [_stored(row) for row in query.tuples().execute(db)]
            waiting = [one for one in self._waiting if first_s <= int(one.at.timestamp()) <= last_s]
        return sorted([*written, *waiting], key=lambda one: (one.at, one.id)) if waiting else written

    def page(self, limit: int, before: int | None = None) -> list[StoredReading]:
        """Return readings, newest first.

        Parameters
        ----------
        limit : int
            At most so many, and never more than 1000.
        before : int or None
            The id of the last reading of the page before, to go on from.
        """
        most = max(0, min(limit, LARGEST_PAGE))
        query = ReadingRow.select() if before is None else ReadingRow.select().where(ReadingRow.id < before)
        with self._lock:
            waiting = [one for one in reversed(self._waiting) if before is None or one.id < before][:most]
            query = query.order_by(ReadingRow.id.desc()).limit(most - len(waiting))
            with self._database.read() as db:
                return [*waiting, *(_stored(row) for row in query.tuples().execute(db))]


def _row(one: StoredReading) -> dict[str, object]:
    return {
        "id": one.id,
        "at_s": int(one.at.timestamp()),
        "temperature_c": one.temperature_c,
        "load": one.load,
        "memory_available_bytes": one.memory_available_bytes,
        "disk_free_bytes": one.disk_free_bytes,
        "signal_dbm": one.signal_dbm,
    }


_Row = tuple[int, int, float | None, float | None, int | None, int | None, float | None]
"""A row as SQLite gives it, in the order of the model: thousands are read for a chart, and models are ten times slower."""


def _stored(row: _Row) -> StoredReading:
    number, at_s, temperature_c, load, memory_bytes, disk_bytes, signal_dbm = row
    return StoredReading(number, datetime.fromtimestamp(at_s, UTC), temperature_c, load, memory_bytes, disk_bytes, signal_dbm)
