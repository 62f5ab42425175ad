"""Stored frames: files first, then one transaction, so that what the panel shows exists."""

import contextlib
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import peewee

from appliance.domain.errors import StoreError
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.store import disk
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.models import FrameRow, NightRow, SequenceRow

log = logging.getLogger(__name__)

KINDS = ("frames", "thumbs", "raw")
"""Folders of a night that hold a file for each frame."""
LARGEST_PAGE = 1000
_FILE = re.compile(r"\d{8}T\d{6}Z-(\d{1,18})\.[a-z]{3,4}\Z")


@dataclass(frozen=True, slots=True)
class NightSummary:
    """One night in the gallery."""

    night: NightId
    frames: int
    bytes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What did not match after a crash, and was removed."""

    files: int
    """Files without a row."""
    rows: int
    """Rows without their files."""

    def __bool__(self) -> bool:
        return bool(self.files or self.rows)

    def __str__(self) -> str:
        return f"{self.files} files, {self.rows} rows"


class FrameStore:
    """Pictures and thumbnails of every night, with their numbers."""

    def __init__(self, database: Database, folder: DataFolder) -> None:
        self._database, self._folder = database, folder
        self._ids: Iterator[int] | None = None
        self._writing: set[str] = set()
        """Names whose files may be there before their row is: `reconcile` runs beside the pipeline."""

    def add(
        self,
        picture: bytes,
        thumb: bytes,
        *,
        night: NightId,
        exposure: Exposure,
        started_at: datetime,
        width: int,
        height: int,
        measurement: Measurement,
        sensor_temperature_c: float | None = None,
    ) -> StoredFrame:
        """Store a frame: picture and thumbnail, then their row.

        Parameters
        ----------
        picture, thumb : bytes
            JPEG files.
        width, height : int
            Size of the picture, in pixels.

        Raises
        ------
        DiskFullError
            If there is no room; nothing of the frame is left then.
        """
        row = FrameRow(
            id=self._next_id(),
            night=night,
            started_at=started_at,
            kind=exposure.kind.value,
            duration_s=exposure.duration_s,
            gain=exposure.gain,
            binning=exposure.binning,
            offset_adu=exposure.offset_adu,
            width=width,
            height=height,
            mean_adu=measurement.mean_adu,
            saturated_fraction=measurement.saturated_fraction,
            stars=measurement.stars,
            sky_mag_arcsec2=measurement.sky_mag_arcsec2,
            sensor_temperature_c=sensor_temperature_c,
            picture_bytes=len(picture),
            thumb_bytes=len(thumb),
        )
        name = _file_name(row)
        self._writing.add(name)
        try:
            self._folder.write_atomic(_relative(night, "frames", name), picture)
            self._folder.write_atomic(_relative(night, "thumbs", name), thumb)
            with self._database.write() as db:
                FrameRow.insert(row.__data__).execute(db)
                _add_to_night(db, night, 1, len(picture) + len(thumb), started_at)
        except BaseException:
            self._remove_files(night, name)
            raise
        finally:
            self._writing.discard(name)
        return _frame(row)

    def latest(self) -> StoredFrame | None:
        """Return the frame stored last, whatever a jumping clock says of its time."""
        with self._database.read() as db:
            row = FrameRow.select().order_by(FrameRow.id.desc()).limit(1).get_or_none(db)
        return None if row is None else _frame(row)

    def get(self, frame_id: int) -> StoredFrame | None:
        """Return a frame by its id."""
        with self._database.read() as db:
            row = FrameRow.select().where(FrameRow.id == frame_id).get_or_none(db)
        return None if row is None else _frame(row)

    def of_night(self, night: NightId, limit: int = 200, before: int | None = None) -> list[StoredFrame]:
        """Return frames of a night, newest first.

        Parameters
        ----------
        night : NightId
        limit : int
            At most so many, and never more than 1000.
        before : int or None
            The id of the last frame of the page before, to go on from.
        """
        query = FrameRow.select().where(FrameRow.night == night)
        if before is not None:
            query = query.where(FrameRow.id < before)
        query = query.order_by(FrameRow.id.desc()).limit(max(0, min(limit, LARGEST_PAGE)))
        with self._database.read() as db:
            return [_frame(row) for row in query.execute(db)]

    def nights(self) -> list[NightSummary]:
        """Return every night that has frames, newest first."""
        with self._database.read() as db:
            rows = list(NightRow.select().where(NightRow.frames > 0).order_by(NightRow.night.desc()).execute(db))
        return [NightSummary(row.night, row.frames, row.bytes, row.first_at, row.last_at) for row in rows]

    def count(self) -> int:
        """Return the number of stored frames."""
        with self._database.read() as db:
            return int(NightRow.select(peewee.fn.COALESCE(peewee.fn.SUM(NightRow.frames), 0)).scalar(db))

    def picture_path(self, frame: StoredFrame) -> Path:
        """Return where a frame's picture lies."""
        return self._folder.path_of(frame.picture_name)

    def thumb_path(self, frame: StoredFrame) -> Path:
        """Return where a frame's thumbnail lies."""
        return self._folder.path_of(frame.thumb_name)

    def remove_night(self, night: NightId) -> int:
        """Remove a night's rows and its whole folder, products too; return the bytes of its frames.

        The folder is first moved aside in one step: a power cut leaves either the whole night or none of it.
        """
        folder = self._folder.path_of(f"nights/{night}")
        trash = folder.with_name(f"removed-{night}")
        self._empty(trash)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(trash)
        with self._database.write() as db:
            row = NightRow.select().where(NightRow.night == night).get_or_none(db)
            FrameRow.delete().where(FrameRow.night == night).execute(db)
            NightRow.delete().where(NightRow.night == night).execute(db)
        self._empty(trash)
        return 0 if row is None else int(row.bytes)

    def reconcile(self, beat: Callable[[], None] = lambda: None) -> Reconciled:
        """Remove what a crash left half-done: files without a row, rows without files, nights half removed.

        Safe beside a running pipeline.

        Parameters
        ----------
        beat : callable
            Called for each night, because a full card has hundreds of thousands of names.
        """
        files = rows = 0
        root = self._folder.path_of("nights")
        with self._database.read() as db:
            known = {row.night.text for row in FrameRow.select(FrameRow.night).distinct().execute(db)}
        on_disk = {path.name for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
        for name in sorted(on_disk - known):
            if name.startswith("removed-"):
                self._empty(root / name)
        for name in sorted(known | {name for name in on_disk if not name.startswith("removed-")}):
            beat()
            try:
                night = NightId(name)
            except ValueError:
                continue  # not ours
            more_files, more_rows = self._reconcile_night(night)
            files, rows = files + more_files, rows + more_rows
        return Reconciled(files, rows)

    def _reconcile_night(self, night: NightId) -> tuple[int, int]:
        # In this order: what is written meanwhile is either in `writing` or, its row committed, among the rows.
        found = {kind: self._names(night, kind) for kind in KINDS}
        writing = frozenset(self._writing)
        with self._database.read() as db:
            rows = list(FrameRow.select(FrameRow.id, FrameRow.started_at).where(FrameRow.night == night).execute(db))
        named = {_file_name(row): row.id for row in rows}
        stems = {Path(name).stem for name in named}
        orphans = 0
        for kind, names in found.items():
            for name in names:
                if name not in writing and Path(name).stem not in stems:
                    orphans += self._folder.remove(_relative(night, kind, name))
        lost = [
            name for name in named if not all(self._is_there(night, kind, name, found[kind]) for kind in ("frames", "thumbs"))
        ]
        for name in lost:
            self._remove_files(night, name)
        if lost:
            with self._database.write() as db:
                for name in lost:
                    FrameRow.delete().where(FrameRow.id == named[name]).execute(db)
                _sum_night_again(db, night)
        return orphans, len(lost)

    def _names(self, night: NightId, kind: str) -> set[str]:
        try:
            folder = self._folder.path_of(f"nights/{night}/{kind}")
            return {path.name for path in folder.iterdir() if _FILE.match(path.name)}
        except FileNotFoundError:
            return set()

    def _is_there(self, night: NightId, kind: str, name: str, found: set[str]) -> bool:
        """Return whether a file was found, or has come since."""
        return name in found or self._folder.path_of(_relative(night, kind, name)).exists()

    def _remove_files(self, night: NightId, name: str) -> None:
        for kind in ("frames", "thumbs"):
            with contextlib.suppress(StoreError):
                self._folder.remove(_relative(night, kind, name))

    def _empty(self, folder: Path) -> None:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise disk.store_error(error, f"cannot remove {folder.name}") from error

    def _next_id(self) -> int:
        """Return an id that no frame ever had, known before its row is written: the file name needs it."""
        if self._ids is None:
            with self._database.read() as db:
                row = SequenceRow.select().where(SequenceRow.name == "frame").get_or_none(db)
            self._ids = count(1 if row is None else row.seq + 1)
        return next(self._ids)


def _add_to_night(db: peewee.SqliteDatabase, night: NightId, frames: int, size: int, started_at: datetime) -> None:
    row = NightRow.select().where(NightRow.night == night).get_or_none(db)
    if row is None:
        NightRow.insert(night=night, frames=frames, bytes=size, first_at=started_at, last_at=started_at).execute(db)
        return
    NightRow.update(
        frames=row.frames + frames,
        bytes=row.bytes + size,
        first_at=min(row.first_at, started_at),
        last_at=max(row.last_at, started_at),
    ).where(NightRow.night == night).execute(db)


def _sum_night_again(db: peewee.SqliteDatabase, night: NightId) -> None:
    NightRow.delete().where(NightRow.night == night).execute(db)
    sums = FrameRow.select(
        FrameRow.night,
        peewee.fn.COUNT(FrameRow.id),
        peewee.fn.SUM(FrameRow.picture_bytes + FrameRow.thumb_bytes),
        peewee.fn.MIN(FrameRow.started_at),
        peewee.fn.MAX(FrameRow.started_at),
    ).where(FrameRow.night == night).group_by(FrameRow.night)  # fmt: skip
    fields = [NightRow.night, NightRow.frames, NightRow.bytes, NightRow.first_at, NightRow.last_at]
    NightRow.insert_from(sums, fields).execute(db)


def _file_name(row: FrameRow) -> str:
    return f"{row.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{row.id}.jpg"


def _relative(night: NightId, kind: str, name: str) -> str:
    return f"nights/{night}/{kind}/{name}"


def _frame(row: FrameRow) -> StoredFrame:
    name = _file_name(row)
    return StoredFrame(
        id=row.id,
        night=row.night,
        exposure=Exposure(FrameKind(row.kind), row.duration_s, row.gain, row.binning, row.offset_adu),
        started_at=row.started_at,
        width=row.width,
        height=row.height,
        measurement=Measurement(row.mean_adu, row.saturated_fraction, row.stars, row.sky_mag_arcsec2),
        picture_name=_relative(row.night, "frames", name),
        thumb_name=_relative(row.night, "thumbs", name),
        picture_bytes=row.picture_bytes,
        sensor_temperature_c=row.sensor_temperature_c,
    )
