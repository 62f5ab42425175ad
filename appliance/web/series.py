"""The numbers of a night as one small table, kept between requests and only ever added to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.store.frames import LARGEST_PAGE, FrameStore

COLUMNS = ("at", "exposure_s", "gain", "mean_adu", "stars", "sky_mag_arcsec2", "temperature_c")
KEPT_NIGHTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A night's numbers, oldest first."""

    last_id: int
    table: npt.NDArray[np.float64]
    """(N, 7) one row a frame, columns as COLUMNS; what was not measured is NaN. `at` in unix seconds."""

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return one column."""
        return self.table[:, COLUMNS.index(name)]


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
