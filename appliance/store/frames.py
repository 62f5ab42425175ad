"""Stored frames: files first, then one transaction, so that what the panel shows exists."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TypeVar

import peewee

from appliance.domain.errors import StoreError
from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.framefiles import empty, file_name, highest_id_on_disk, id_of, note_of
from appliance.store.models import FrameRow, NightRow, SequenceRow
from appliance.store.nightfiles import relative_name
from appliance.store.reconcile import Reconciled, Reconciler, add_to_night

log = logging.getLogger(__name__)

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class NightSummary:
    """One night in the gallery."""

    night: NightId
    frames: int
    bytes: int
    first_at: datetime
    last_at: datetime


class FrameStore:
    """Pictures and thumbnails of every night, with their numbers."""

    def __init__(self, database: Database, folder: DataFolder, deliveries: Deliveries | None = None) -> None:
        self._database, self._folder, self._deliveries = database, folder, deliveries
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
            **_numbers(exposure, measurement),
            width=int(width),
            height=int(height),
            sensor_temperature_c=_optional(float, sensor_temperature_c),
            picture_bytes=len(picture),
            thumb_bytes=len(thumb),
        )
        name = file_name(row)
        self._writing.add(name)
        try:
            self._folder.write_atomic(relative_name(night, "frames", name), picture, note=note_of(row))
            self._folder.write_atomic(relative_name(night, "thumbs", name), thumb)
            with self._database.write() as db:
                FrameRow.insert(row.__data__).execute(db)
                add_to_night(db, row)
                if self._deliveries is not None:
                    self._deliveries.add_frame(db, _frame(row), relative_name(night, "frames", name))
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

    def of_name(self, untrusted_name: str) -> StoredFrame | None:
        """Return the frame whose picture has a name, None where there is none."""
        try:
            frame = self.get(id_of(untrusted_name))
        except ValueError:
            return None
        return frame if frame is not None and PurePosixPath(frame.picture_name).name == untrusted_name else None

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
        empty(trash)
        with contextlib.suppress(FileNotFoundError):
            folder.rename(trash)
        with self._database.write() as db:
            row = NightRow.select().where(NightRow.night == night).get_or_none(db)
            FrameRow.delete().where(FrameRow.night == night).execute(db)
            NightRow.delete().where(NightRow.night == night).execute(db)
        empty(trash)
        return 0 if row is None else int(row.bytes)

    def reconcile(self, beat: Callable[[], None] = lambda: None) -> Reconciled:
        """Make rows and files agree again after a crash or after a backup was restored; safe beside a running pipeline.

        Parameters
        ----------
        beat : callable
            Called for each night, because a full card has hundreds of thousands of names.
        """
        return Reconciler(self._database, self._folder, self._writing).run(beat)

    def _remove_files(self, night: NightId, name: str) -> None:
        for kind in ("frames", "thumbs"):
            with contextlib.suppress(StoreError):
                self._folder.remove(relative_name(night, kind, name))

    def _next_id(self) -> int:
        """Return an id that no frame ever had, known before its row is written: the file name needs it."""
        if self._ids is None:
            with self._database.read() as db:
                row = SequenceRow.select().where(SequenceRow.name == "frame").get_or_none(db)
            highest = 0 if row is None else row.seq
            # Files may be newer than the rows: of a crash, or because a backup of the database was restored.
            self._ids = count(max(highest, highest_id_on_disk(self._folder)) + 1)
        return next(self._ids)


_NumberT = TypeVar("_NumberT", int, float)


def _optional(kind: type[_NumberT], value: _NumberT | None) -> _NumberT | None:
    return None if value is None else kind(value)


def _numbers(exposure: Exposure, measurement: Measurement) -> dict[str, str | int | float | None]:
    """Return the columns of an exposure and a measurement; SQLite knows Python's numbers, not numpy's."""
    return {
        "kind": exposure.kind.value,
        "duration_s": float(exposure.duration_s),
        "gain": float(exposure.gain),
        "binning": int(exposure.binning),
        "offset_adu": _optional(int, exposure.offset_adu),
        "mean_adu": float(measurement.mean_adu),
        "saturated_fraction": float(measurement.saturated_fraction),
        "stars": _optional(int, measurement.stars),
        "sky_mag_arcsec2": _optional(float, measurement.sky_mag_arcsec2),
    }


def _frame(row: FrameRow) -> StoredFrame:
    name = file_name(row)
    return StoredFrame(
        id=row.id,
        night=row.night,
        exposure=Exposure(FrameKind(row.kind), row.duration_s, row.gain, row.binning, row.offset_adu),
        started_at=row.started_at,
        width=row.width,
        height=row.height,
        measurement=Measurement(row.mean_adu, row.saturated_fraction, row.stars, row.sky_mag_arcsec2),
        picture_name=relative_name(row.night, "frames", name),
        thumb_name=relative_name(row.night, "thumbs", name),
        picture_bytes=row.picture_bytes,
        sensor_temperature_c=row.sensor_temperature_c,
    )
