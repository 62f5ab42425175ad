"""The audit log: append-only, and every way of cutting or rewriting it shows."""

import hashlib
import json
import sqlite3
from collections.abc import Callable

import pytest

from appliance.store import audit as module
from appliance.store.audit import START_HASH, AuditStore
from appliance.store.database import Database
from tests.unit.store.conftest import MovableClock


@pytest.fixture
def audit(database: Database, clock: MovableClock) -> AuditStore:
    return AuditStore(database, clock)


def fill(audit: AuditStore, entries: int = 10) -> tuple[int, str]:
    for number in range(entries):
        audit.add("vera", "192.168.1.2", "settings saved", f"revision {number}")
    return audit.head()


def tamper(database: Database, *statements: str) -> None:
    """Change the file as someone would who holds it: from outside, past the triggers."""
    database.close()
    connection = sqlite3.connect(database.path)
    with connection:
        for name in ("audit_is_not_changed", "audit_is_not_cut"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()
    assert database.open() == ()


def test_an_empty_log_is_whole(audit: AuditStore) -> None:
    assert audit.head() == (0, START_HASH)
    assert audit.verify() == audit.verify(audit.head()) == []
    assert list(audit.export()) == audit.page() == []


def test_entries_come_back_in_pages_newest_first(audit: AuditStore, clock: MovableClock) -> None:
    head = fill(audit)
    first = audit.page(limit=4)
    second = audit.page(before=first[-1].id)
    assert [entry.id for entry in first + second] == list(range(10, 0, -1))
    assert (first[0].id, first[0].hash) == head
    newest = first[0]
    assert (newest.at, newest.who, newest.address, newest.action, newest.detail) == (
        clock.now(), "vera", "192.168.1.2", "settings saved", "revision 9",
    )  # fmt: skip


def test_a_whole_chain_verifies_in_batches_and_after_it_grew(
    audit: AuditStore, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    monkeypatch.setattr(module, "_BATCH", 3)
    remembered = fill(audit)
    clock.jump(-30)
    fill(audit)
    assert audit.verify() == audit.verify(remembered) == audit.verify(audit.head()) == []


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit WHERE id = 10", "DELETE FROM audit"])
def test_the_database_refuses_to_change_or_cut(audit: AuditStore, database: Database, change: str) -> None:
    head = fill(audit)
    connection = sqlite3.connect(database.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    connection.close()
    assert audit.head() == head


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE id = 5", "entry 5 was changed"),
        ("UPDATE audit SET at = '2026-01-01T00:00:00.000000Z' WHERE id = 5", "entry 5 was changed"),
        ("UPDATE audit SET detail = '' WHERE id = 10", "entry 10 was changed"),
        ("UPDATE audit SET hash = 'x' WHERE id = 5", "entry 5 was changed"),
        ("DELETE FROM audit WHERE id BETWEEN 4 AND 6", "entries 4 to 6 are missing"),
        ("DELETE FROM audit WHERE id < 3", "entries 1 to 2 are missing"),
    ],
)  # fmt: skip
def test_a_changed_or_cut_middle_shows_by_itself(audit: AuditStore, database: Database, change: str, finding: str) -> None:
    fill(audit)
    tamper(database, change)
    assert finding in audit.verify()[0]


def test_a_cut_middle_that_was_numbered_anew_shows(audit: AuditStore, database: Database) -> None:
    fill(audit)
    tamper(database, "DELETE FROM audit WHERE id = 5", "UPDATE audit SET id = id - 1 WHERE id > 5")
    assert "entry 5 was changed" in audit.verify()[0]


def test_a_cut_tail_shows_against_a_remembered_head(audit: AuditStore, database: Database) -> None:
    head = fill(audit)
    tamper(database, "DELETE FROM audit WHERE id > 7")
    assert audit.verify() == []
    assert audit.verify(head) == ["the end is missing: entry 10 was the last one, now it is 7"]


def test_a_cut_tail_shows_also_after_new_entries(audit: AuditStore, database: Database) -> None:
    head = fill(audit)
    tamper(database, "DELETE FROM audit WHERE id > 7")
    fill(audit, 5)
    assert audit.verify() == []
    assert audit.verify(head) == ["the log was rewritten: entry 10 is not the one that was remembered"]


def test_an_emptied_log_shows(audit: AuditStore, database: Database) -> None:
    head = fill(audit)
    tamper(database, "DELETE FROM audit")
    assert audit.verify(head) == ["the end is missing: entry 10 was the last one, now it is 0"]


def test_a_chain_rewritten_from_its_start_shows_against_a_remembered_head(
    audit: AuditStore, database: Database, clock: MovableClock
) -> None:
    head = fill(audit)
    tamper(database, "DELETE FROM audit")
    clock.run(1)
    fill(audit)
    assert audit.verify() == []
    assert audit.verify(head) == ["the log was rewritten: entry 10 is not the one that was remembered"]


def test_the_export_is_json_that_anyone_can_verify(audit: AuditStore) -> None:
    fill(audit)
    audit.add("véra\n", "::1", 'quotes " and \\', "\u2028")
    lines = list(audit.export())
    entries = [json.loads(line) for line in lines]
    assert [entry["id"] for entry in entries] == list(range(1, 12))
    assert all(line.count("\n") == 1 for line in lines)
    before = START_HASH
    for entry in entries:
        digest = entry.pop("hash")
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(f"{before}\n{text}".encode()).hexdigest() == digest
        before = digest


@pytest.mark.parametrize("make", [lambda text: text, lambda text: text * 3000, lambda text: "\ud800" + text])
def test_any_text_is_taken_and_bounded(audit: AuditStore, make: Callable[[str], str]) -> None:
    text = make("a\0b\n<script>")
    entry = audit.add(text, text, text, text)
    assert (len(entry.who), len(entry.detail)) <= (64, 1000)
    assert audit.page() == [entry]
    assert audit.verify() == []
