"""What has come from peers: files first, then one transaction; what comes again replaces, and equal bytes change nothing."""

import contextlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, RefusedError, StoreError
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, PeerNight, Received, ThingKind, metadata_of, parse_metadata
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.framefiles import empty
from appliance.store.peerfiles import ROOT, file_path, night_path, thumb_path
from appliance.store.peermodels import ArrivingRow, PeerNightRow, PeerRow, ReceivedRow

LARGEST_PAGE = 1000
_REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Form:
    """What was found in a thing's bytes."""

    width: int
    height: int
    thumb: bytes = b""
    """JPEG, of a frame."""


class ReceivedStore:
    """Pictures, products and films of every peer."""

    def __init__(self, database: Database, folder: DataFolder, clock: Clock) -> None:
        self._database, self._folder, self._clock = database, folder, clock
        self.writing: set[str] = set()
        """Files that may be there before their row is: `peerreconcile` runs beside the panel."""

    def find(self, peer_id: str, key: Key) -> Received | None:
        """Return what stands under a key of a peer."""
        with self._database.read() as db:
            row = ReceivedRow.select().where(_is(peer_id, key)).get_or_none(db)
        return None if row is None else _received(row)

    def get(self, number: int) -> Received | None:
        """Return a thing by the number that it has here."""
        with self._database.read() as db:
            row = ReceivedRow.select().where(ReceivedRow.id == number).get_or_none(db)
        return None if row is None else _received(row)

    def keep(
        self, peer_id: str, announced: Announced, form: Form, data: bytes | memoryview | None = None, *, part: str = ""
    ) -> bool:
        """Store a thing whose bytes are what was announced; return whether that changed anything.

        Parameters
        ----------
        peer_id : str
        announced : Announced
        form : Form
        data : bytes or memoryview or None
            The bytes, or None where they lie in a file already.
        part : str
            That file, relative to the data folder; it is moved.

        Raises
        ------
        DiskFullError
            If there is no room; nothing is left then.
        RefusedError
            If the peer was removed meanwhile.
        """
        key, file = announced.key, secrets.token_hex(16)
        path, thumb = file_path(peer_id, key.night, key.kind, file), thumb_path(peer_id, key.night, file)
        self.writing |= {path, thumb}
        try:
            if form.thumb:
                self._folder.write_atomic(thumb, form.thumb)
            if data is not None:
                self._folder.write_atomic(path, data)
            else:
                self._folder.move(part, path)
            with self._database.write() as db:
                old = self._put(db, peer_id, announced, form, file)
        except BaseException:
            self._remove(path, thumb)
            raise
        finally:
            self.writing -= {path, thumb}
        if old is not None:
            self._remove(*((old.path, old.thumb_path) if old.sha256 != announced.sha256 else (path, thumb)))
        return old is None or old.sha256 != announced.sha256

    def _put(self, db: peewee.SqliteDatabase, peer_id: str, announced: Announced, form: Form, file: str) -> Received | None:
        """Write the row in place of the one with the same key, unless that has the same bytes; return that one."""
        if not PeerRow.select().where(PeerRow.id == peer_id).exists(db):
            raise RefusedError("this appliance was removed here")
        same = _is(peer_id, announced.key)
        found = ReceivedRow.select().where(same).get_or_none(db)
        old = None if found is None else _received(found)
        ArrivingRow.delete().where(_is_arriving(peer_id, announced.key)).execute(db)
        if old is not None and old.sha256 == announced.sha256:
            return old
        row = _row(peer_id, announced, form, file, self._clock.now())
        if old is None:
            ReceivedRow.insert(row.__data__).execute(db)
            _add_to_night(db, row)
        else:
            ReceivedRow.update(**row.__data__).where(same).execute(db)
            sum_night(db, peer_id, announced.key.night)
        return old

    def nights(self, peer_id: str) -> list[PeerNight]:
        """Return every night of a peer, the newest first."""
        query = PeerNightRow.select().where(PeerNightRow.peer == peer_id).order_by(PeerNightRow.night.desc())
        with self._database.read() as db:
            return [_night(row) for row in query.execute(db)]

    def all_nights(self) -> list[PeerNight]:
        """Return every night of every peer, for whoever makes room."""
        with self._database.read() as db:
            return [_night(row) for row in PeerNightRow.select().execute(db)]

    def bytes_of(self, peer_id: str) -> int:
        """Return how many bytes a peer's things have."""
        sums = PeerNightRow.select(peewee.fn.SUM(PeerNightRow.bytes)).where(PeerNightRow.peer == peer_id)
        with self._database.read() as db:
            return int(sums.scalar(db) or 0)

    def frames_of(self, peer_id: str, night: NightId, limit: int = 200, before: int | None = None) -> list[Received]:
        """Return frames of a peer's night, newest first.

        Parameters
        ----------
        peer_id : str
        night : NightId
        limit : int
            At most so many, and never more than 1000.
        before : int or None
            The number, at its sender, of the last frame of the page before.
        """
        query = self._of(peer_id, night).where(ReceivedRow.kind == ThingKind.FRAME.value)
        if before is not None:
            query = query.where(ReceivedRow.number < before)
        query = query.order_by(ReceivedRow.number.desc()).limit(max(0, min(limit, LARGEST_PAGE)))
        with self._database.read() as db:
            return [_received(row) for row in query.execute(db)]

    def frame_after(self, frame: Received) -> Received | None:
        """Return the next frame of the same night."""
        query = self._of(frame.peer, frame.key.night).where(ReceivedRow.kind == ThingKind.FRAME.value)
        query = query.where(ReceivedRow.number > frame.key.number).order_by(ReceivedRow.number).limit(1)
        with self._database.read() as db:
            row = query.get_or_none(db)
        return None if row is None else _received(row)

    def products_of(self, peer_id: str, night: NightId) -> list[Received]:
        """Return keogram, star trail and films of a peer's night."""
        query = (
            self._of(peer_id, night).where(ReceivedRow.kind != ThingKind.FRAME.value).order_by(ReceivedRow.kind, ReceivedRow.name)
        )
        with self._database.read() as db:
            return [_received(row) for row in query.execute(db)]

    def latest(self, peer_id: str) -> Received | None:
        """Return the newest frame of a peer's newest night."""
        with self._database.read() as db:
            has_frames = (PeerNightRow.peer == peer_id) & (PeerNightRow.frames > 0)
            night = PeerNightRow.select().where(has_frames).order_by(PeerNightRow.night.desc()).limit(1).get_or_none(db)
        found = self.frames_of(peer_id, night.night, 1) if night is not None else []
        return found[0] if found else None

    def remove_night(self, peer_id: str, night: NightId) -> None:
        """Remove a peer's night, rows and files; a power cut leaves either the whole of it or none."""
        trash = self._set_aside(night_path(peer_id, night), f"{ROOT}/{peer_id}/nights/{_REMOVED}-{night}")
        with self._database.write() as db:
            for model in (ReceivedRow, PeerNightRow):
                model.delete().where(model.peer == peer_id, model.night == night).execute(db)
        empty(self._folder.path_of(trash))

    def remove_peer(self, peer_id: str) -> None:
        """Remove everything that came from a peer: rows at once; its files are set aside, and housekeeping empties that."""
        self._set_aside(f"{ROOT}/{peer_id}", f"{ROOT}/{_REMOVED}-{peer_id}")
        with self._database.write() as db:
            for model in (ReceivedRow, PeerNightRow, ArrivingRow):
                model.delete().where(model.peer == peer_id).execute(db)

    def _set_aside(self, relative: str, trash: str) -> str:
        empty(self._folder.path_of(trash))
        with contextlib.suppress(FileNotFoundError):
            self._folder.path_of(relative).rename(self._folder.path_of(trash))
        return trash

    def _of(self, peer_id: str, night: NightId) -> "peewee.ModelSelect[ReceivedRow]":
        return ReceivedRow.select().where(ReceivedRow.peer == peer_id, ReceivedRow.night == night)

    def _remove(self, *paths: str) -> None:
        for path in filter(None, paths):
            with contextlib.suppress(StoreError):
                self._folder.remove(path)

    def check_room(self, size: int, reserve_bytes: int) -> None:
        """Raise DiskFullError unless so many bytes can be written with the reserve left free."""
        if self._folder.free_bytes() - size < reserve_bytes:
            raise DiskFullError("no room for pictures of others")


