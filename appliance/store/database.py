"""The database file: opened, checked, migrated, saved, repaired; every other module of `store` asks it for transactions."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, StoreError
from appliance.store import disk
from appliance.store.backups import Backups
from appliance.store.migrations import MIGRATIONS, Migration
from appliance.store.running import RunningTime

log = logging.getLogger(__name__)
logging.getLogger("peewee").setLevel(logging.INFO)  # at DEBUG it logs every parameter: hashes of passwords, sealed bytes

FILE_NAME = "nightjar.db"
BUSY_S = 10
_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # a claimed account or a saved setting outlives a power cut in the next second
    "foreign_keys": 1,
    "secure_delete": "fast",
    "cache_size": -1000,  # KiB for each thread's connection; a Zero 2 W has 512 MiB in all
    "journal_size_limit": 4 << 20,
    "trusted_schema": 0,
}
_MAYBE_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""What SQLite says when it finds no room for its log or shared memory."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class _Sqlite(peewee.SqliteDatabase):
    """Peewee's database with a connection for each thread, which also closes the connections of threads that ended."""

    def __init__(self, path: Path) -> None:
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        # Each thread uses its own connection only; `close_all` and the care for ended threads cross threads.
        super().__init__(str(path), pragmas=_PRAGMAS, timeout=BUSY_S, check_same_thread=False)

    def _connect(self) -> sqlite3.Connection:
        """Connect; peewee calls this with its own lock held."""
        for thread in [thread for thread in self._connections if not thread.is_alive()]:
            self._connections.pop(thread).close()
        connection: sqlite3.Connection = super()._connect()  # type: ignore[misc] # not in peewee's stubs
        self._connections[threading.current_thread()] = connection
        return connection

    def close_all(self) -> None:
        """Close the connections of every thread; the last one folds the write-ahead log into the file."""
        with self._lock:  # type: ignore[attr-defined] # not in peewee's stubs
            while self._connections:
                self._connections.popitem()[1].close()
        self.dispose()

    @property
    def connections(self) -> int:
        """How many threads hold a connection."""
        return len(self._connections)


class Database:
    """One SQLite file; safe to use from every thread, each in its own connection."""

    def __init__(self, folder: Path, clock: Clock, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
        self.path = folder / FILE_NAME
        self._migrations = migrations
        self._backups = Backups(folder / "backups", clock)
        self._sqlite = _Sqlite(self.path)
        self.running = RunningTime(clock)
        self.is_damaged = False
        """Whether a query met damage; the next `open` repairs it."""

    def open(self) -> tuple[str, ...]:
        """Check the file, restore the last good backup if it is damaged, and bring its shape up to date.

        Returns
        -------
        tuple of str
            What was repaired, in words; empty when all was well.

        Raises
        ------
        DiskFullError
            If there is no room, for instance for the backup before a migration.
        StoreError
            If the file cannot be opened for a reason that a repair would not answer.
        """
        repairs = self._repair()
        with self._translated():
            self._migrate()
            self.running.load(self._sqlite)
        self.is_damaged = False
        return repairs

    def close(self) -> None:
        """Save the running time and close every thread's connection."""
        if self._sqlite.connections:
            with self._translated():
                self.running.save(self._sqlite)
        self._sqlite.close_all()

    @contextmanager
    def read(self) -> Iterator[peewee.SqliteDatabase]:
        """Give a database for queries that all see the same moment."""
        with self._translated(), self._sqlite.atomic():
            yield self._sqlite

    @contextmanager
    def write(self) -> Iterator[peewee.SqliteDatabase]:
        """Give a database for one transaction: all of it happens, or nothing.

        It takes the right to write at once: a transaction that reads first and then wants to write could not wait for it.
        """
        if self._sqlite.in_transaction():
            raise ValueError("a transaction is open in this thread already")
        with self._translated(), self._sqlite.atomic("IMMEDIATE"):
            self.running.save_if_due(self._sqlite)
            yield self._sqlite

    def backup(self) -> Path:
        """Save a checked copy under `backups/`, remove the oldest ones, return its path."""
        with self._translated():
            return self._backups.make(self._sqlite)

    def check(self) -> str:
        """Return `ok`, or what SQLite's quick check says is wrong."""
        with self._translated():
            return str(self._sqlite.pragma("quick_check"))

    def _repair(self) -> tuple[str, ...]:
        if self._is_sound():
            return ()
        self._sqlite.close_all()
        kept = self._backups.put_aside(self.path)
        restored = self._backups.restore(self.path)
        repairs = (
            f"the damaged database is kept as {kept}" if kept else "the database was missing",
            f"restored from the backup {restored}" if restored else "no backup was usable: it starts empty",
        )
        log.error("database repaired: %s", "; ".join(repairs))
        return repairs

    def _is_sound(self) -> bool:
        """Return whether the file is whole; a missing one is, unless there are backups of it."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return self._backups.newest() is None
        try:
            return self.check() == "ok"
        except StoreError:
            if self.is_damaged:
                return False
            raise

    def _migrate(self) -> None:
        version = int(self._sqlite.pragma("user_version"))
        steps = [step for step in self._migrations if step.number > version]
        if not steps:
            return
        if version:
            self._backups.make(self._sqlite)
        with self._sqlite.atomic("IMMEDIATE"):
            for step in steps:
                for statement in step.statements:
                    self._sqlite.execute_sql(statement)  # type: ignore[no-untyped-call]
                self._sqlite.pragma("user_version", step.number)
                log.info("database migrated: step %d, %s", step.number, step.adds)
        self.path.chmod(0o600)
        disk.sync_folder(self.path.parent)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the errors of peewee and sqlite3 into ours."""
        try:
            yield
        except (peewee.PeeweeException, sqlite3.Error) as error:
            codes = _codes(error)
            if codes & _DAMAGED:
                self.is_damaged = True
                raise StoreError(f"the database is damaged, a new start repairs it: {error}") from error
            if sqlite3.SQLITE_FULL in codes or (codes & _MAYBE_FULL and disk.is_full(self.path.parent)):
                raise DiskFullError(f"no room for the database in {self.path.parent}") from error
            raise StoreError(f"the database failed: {error}") from error


def _codes(error: BaseException | None) -> set[int]:
    """Return SQLite's primary result codes of an error and of those it was raised in answer to.

    Peewee wraps sqlite3's errors, and a failing ROLLBACK (SQLite has rolled back by itself after `disk full`) hides the first.
    """
    codes = set()
    while error is not None:
        if isinstance(error, sqlite3.Error) and hasattr(error, "sqlite_errorcode"):
            codes.add(error.sqlite_errorcode & 0xFF)
        error = error.__cause__ or error.__context__
    return codes
