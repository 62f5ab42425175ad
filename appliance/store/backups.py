"""Copies of the database: made, checked, thinned out, restored; damaged files are kept beside them."""

import logging
import os
import re
import sqlite3
from pathlib import Path

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import StoreError
from appliance.store import disk

log = logging.getLogger(__name__)

KEPT_BACKUPS = 3
KEPT_DAMAGED = 2
_NAME = re.compile(r"(nightjar|damaged)-(\d{6})-\w+\.db\Z")


class Backups:
    """The folder `backups/`; files are numbered, because their times may come from a clock that jumped."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock

    def make(self, source: peewee.SqliteDatabase) -> Path:
        """Copy the database, check the copy, name it only then."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        final = self._next("nightjar")
        part = final.with_name(final.name + ".part")
        part.unlink(missing_ok=True)
        try:
            self._copy(source, part)
            disk.sync_file(part)
            part.rename(final)
        except OSError as error:
            raise disk.store_error(error, f"cannot save the database to {final.name}") from error
        finally:
            part.unlink(missing_ok=True)
        disk.sync_folder(self._folder)
        self._thin_out("nightjar", KEPT_BACKUPS)
        log.info("database saved: %s", final.name)
        return final

    def newest(self) -> Path | None:
        """Return the newest backup, or None."""
        found = self._numbered("nightjar")
        return found[-1] if found else None

    def put_aside(self, path: Path) -> str | None:
        """Move a damaged database and its log out of the way; return the new name, or None if there was nothing."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        target = self._next("damaged")
        has_content = path.exists() and path.stat().st_size > 0
        for ending in ("", "-wal", "-shm"):
            file = path.with_name(path.name + ending)
            if has_content and ending != "-shm" and file.exists():
                file.rename(target.with_name(target.name + ending))
            else:
                file.unlink(missing_ok=True)
        self._thin_out("damaged", KEPT_DAMAGED)
        return target.name if has_content else None

    def restore(self, path: Path) -> str | None:
        """Put the newest whole backup into place; return its name, or None if none is whole."""
        for backup in reversed(self._numbered("nightjar")):
            if not _is_whole(backup):
                log.error("a backup is damaged too: %s", backup.name)
                continue
            disk.copy(backup, path)
            return backup.name
        return None

    def _copy(self, source: peewee.SqliteDatabase, part: Path) -> None:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        copy = peewee.SqliteDatabase(str(part))
        try:
            _raw(source).backup(_raw(copy))
            copy.pragma("journal_mode", "delete")  # one file, nothing beside it
            if (verdict := copy.pragma("quick_check")) != "ok":
                raise StoreError(f"the copy of the database is not whole: {verdict}")
        finally:
            copy.close()

    def _next(self, kind: str) -> Path:
        found = self._numbered(kind)
        number = int(found[-1].name.split("-")[1]) + 1 if found else 1
        return self._folder / f"{kind}-{number:06d}-{self._clock.now():%Y%m%dT%H%M%SZ}.db"

    def _numbered(self, kind: str) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(file for file in self._folder.iterdir() if (found := _NAME.match(file.name)) and found[1] == kind)

    def _thin_out(self, kind: str, kept: int) -> None:
        for old in self._numbered(kind)[:-kept]:
            old.unlink(missing_ok=True)
            old.with_name(old.name + "-wal").unlink(missing_ok=True)


def _raw(database: peewee.SqliteDatabase) -> sqlite3.Connection:
    """Return this thread's connection; peewee has no words for SQLite's backup."""
    connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]
    return connection


def _is_whole(backup: Path) -> bool:
    database = peewee.SqliteDatabase(str(backup))
    try:
        return bool(database.pragma("quick_check") == "ok")
    except (peewee.DatabaseError, sqlite3.DatabaseError):  # peewee wraps what execute raises, not what fetch raises
        return False
    finally:
        database.close()
