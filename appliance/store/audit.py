"""The audit log: who did what, from where, when; append-only, each entry bound to the one before by its hash."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import peewee

from appliance.domain.clock import Clock
from appliance.store.database import Database
from appliance.store.models import AuditRow

START_HASH = hashlib.sha256(b"nightjar audit log").hexdigest()
"""What stands before the first entry."""
LARGEST_PAGE = 500
_BATCH = 500
_LONGEST = {"who": 64, "address": 64, "action": 64, "detail": 1000}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did."""

    id: int
    at: datetime
    who: str
    address: str
    action: str
    detail: str
    hash: str
    """SHA-256 over the hash before and this entry."""


class AuditStore:
    """The log; the database itself refuses to change or delete an entry, the chain shows it if somebody goes around that."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, who: str, address: str, action: str, detail: str = "") -> AuditEntry:
        """Write an entry; overlong texts are cut."""
        with self._database.write() as db:
            return write_entry(db, self._clock.now(), who, address, action, detail)

    def page(self, before: int | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return entries, newest first; `before` is the id of the last one of the page before."""
        query = AuditRow.select().order_by(AuditRow.id.desc()).limit(max(0, min(limit, LARGEST_PAGE)))
        if before is not None:
            query = query.where(AuditRow.id < before)
        with self._database.read() as db:
            return [_entry(row) for row in query.execute(db)]

    def head(self) -> tuple[int, str]:
        """Return the id and hash of the last entry; 0 and the start's hash for an empty log."""
        with self._database.read() as db:
            return _head(db)

    def verify(self, expected_head: tuple[int, str] | None = None) -> list[str]:
        """Return what is wrong with the chain, in words; an empty list says that it is whole.

        Parameters
        ----------
        expected_head : (int, str) or None
            A head remembered outside, for instance from the journal: only with it can a cut tail, or a chain that
            was rewritten as a whole, be told from a true one.
        """
        findings: list[str] = []
        last_id, last_hash = 0, START_HASH
        seen = None
        for row in self._rows():
            if row.id != last_id + 1:
                findings.append(f"entries {last_id + 1} to {row.id - 1} are missing")
            elif row.hash != _hash(last_hash, row):
                findings.append(f"entry {row.id} was changed, or one before it")
            last_id, last_hash = row.id, row.hash
            if expected_head is not None and row.id == expected_head[0]:
                seen = row.hash
        if expected_head is not None and expected_head[0] > 0:
            if expected_head[0] > last_id:
                findings.append(f"the end is missing: entry {expected_head[0]} was the last one, now it is {last_id}")
            elif seen is not None and seen != expected_head[1]:
                findings.append(f"the log was rewritten: entry {expected_head[0]} is not the one that was remembered")
        return findings

    def export(self) -> Iterator[str]:
        """Yield every entry as a line of JSON, oldest first."""
        for row in self._rows():
            yield json.dumps(_canonical(row) | {"hash": row.hash}, ensure_ascii=False, sort_keys=True) + "\n"

    def _rows(self) -> Iterator[AuditRow]:
        """Yield every row in batches: a slow reader of the export holds no transaction open."""
        last_id = 0
        while True:
            with self._database.read() as db:
                batch = list(AuditRow.select().where(AuditRow.id > last_id).order_by(AuditRow.id).limit(_BATCH).execute(db))
            if not batch:
                return
            yield from batch
            last_id = batch[-1].id


def write_entry(db: peewee.SqliteDatabase, at: datetime, who: str, address: str, action: str, detail: str) -> AuditEntry:
    """Write an entry in a transaction that is open: it stands there if all else of that happens, too."""
    words = {"who": who, "address": address, "action": action, "detail": detail}
    words = {name: _clean(text, _LONGEST[name]) for name, text in words.items()}
    last_id, last_hash = _head(db)
    row = AuditRow(id=last_id + 1, at=at.astimezone(UTC), **words)
    row.hash = _hash(last_hash, row)
    AuditRow.insert(row.__data__).execute(db)
    return _entry(row)


def _head(db: peewee.SqliteDatabase) -> tuple[int, str]:
    row = AuditRow.select().order_by(AuditRow.id.desc()).limit(1).get_or_none(db)
    return (0, START_HASH) if row is None else (row.id, row.hash)


def _canonical(row: AuditRow) -> dict[str, int | str]:
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return {"id": row.id, "at": at, "who": row.who, "address": row.address, "action": row.action, "detail": row.detail}


def _hash(before: str, row: AuditRow) -> str:
    text = json.dumps(_canonical(row), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{text}".encode("ascii")).hexdigest()


def _clean(text: str, longest: int) -> str:
    """Return text that can be stored and shown: without lone surrogates, cut to its bound."""
    return text.encode("utf-8", "replace").decode("utf-8")[:longest]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(row.id, row.at, row.who, row.address, row.action, row.detail, row.hash)
