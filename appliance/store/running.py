"""Running time: seconds that this appliance has been switched on, over all starts; what expiry and lock-outs are counted in.

A Pi has no clock of its own: its wall time jumps by days when the network or a browser tells it the date. Running time
only grows, and only while the appliance runs (see decision 0110).
"""

import peewee

from appliance.domain.clock import Clock
from appliance.store.models import RunningTimeRow

SAVE_EVERY_S = 60.0


class RunningTime:
    """The count, kept in the database: a pulled plug loses what was counted since the last write (see decision 0110)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base_s, self._origin_s, self._saved_s = 0.0, clock.monotonic(), 0.0

    def seconds(self) -> float:
        """Return the running time of now."""
        return self._base_s + self._clock.monotonic() - self._origin_s

    def load(self, db: peewee.SqliteDatabase) -> None:
        """Go on from the saved count."""
        self._base_s = RunningTimeRow.select().get(db).seconds
        self._origin_s, self._saved_s = self._clock.monotonic(), self._base_s

    def save_if_due(self, db: peewee.SqliteDatabase) -> None:
        """Save the count within somebody's transaction, once a minute: it costs no write of its own."""
        if self.seconds() - self._saved_s >= SAVE_EVERY_S:
            self.save(db)

    def save(self, db: peewee.SqliteDatabase) -> None:
        """Save the count; it never goes back, whatever another process has saved."""
        now_s = self.seconds()
        RunningTimeRow.update(seconds=now_s).where(RunningTimeRow.seconds < now_s).execute(db)
        self._saved_s = now_s
