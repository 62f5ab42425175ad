"""Settings as numbered revisions: every saved state is kept, can be read, compared and returned to."""

import logging
from dataclasses import dataclass
from datetime import datetime

import peewee

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.errors import InputError, SettingsError
from appliance.domain.health import Severity
from appliance.settings.parse import from_json, to_json
from appliance.settings.schema import VERSION, Settings
from appliance.store.database import Database
from appliance.store.models import RevisionRow
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard

log = logging.getLogger(__name__)

KEPT = 500
ISSUE = "settings.unreadable"


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved state of the settings."""

    id: int
    saved_at: datetime
    saved_by: str
    version: int
    """Number of the schema that it was written with."""


class SettingsStore:
    """The settings in force, published, and every revision before them."""

    def __init__(self, database: Database, board: HealthBoard, clock: Clock | None = None) -> None:
        self._database, self._board, self._clock = database, board, clock or SystemClock()
        self.published: Published[Settings] = Published(Settings())

    def load(self) -> Settings:
        """Publish the newest revision that can be read; defaults where there is none. Return what is in force."""
        unreadable: list[int] = []
        settings = Settings()
        for row in self._rows():
            try:
                settings = from_json(row.json, row.version)
                break
            except SettingsError as error:
                log.error("settings revision %d cannot be read: %s", row.id, error)
                unreadable.append(row.id)
        self._report(unreadable)
        self.published.publish(settings)
        return settings

    def save(self, settings: Settings, saved_by: str, *, based_on: int | None = None) -> Revision:
        """Keep settings as a new revision and publish them.

        Parameters
        ----------
        settings : Settings
        saved_by : str
            Name of the account.
        based_on : int or None
            The revision that the person saw; refused if somebody has saved another one since. None does not ask.

        Raises
        ------
        InputError
            If `based_on` is not the newest revision.
        """
        with self._database.write() as db:
            newest = RevisionRow.select().order_by(RevisionRow.id.desc()).limit(1).get_or_none(db)
            newest_id = 0 if newest is None else newest.id
            if based_on is not None and based_on != newest_id:
                raise InputError("Somebody saved other settings meanwhile. Look at them, then change yours again.")
            row = write_revision(db, self._clock.now(), settings, saved_by)
        self._publish_newest(row.id, settings)
        self._board.clear_issue(ISSUE)
        return _revision(row)

    def revisions(self, limit: int = 50) -> list[Revision]:
        """Return the latest revisions, newest first."""
        return [_revision(row) for row in self._rows(max(0, min(limit, KEPT)))]

    def newest_id(self) -> int:
        """Return the id of the newest revision, 0 where nothing was ever saved: for `based_on`."""
        return next((row.id for row in self._rows(1)), 0)

    def settings_of(self, revision_id: int) -> Settings:
        """Return the settings of a revision, brought up to today's schema.

        Raises
        ------
        InputError
            If there is no such revision.
        SettingsError
            If it cannot be read.
        """
        with self._database.read() as db:
            row = RevisionRow.select().where(RevisionRow.id == revision_id).get_or_none(db)
        if row is None:
            raise InputError(f"There is no revision {revision_id}. Choose one of the list.")
        return from_json(row.json, row.version)

    def restore(self, revision_id: int, saved_by: str) -> Revision:
        """Save the settings of a former revision as the newest one."""
        return self.save(self.settings_of(revision_id), saved_by)

    def _publish_newest(self, revision_id: int, settings: Settings) -> None:
        """Publish; two people who save at once must not leave the older state published."""
        self.published.publish(settings)
        while (newest_id := self.newest_id()) > revision_id:
            revision_id = newest_id
            self.published.publish(self.settings_of(newest_id))

    def _rows(self, limit: int = KEPT) -> list[RevisionRow]:
        with self._database.read() as db:
            return list(RevisionRow.select().order_by(RevisionRow.id.desc()).limit(limit).execute(db))

    def _report(self, unreadable: list[int]) -> None:
        if not unreadable:
            self._board.clear_issue(ISSUE)
            return
        self._board.raise_issue(
            ISSUE,
            Severity.WARNING,
            f"The settings of revision {unreadable[0]} cannot be read; older ones are in force",
            "This happens after going back to an older version of Nightjar. Look through Settings and save them once.",
        )


def write_revision(db: peewee.SqliteDatabase, at: datetime, settings: Settings, saved_by: str) -> RevisionRow:
    """Write settings as the newest revision in a transaction that is open; who does it has them published after."""
    row = RevisionRow(saved_at=at, saved_by=saved_by, version=VERSION, json=to_json(settings))
    row.id = RevisionRow.insert(row.__data__).execute(db)
    _thin_out(db, row.id)
    return row


def _thin_out(db: peewee.SqliteDatabase, newest_id: int) -> None:
    RevisionRow.delete().where(RevisionRow.id <= newest_id - KEPT).execute(db)


def _revision(row: RevisionRow) -> Revision:
    return Revision(row.id, row.saved_at, row.saved_by, row.version)
