"""Sticks that an admin has confirmed, remembered by the ids of their file systems."""

from dataclasses import dataclass
from datetime import datetime

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError
from appliance.domain.stick import is_fs_id
from appliance.store.database import Database
from appliance.store.models import StickRow, count, replace

MOST_STICKS = 100
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class ConfirmedStick:
    """A stick of which an admin said: use this one."""

    fs_id: str
    name: str
    """What the admin saw: the stick's label or model."""
    by: str
    at: datetime


class StickStore:
    """The confirmed sticks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def confirm(self, fs_id: str, name: str, by: str) -> None:
        """Remember a stick; its name is cut to what can be shown.

        Raises
        ------
        InputError
            If the id is none that can be remembered, or too many are.
        """
        if not is_fs_id(fs_id):
            raise InputError("This stick has no id by which it could be remembered. Format it afresh.")
        shown = "".join(letter for letter in name if letter.isprintable())[:_LONGEST_NAME]
        with self._database.write() as db:
            if count(StickRow.select().where(StickRow.fs_id != fs_id), db) >= MOST_STICKS:
                raise InputError(f"{MOST_STICKS} sticks are confirmed already. Forget one of them first.")
            replace(StickRow, db, fs_id=fs_id, name=shown, confirmed_by=by, confirmed_at=self._clock.now())

    def forget(self, fs_id: str) -> bool:
        """Forget a stick; return whether it was known."""
        with self._database.write() as db:
            return bool(StickRow.delete().where(StickRow.fs_id == fs_id).execute(db))

    def is_confirmed(self, fs_id: str) -> bool:
        """Return whether a stick may fill itself."""
        with self._database.read() as db:
            return StickRow.select().where(StickRow.fs_id == fs_id).get_or_none(db) is not None

    def confirmed(self) -> list[ConfirmedStick]:
        """Return every confirmed stick, by name."""
        with self._database.read() as db:
            rows = list(StickRow.select().order_by(StickRow.name, StickRow.fs_id).execute(db))
        return [ConfirmedStick(row.fs_id, row.name, row.confirmed_by, row.confirmed_at) for row in rows]
