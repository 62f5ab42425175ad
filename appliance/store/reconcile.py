"""Rows and files made to agree again: after a crash, and after an older backup of the database was restored.

A picture carries its row as a note (`framefiles.note_of`). One without a row is taken in again if it has its note and
its thumbnail; only what cannot be shown any more is removed.
"""

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import peewee

from appliance.domain.errors import StoreError
from appliance.domain.night import NightId
from appliance.store import disk
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.framefiles import empty, file_name, row_from_note
from appliance.store.models import FrameRow, NightRow
from appliance.store.nightfiles import KINDS, REMOVED, names_in, night_folders, relative_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What did not agree, and what became of it."""

    adopted: int = 0
    """Pictures whose row was lost and is there again."""
    files: int = 0
    """Files removed because no row could be had for them."""
    rows: int = 0
    """Rows removed because a file of theirs is gone."""

    def __bool__(self) -> bool:
        return bool(self.adopted or self.files or self.rows)

    def __str__(self) -> str:
        return f"{self.adopted} frames taken in again, {self.files} files and {self.rows} rows removed"

    def plus(self, other: "Reconciled") -> "Reconciled":
        """Return the sum."""
        return Reconciled(self.adopted + other.adopted, self.files + other.files, self.rows + other.rows)


class Reconciler:
    """One walk over all nights."""

    def __init__(self, database: Database, folder: DataFolder, writing: AbstractSet[str]) -> None:
        self._database, self._folder = database, folder
        self._writing = writing
        """Names of frames that are being stored now: their files may be there before their row."""

    def run(self, beat: Callable[[], None]) -> Reconciled:
        """Walk over the nights and return what was done."""
        total = Reconciled()
        folders = night_folders(self._folder)
        for name in folders:
            if name.startswith(REMOVED):
                empty(self._folder.path_of(f"nights/{name}"))
        for night in sorted(self._nights(folders)):
            beat()
            total = total.plus(self._night(night))
        return total

    def _nights(self, folders: list[str]) -> set[NightId]:
        with self._database.read() as db:
            nights = {row.night for row in FrameRow.select(FrameRow.night).distinct().execute(db)}
        for name in folders:
            try:
                nights.add(NightId(name))
            except ValueError:
                continue  # not ours
        return nights

    def _night(self, night: NightId) -> Reconciled:
        # In this order: what is stored meanwhile is either in `writing` or, its row committed, among the rows.
        found = {kind: names_in(self._folder, night, kind) for kind in KINDS}
        writing = frozenset(self._writing)
        with self._database.read() as db:
            rows = list(FrameRow.select(FrameRow.id, FrameRow.started_at).where(FrameRow.night == night).execute(db))
        named = {file_name(row): row.id for row in rows}
        lost = [name for name in named if not all(self._is_there(night, kind, name, found) for kind in ("frames", "thumbs"))]
        adopted = self._adopt(night, (found["frames"] & found["thumbs"]) - writing - named.keys())
        if lost:
            self._remove_rows(night, [named[name] for name in lost])
        kept = {Path(name).stem for name in (writing | named.keys() | adopted) - set(lost)}
        orphans = [relative_name(night, kind, name) for kind in KINDS for name in found[kind] if Path(name).stem not in kept]
        removed = sum(self._folder.remove(name) for name in orphans)
        return Reconciled(len(adopted), removed, len(lost))

    def _is_there(self, night: NightId, kind: str, name: str, found: dict[str, set[str]]) -> bool:
        """Return whether a file was found, or has come since."""
        return name in found[kind] or self._folder.path_of(relative_name(night, kind, name)).exists()

    def _adopt(self, night: NightId, names: set[str]) -> set[str]:
        """Give pictures their rows back, as far as their notes tell them; return the names of those."""
        rows = []
        for name in sorted(names):
            try:
                note = disk.read_note(self._folder.path_of(relative_name(night, "frames", name)))
                rows.append(row_from_note(note, night, name))
            except StoreError as error:
                log.warning("a picture without a row cannot be taken in again: %s", error)
        if not rows:
            return set()
        adopted = set()
        with self._database.write() as db:
            for row in rows:
                try:
                    with db.atomic():
                        FrameRow.insert(row.__data__).execute(db)
                except peewee.IntegrityError as error:
                    log.warning("a picture without a row cannot be taken in again: %s: %s", file_name(row), error)
                else:
                    adopted.add(file_name(row))
            sum_night(db, night)
        return adopted

    def _remove_rows(self, night: NightId, ids: list[int]) -> None:
        with self._database.write() as db:
            for frame_id in ids:
                FrameRow.delete().where(FrameRow.id == frame_id).execute(db)
            sum_night(db, night)


def add_to_night(db: peewee.SqliteDatabase, row: FrameRow) -> None:
    """Add a new frame to the sums of its night."""
    size = row.picture_bytes + row.thumb_bytes
    night = NightRow.select().where(NightRow.night == row.night).get_or_none(db)
    if night is None:
        NightRow.insert(night=row.night, frames=1, bytes=size, first_at=row.started_at, last_at=row.started_at).execute(db)
        return
    NightRow.update(
        frames=night.frames + 1,
        bytes=night.bytes + size,
        first_at=min(night.first_at, row.started_at),
        last_at=max(night.last_at, row.started_at),
    ).where(NightRow.night == row.night).execute(db)


def sum_night(db: peewee.SqliteDatabase, night: NightId) -> None:
    """Sum a night up afresh."""
    NightRow.delete().where(NightRow.night == night).execute(db)
    sums = FrameRow.select(
        FrameRow.night,
        peewee.fn.COUNT(FrameRow.id),
        peewee.fn.SUM(FrameRow.picture_bytes + FrameRow.thumb_bytes),
        peewee.fn.MIN(FrameRow.started_at),
        peewee.fn.MAX(FrameRow.started_at),
    ).where(FrameRow.night == night)
    fields = [NightRow.night, NightRow.frames, NightRow.bytes, NightRow.first_at, NightRow.last_at]
    NightRow.insert_from(sums.group_by(FrameRow.night), fields).execute(db)
