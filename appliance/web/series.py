"""Numbers against time as one small table: of a night, kept between requests and only ever added to, and of the machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.domain.frame import StoredFrame
from appliance.domain.machine import StoredReading
from appliance.domain.night import NightId
from appliance.store.frames import LARGEST_PAGE, FrameStore

COLUMNS = ("at", "exposure_s", "gain", "mean_adu", "stars", "sky_mag_arcsec2", "temperature_c")
MACHINE_COLUMNS = ("at", "temperature_c", "load", "memory_mb", "disk_gb", "signal_dbm")
KEPT_NIGHTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Numbers of a night or of the machine, oldest first."""

    last_id: int
    table: npt.NDArray[np.float64]
    """(N, C) one row a frame or reading, a column for each name; what was not measured is NaN. `at` in unix seconds."""
    columns: tuple[str, ...] = COLUMNS

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return one column."""
        return self.table[:, self.columns.index(name)]


EMPTY = Series(0, np.empty((0, len(COLUMNS))))


class SeriesKeeper:
    """Keeps the tables of the nights looked at last; two threads that read the same night twice do no harm."""

    def __init__(self, frames: FrameStore) -> None:
        self._frames = frames
        self._kept: dict[NightId, Series] = {}

    def of(self, night: NightId) -> Series:
        """Return a night's numbers; only frames that came since the last time are read."""
        known = self._kept.get(night, EMPTY)
        fresh = self._read_after(night, known.last_id)
        if not fresh:
            return known
        rows = np.array([_row(frame) for frame in reversed(fresh)])
        series = self._kept[night] = Series(fresh[0].id, np.vstack([known.table, rows]))
        for other in sorted(self._kept)[:-KEPT_NIGHTS]:
            if other != night:
                self._kept.pop(other, None)
        return series

    def _read_after(self, night: NightId, last_id: int) -> list[StoredFrame]:
        """Return the frames of a night with a larger id, newest first."""
        found: list[StoredFrame] = []
        before: int | None = None
        while True:
            page = self._frames.of_night(night, LARGEST_PAGE, before)
            fresh = [frame for frame in page if frame.id > last_id]
            found += fresh
            if len(fresh) < LARGEST_PAGE:
                return found
            before = page[-1].id


def _row(frame: StoredFrame) -> tuple[float, ...]:
    measured, nothing = frame.measurement, float("nan")
    return (
        frame.started_at.timestamp(),
        frame.exposure.duration_s,
        frame.exposure.gain,
        measured.mean_adu,
        nothing if measured.stars is None else float(measured.stars),
        nothing if measured.sky_mag_arcsec2 is None else measured.sky_mag_arcsec2,
        nothing if frame.sensor_temperature_c is None else frame.sensor_temperature_c,
    )


def machine_series(readings: Sequence[StoredReading]) -> Series:
    """Return readings of the machine as a table."""
    nothing = float("nan")
    rows = [
        (
            reading.at.timestamp(),
            nothing if reading.temperature_c is None else reading.temperature_c,
            nothing if reading.load is None else reading.load,
            nothing if reading.memory_available_bytes is None else reading.memory_available_bytes / 1e6,
            nothing if reading.disk_free_bytes is None else reading.disk_free_bytes / 1e9,
            nothing if reading.signal_dbm is None else reading.signal_dbm,
        )
        for reading in readings
    ]
    last_id = readings[-1].id if readings else 0
    return Series(last_id, np.array(rows).reshape(-1, len(MACHINE_COLUMNS)), MACHINE_COLUMNS)