def _is(peer_id: str, key: Key) -> peewee.Expression:
    same = (ReceivedRow.peer == peer_id) & (ReceivedRow.kind == key.kind.value)
    return same & (ReceivedRow.night == key.night) & (ReceivedRow.name == key.name)


def _is_arriving(peer_id: str, key: Key) -> peewee.Expression:
    same = (ArrivingRow.peer == peer_id) & (ArrivingRow.kind == key.kind.value)
    return same & (ArrivingRow.night == key.night) & (ArrivingRow.name == key.name)


def _add_to_night(db: peewee.SqliteDatabase, row: ReceivedRow) -> None:
    """Add a new thing to the sums of its night."""
    same = (PeerNightRow.peer == row.peer) & (PeerNightRow.night == row.night)
    night = PeerNightRow.select().where(same).get_or_none(db)
    if night is None:
        sum_night(db, row.peer, row.night)
        return
    moments = [moment for moment in (night.first_at, night.last_at, row.started_at) if moment is not None]
    PeerNightRow.update(
        frames=night.frames + (row.kind == ThingKind.FRAME.value),
        bytes=night.bytes + row.size + row.thumb_bytes,
        first_at=min(moments, default=None),
        last_at=max(moments, default=None),
    ).where(same).execute(db)


def sum_night(db: peewee.SqliteDatabase, peer_id: str, night: NightId) -> None:
    """Sum a peer's night up afresh."""
    PeerNightRow.delete().where(PeerNightRow.peer == peer_id, PeerNightRow.night == night).execute(db)
    is_frame = peewee.Case(None, [(ReceivedRow.kind == ThingKind.FRAME.value, 1)], 0)
    sums = ReceivedRow.select(
        ReceivedRow.peer,
        ReceivedRow.night,
        peewee.fn.SUM(is_frame),
        peewee.fn.SUM(ReceivedRow.size + ReceivedRow.thumb_bytes),
        peewee.fn.MIN(ReceivedRow.started_at),
        peewee.fn.MAX(ReceivedRow.started_at),
    ).where(ReceivedRow.peer == peer_id, ReceivedRow.night == night)
    fields = [
        PeerNightRow.peer,
        PeerNightRow.night,
        PeerNightRow.frames,
        PeerNightRow.bytes,
        PeerNightRow.first_at,
        PeerNightRow.last_at,
    ]
    PeerNightRow.insert_from(sums.group_by(ReceivedRow.peer, ReceivedRow.night), fields).execute(db)


def _row(peer_id: str, announced: Announced, form: Form, file: str, now: datetime) -> ReceivedRow:
    key = announced.key
    return ReceivedRow(
        peer=peer_id,
        kind=key.kind.value,
        night=key.night,
        name=key.name,
        number=key.number,
        size=announced.size,
        sha256=announced.sha256,
        file=file,
        thumb_bytes=len(form.thumb),
        width=form.width,
        height=form.height,
        started_at=announced.numbers.started_at if announced.numbers else None,
        metadata=metadata_of(announced),
        received_at=now,
    )


def _received(row: ReceivedRow) -> Received:
    key = Key(ThingKind(row.kind), row.night, row.name)
    return Received(
        id=row.id,
        peer=row.peer,
        key=key,
        size=row.size,
        sha256=row.sha256,
        path=file_path(row.peer, row.night, key.kind, row.file),
        thumb_path=thumb_path(row.peer, row.night, row.file) if row.thumb_bytes else "",
        width=row.width,
        height=row.height,
        received_at=row.received_at,
        numbers=parse_metadata(key, row.metadata).numbers,
    )


def _night(row: PeerNightRow) -> PeerNight:
    return PeerNight(row.peer, row.night, row.frames, row.bytes, row.first_at, row.last_at)
