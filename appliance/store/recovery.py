"""Recovery by presence: one open recovery, as the hash of its setup code, until it is used or ends."""

from appliance.domain.clock import Clock
from appliance.store.database import Database
from appliance.store.models import RecoveryRow

VALID_S = 24 * 3600.0


class RecoveryStore:
    """At most one recovery; `AccountStore.recover` uses it up."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def start(self, code_hash: str) -> None:
        """Open a recovery with the hash of a new setup code; a former one is void."""
        ends_s = self._database.running.seconds() + VALID_S
        with self._database.write() as db:
            RecoveryRow.delete().execute(db)
            RecoveryRow.insert(id=1, code_hash=code_hash, ends_running_s=ends_s).execute(db)

    def code_hash(self) -> str | None:
        """Return the hash of the open recovery's code, or None where none is open."""
        now_s = self._database.running.seconds()
        with self._database.read() as db:
            row = RecoveryRow.select().where(RecoveryRow.ends_running_s > now_s).get_or_none(db)
        return None if row is None else row.code_hash

    def cancel(self) -> None:
        """End an open recovery unused."""
        with self._database.write() as db:
            RecoveryRow.delete().execute(db)
