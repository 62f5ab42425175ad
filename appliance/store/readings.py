"""Readings of the machine, one a minute: every one of the last two days, then every tenth up to thirty days.

What is kept is told by how many came after it, never by the date: a clock that jumps deletes nothing.
"""

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


class ReadingStore:
    """What charts are drawn of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, reading: Reading) -> None:
        """Keep what charts need of a reading."""
        values = {
            "at_s": int(reading.at.timestamp()),
            "temperature_c": reading.temperature_c,
            "load": reading.load,
            "memory_available_bytes": reading.memory.available_bytes,
            "disk_free_bytes": reading.disk.free_bytes,
            "signal_dbm": reading.signal_dbm,
        }
        with self._database.write() as db:
            ReadingRow.insert(values).execute(db)

    def thin(self) -> int:
        """Remove what is not to be kept; return how many rows went."""
        newest = self.newest_id()
        is_old = ReadingRow.id <= newest - KEPT
        is_between = (ReadingRow.id <= newest - WHOLE) & (peewee.Expression(ReadingRow.id, peewee.OP.MOD, THINNED) != 0)
        with self._database.write() as db:
            return int(ReadingRow.delete().where(is_old | is_between).execute(db))

    def newest_id(self) -> int:
        """Return the id of the newest row, 0 where there is none: what tells whether a chart is still the same."""
        with self._database.read() as db:
            row = ReadingRow.select().order_by(ReadingRow.id.desc()).limit(1).get_or_none(db)
        return 0 if row is None else int(row.id)

    def between(self, start: datetime, end: datetime) -> list[StoredReading]:
        """Return the readings of a time, oldest first."""
        query = (
            ReadingRow.select()
            .where((ReadingRow.at_s >= int(start.timestamp())) & (ReadingRow.at_s <= int(end.timestamp())))
            .order_by(ReadingRow.at_s, ReadingRow.id)
        )
        with self._database.read() as db:
            return [_stored(row) for row in query.tuples().execute(db)]

    def page(self, limit: int, before: int | None = None) -> list[StoredReading]:
        """Return readings, newest first.

        Parameters
        ----------
        limit : int
            At most so many, and never more than 1000.
        before : int or None
            The id of the last reading of the page before, to go on from.
        """
        query = ReadingRow.select() if before is None else ReadingRow.select().where(ReadingRow.id < before)
        query = query.order_by(ReadingRow.id.desc()).limit(max(0, min(limit, LARGEST_PAGE)))
        with self._database.read() as db:
            return [_stored(row) for row in query.tuples().execute(db)]


_Row = tuple[int, int, float | None, float | None, int | None, int | None, float | None]
"""A row as SQLite gives it, in the order of the model: thousands are read for a chart, and models are ten times slower."""


def _stored(row: _Row) -> StoredReading:
    number, at_s, temperature_c, load, memory_bytes, disk_bytes, signal_dbm = row
    return StoredReading(number, datetime.fromtimestamp(at_s, UTC), temperature_c, load, memory_bytes, disk_bytes, signal_dbm)
