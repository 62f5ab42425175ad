"""The bright stars, read once."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_FILE = Path(__file__).parent / "data" / "bright-stars.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """Places of J2000.0 in degrees and V magnitudes, the brightest first."""

    ra_deg: npt.NDArray[np.float64]
    dec_deg: npt.NDArray[np.float64]
    v_mag: npt.NDArray[np.float64]


@lru_cache(maxsize=1)
def bright_stars() -> Stars:
    """Return the stars of `data/bright-stars.csv` that have a place; its README names the source."""
    lines = _FILE.read_text(encoding="ascii").split()[1:]
    columns = np.array(",".join(lines).split(","), np.float64).reshape(len(lines), 4)
    # Four close double stars have a magnitude but no place in the catalogue.
    columns = columns[np.isfinite(columns).all(axis=1)]
    return Stars(columns[:, 1].copy(), columns[:, 2].copy(), columns[:, 3].copy())
