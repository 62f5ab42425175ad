"""The database file: transactions, threads, migrations, backups, damage."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import pytest

from appliance.domain.errors import StoreError
from appliance.store.audit import AuditStore
from appliance.store.backups import KEPT_BACKUPS, KEPT_DAMAGED
from appliance.store.credentials import CredentialStore
from appliance.store.database import FILE_NAME, Database
from appliance.store.files import DataFolder
from appliance.store.migrations import MIGRATIONS, Migration
from appliance.store.models import CredentialRow
from tests.unit.store.conftest import MovableClock

NEXT = Migration(len(MIGRATIONS) + 1, "a later release's table", ("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT",))


def fill(database: Database, clock: MovableClock, names: int = 200) -> CredentialStore:
    store = CredentialStore(database, clock)
    for number in range(names):
        store.set(f"name-{number}", bytes([number % 256]) * 300)
    return store


def damage(path: Path, offset: int = 4096, pages: int = 2) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 4096 * pages)


def test_a_new_database_is_private_and_in_wal_mode(database: Database) -> None:
    assert database.path.stat().st_mode & 0o777 == 0o600
    with database.read() as db:
        pragmas = {name: db.pragma(name) for name in ("journal_mode", "foreign_keys", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
    assert database.check() == "ok"


def insert(database: Database, clock: MovableClock, *names: str) -> None:
    with database.write() as db:
        for name in names:
            CredentialRow.insert(name=name, sealed=b"x", saved_at=clock.now()).execute(db)


def test_a_failed_transaction_leaves_nothing(database: Database, clock: MovableClock) -> None:
    with pytest.raises(StoreError, match="UNIQUE") as caught:
        insert(database, clock, "half", "same", "same")
    assert isinstance(caught.value.__cause__, peewee.IntegrityError)
    assert CredentialStore(database, clock).names() == ()


def test_an_error_that_is_not_the_database_s_passes_and_rolls_back(database: Database, clock: MovableClock) -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        insert(database, type("Naive", (MovableClock,), {"now": lambda _: clock.wall.replace(tzinfo=None)})(), "half")
    assert CredentialStore(database, clock).names() == ()


def test_transactions_do_not_nest(database: Database, clock: MovableClock) -> None:
    with database.write(), pytest.raises(ValueError, match="open in this thread"):
        insert(database, clock, "inner")
    with database.read(), pytest.raises(ValueError, match="open in this thread"):
        insert(database, clock, "inner")


def test_many_threads_write_at_once_and_nothing_is_lost(database: Database, clock: MovableClock) -> None:
    audit = AuditStore(database, clock)

    def work(number: int) -> None:
        for _ in range(25):
            audit.add(f"thread-{number}", "", "tried")
            audit.page(limit=3)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert audit.head()[0] == 200
    assert audit.verify() == []


def test_connections_of_threads_that_ended_are_closed(database: Database, clock: MovableClock) -> None:
    store = CredentialStore(database, clock)
    for _ in range(20):
        thread = threading.Thread(target=store.names)
        thread.start()
        thread.join()
    assert database._sqlite.connections <= 2


def test_a_closed_database_can_be_opened_again_and_leaves_one_file(
    folder: DataFolder, database: Database, clock: MovableClock
) -> None:
    fill(database, clock, 3)
    database.close()
    assert not (folder.root / f"{FILE_NAME}-wal").exists()
    assert database.open() == ()
    assert len(CredentialStore(database, clock).names()) == 3


def test_a_database_that_cannot_be_opened_is_not_taken_for_a_damaged_one(folder: DataFolder, clock: MovableClock) -> None:
    (folder.root / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="unable to open"):
        Database(folder.root, clock).open()
    assert (folder.root / FILE_NAME).is_dir()


class TestMigrations:
    def test_numbers_rise_by_one(self) -> None:
        assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))

    def test_the_shape_is_what_the_models_expect(self, database: Database) -> None:
        with database.read() as db:
            for model in all_models():
                columns = {column.name for column in db.get_columns(model._meta.table_name)}
                assert columns == set(model._meta.columns), model

    def test_a_step_saves_the_file_first(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        fill(database, clock, 5)
        database.close()
        later = Database(folder.root, clock, (*MIGRATIONS, NEXT))
        assert later.open() == ()
        (backup,) = sorted((folder.root / "backups").glob("nightjar-*.db"))
        with sqlite3.connect(backup) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
            assert connection.execute("SELECT count(*) FROM credential").fetchone() == (5,)
        connection.close()
        with later.read() as db:
            assert db.table_exists("later")
        later.close()

    def test_a_step_that_fails_changes_nothing(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        fill(database, clock, 5)
        database.close()
        number = NEXT.number + 1
        bad = Migration(number, "a mistake", ("CREATE TABLE other (id INTEGER) STRICT", "CREATE TABLE frame (id INTEGER)"))
        later = Database(folder.root, clock, (*MIGRATIONS, NEXT, bad))
        with pytest.raises(StoreError, match="already exists"):
            later.open()
        later.close()
        assert database.open() == ()
        with database.read() as db:
            assert not db.table_exists("later")
            assert not db.table_exists("other")
        assert len(CredentialStore(database, clock).names()) == 5

    def test_an_older_release_opens_the_database_of_a_newer_one(
        self, folder: DataFolder, database: Database, clock: MovableClock
    ) -> None:
        fill(database, clock, 5)
        database.close()
        later = Database(folder.root, clock, (*MIGRATIONS, NEXT))
        later.open()
        later.close()
        assert database.open() == ()
        assert len(CredentialStore(database, clock).names()) == 5
        database.close()
        assert later.open() == ()  # and forward again, where no step is done twice
        later.close()


class TestBackups:
    def test_a_backup_is_one_whole_private_file(self, database: Database, clock: MovableClock) -> None:
        fill(database, clock)
        backup = database.backup()
        assert backup.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(backup) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM credential").fetchone() == (200,)
        connection.close()
        assert not list(backup.parent.glob("*.part"))

    def test_the_latest_are_kept_whatever_the_clock_says(
        self, folder: DataFolder, database: Database, clock: MovableClock
    ) -> None:
        made = []
        for _ in range(KEPT_BACKUPS + 2):
            clock.jump(-30)
            made.append(database.backup().name)
        assert sorted(path.name for path in (folder.root / "backups").iterdir()) == made[-KEPT_BACKUPS:]


class TestDamage:
    def test_a_damaged_file_is_kept_and_the_last_backup_restored(
        self, folder: DataFolder, database: Database, clock: MovableClock
    ) -> None:
        store = fill(database, clock)
        backup = database.backup()
        store.set("after", b"the backup")
        database.close()
        damage(database.path)
        kept, restored = database.open()
        assert restored == f"restored from the backup {backup.name}"
        assert len(store.names()) == 200
        (aside,) = (folder.root / "backups").glob("damaged-*.db")
        assert aside.name in kept
        assert b"\xa5" * 8192 in aside.read_bytes()
        store.set("again", b"it works")
        assert database.check() == "ok"

    def test_a_damaged_backup_is_passed_over(self, database: Database, clock: MovableClock) -> None:
        store = fill(database, clock)
        good = database.backup()
        store.set("later", b"x")
        damage(database.backup())
        database.close()
        database.path.write_bytes(b"this is no database at all" * 1000)
        assert database.open()[1] == f"restored from the backup {good.name}"
        assert store.get("later") is None
        assert len(store.names()) == 200

    def test_without_a_backup_it_starts_empty_and_says_so(self, database: Database, clock: MovableClock) -> None:
        store = fill(database, clock)
        database.close()
        damage(database.path, 0)
        assert database.open()[1] == "no backup was usable: it starts empty"
        assert store.names() == ()

    @pytest.mark.parametrize("content", [None, b""])
    def test_a_lost_file_comes_back_from_its_backup(self, database: Database, clock: MovableClock, content: bytes | None) -> None:
        store = fill(database, clock)
        database.backup()
        database.close()
        database.path.unlink()
        if content is not None:
            database.path.write_bytes(content)
        assert database.open()[0] == "the database was missing"
        assert len(store.names()) == 200

    def test_damage_met_while_running_is_told_and_the_next_start_repairs_it(
        self, database: Database, clock: MovableClock
    ) -> None:
        store = fill(database, clock, 2000)
        database.backup()
        database.close()
        assert database.open() == ()
        damage(database.path, 4096 * 30, pages=100)
        # Another thread, because this one's connection still remembers the pages.
        with ThreadPoolExecutor() as pool, pytest.raises(StoreError, match="damaged"):
            pool.submit(store.all).result()
        assert database.is_damaged
        database.close()
        assert len(database.open()) == 2
        assert not database.is_damaged
        assert len(store.all()) == 2000

    def test_damaged_files_do_not_pile_up(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        for _ in range(KEPT_DAMAGED + 2):
            fill(database, clock, 50)
            database.close()
            damage(database.path, 0)
            database.open()
        assert len(list((folder.root / "backups").glob("damaged-*"))) == KEPT_DAMAGED


class TestRunningTime:
    def test_it_goes_on_after_a_restart_whatever_the_wall_clock_does(
        self, folder: DataFolder, database: Database, clock: MovableClock
    ) -> None:
        clock.run(500)
        assert database.running.seconds() == 500
        database.close()
        clock.restart()
        clock.jump(-30)
        again = Database(folder.root, clock)
        again.open()
        clock.run(100)
        assert again.running.seconds() == 600
        again.close()

    def test_a_pulled_plug_costs_about_a_minute_of_it(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        audit = AuditStore(database, clock)
        for _ in range(10):
            clock.run(30)
            audit.add("pipeline", "", "stored a frame")
        clock.restart()  # and no close
        again = Database(folder.root, clock)
        again.open()
        assert 240 <= again.running.seconds() <= 300
        again.close()

    def test_another_process_never_turns_it_back(self, folder: DataFolder, database: Database, clock: MovableClock) -> None:
        other = Database(folder.root, clock)
        other.open()
        clock.run(1000)
        database.close()
        clock.running_s -= 900  # the other one saw less
        other.close()
        again = Database(folder.root, clock)
        again.open()
        assert again.running.seconds() == 1000
        again.close()
        clock.running_s += 900


def all_models() -> list[type[peewee.Model]]:
    return [
        model
        for model in peewee.Model.__subclasses__()
        if model.__module__ == "appliance.store.models" and model.__name__ != "SequenceRow"
    ]
