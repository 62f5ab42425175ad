"""From directions to pixels and back, and the maps that follow from a lens alone, computed once."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance.skysim.scene import Lens, Projection

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

EDGE_DEG = -3.0
"""The lens sees this far below the horizon; beyond lies its black barrel."""


def project(altitude_deg: npt.ArrayLike, azimuth_deg: npt.ArrayLike, lens: Lens) -> tuple[Doubles, Doubles]:
    """Return where directions fall in the frame: x, y in pixels, (0, 0) the middle of the top-left pixel."""
    zenith = np.radians(90.0 - np.asarray(altitude_deg, np.float64))
    turn = np.radians(np.asarray(azimuth_deg, np.float64) - lens.top_azimuth_deg)
    radius = lens.horizon_radius_px * _radius_of(zenith, lens.projection)
    side = -1.0 if lens.is_east_left else 1.0
    middle_x, middle_y = (lens.width - 1) / 2, (lens.height - 1) / 2
    return middle_x + side * radius * np.sin(turn), middle_y - radius * np.cos(turn)


def unproject(x: npt.ArrayLike, y: npt.ArrayLike, lens: Lens) -> tuple[Doubles, Doubles]:
    """Return altitude and azimuth in degrees that fall on pixel coordinates; below -90 where the lens sees nothing."""
    side = -1.0 if lens.is_east_left else 1.0
    right = side * (np.asarray(x, np.float64) - (lens.width - 1) / 2)
    up = (lens.height - 1) / 2 - np.asarray(y, np.float64)
    zenith = _zenith_of(np.hypot(right, up) / lens.horizon_radius_px, lens.projection)
    return 90.0 - np.degrees(zenith), (np.degrees(np.arctan2(right, up)) + lens.top_azimuth_deg) % 360.0


def _radius_of(zenith: Doubles, projection: Projection) -> Doubles:
    """Return the distance from the middle over that of the horizon."""
    match projection:
        case Projection.EQUIDISTANT:
            return zenith / (np.pi / 2)
        case Projection.EQUISOLID:
            return np.asarray(np.sin(zenith / 2) * np.sqrt(2.0))
        case Projection.STEREOGRAPHIC:
            return np.tan(np.minimum(zenith, 3.0) / 2)


def _zenith_of(radius: Doubles, projection: Projection) -> Doubles:
    match projection:
        case Projection.EQUIDISTANT:
            return radius * (np.pi / 2)
        case Projection.EQUISOLID:
            return np.where(radius < np.sqrt(2.0), 2 * np.arcsin(np.minimum(radius / np.sqrt(2.0), 1.0)), 4.0)
        case Projection.STEREOGRAPHIC:
            return 2 * np.arctan(radius)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A coarse net over the frame, one node every `step` pixels, on which the sky's smooth light is worked out."""

    step: int
    """Even, so that every Bayer colour meets the net alike."""
    directions: Floats
    """(3, h, w) unit vectors north, east, up."""
    air_mass: Floats
    """(h, w), 1 at the zenith, 38 at the horizon."""
    arcsec2: Floats
    """(h, w) sky behind one pixel of the frame."""


@lru_cache(maxsize=2)
def grid_of(lens: Lens) -> Grid:
    """Return the coarse net of a lens, about 320 nodes wide."""
    step = max(2, 2 * round(lens.width / 640))
    x = np.arange(0, lens.width + step, step, dtype=np.float64)
    y = np.arange(0, lens.height + step, step, dtype=np.float64)
    altitude, azimuth = unproject(*np.meshgrid(x, y), lens)
    altitude = np.maximum(altitude, -20.0)
    high, round_ = np.radians(altitude), np.radians(azimuth)
    directions = np.stack([np.cos(high) * np.cos(round_), np.cos(high) * np.sin(round_), np.sin(high)]).astype(np.float32)
    return Grid(step, directions, air_mass_of(altitude).astype(np.float32), _arcsec2(np.radians(90.0 - altitude), lens))


def air_mass_of(altitude_deg: npt.ArrayLike) -> Doubles:
    """Return the air mass (Kasten and Young 1989, Applied Optics 28, 4735); that of the horizon below it."""
    altitude = np.maximum(np.asarray(altitude_deg, np.float64), 0.0)
    mass: Doubles = 1.0 / (np.sin(np.radians(altitude)) + 0.50572 * (altitude + 6.07995) ** -1.6364)
    return mass


def _arcsec2(zenith: Doubles, lens: Lens) -> Floats:
    """Return the solid angle behind a pixel: sin z dz / (r dr)."""
    zenith = np.maximum(zenith, 1e-3)
    tiny = 1e-4
    radius = _radius_of(zenith, lens.projection)
    growth = (_radius_of(zenith + tiny, lens.projection) - _radius_of(zenith - tiny, lens.projection)) / (2 * tiny)
    steradians: Doubles = np.sin(zenith) / (radius * growth) / lens.horizon_radius_px**2
    return np.asarray(steradians * np.degrees(3600.0) ** 2, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Skyline:
    """What the lens lets through, and where hills stand before the sky; both at full size."""

    throughput: Floats
    """(H, W) share of the sky's light that arrives: 0 behind hills and the barrel."""
    ground_index: npt.NDArray[np.intp]
    """Flat indices of the pixels that show some ground."""
    ground_share: Floats
    """How much of the light of each of those is the ground's."""


@lru_cache(maxsize=2)
def skyline_of(lens: Lens, hill_height_deg: float, seed: int) -> Skyline:
    """Return hills and falloff for a lens, worked out in bands of rows to stay small."""
    throughput = np.empty((lens.height, lens.width), np.float32)
    hills = _hills(hill_height_deg, seed)
    blur = 90.0 / lens.horizon_radius_px
    indices, shares = [], []
    for top in range(0, lens.height, 128):
        rows = np.arange(top, min(top + 128, lens.height))
        altitude, azimuth = unproject(np.arange(lens.width)[None, :], rows[:, None], lens)
        skyline = np.interp(azimuth.ravel(), np.linspace(0, 360, hills.size), hills).reshape(altitude.shape)
        is_sky = np.clip((altitude - skyline) / blur + 0.5, 0.0, 1.0)
        passes = np.clip((altitude - EDGE_DEG) / blur + 0.5, 0.0, 1.0)
        passes *= 1.0 - lens.falloff * np.clip((90.0 - altitude) / 90.0, 0.0, 1.2) ** 3
        throughput[rows] = passes * is_sky
        ground = (passes * (1.0 - is_sky)).ravel()
        found = np.flatnonzero(ground > 1e-3)
        indices.append(found + top * lens.width)
        shares.append(ground[found].astype(np.float32))
    return Skyline(throughput, np.concatenate(indices), np.concatenate(shares))


def _hills(height_deg: float, seed: int) -> Doubles:
    """Return the skyline's altitude at 1441 azimuths: far hills, with trees on them."""
    if height_deg <= 0.0:
        return np.zeros(1441)
    rng = np.random.default_rng([seed, 77])
    azimuth = np.linspace(0, 2 * np.pi, 1441)

    def waves(harmonics: range) -> Doubles:
        line = np.zeros(azimuth.size)
        for harmonic in harmonics:
            line += np.cos(harmonic * azimuth + rng.uniform(0, 2 * np.pi)) / harmonic
        return np.asarray((line - line.min()) / (line.max() - line.min()))

    hills, woods = waves(range(1, 12)), waves(range(2, 30))
    trees = np.abs(np.convolve(rng.normal(0, 1, 1441), np.hanning(7) / 3.5, mode="same"))
    trees[-1] = trees[0]
    return height_deg * (0.05 + 0.6 * hills**1.5 + np.clip(3.0 * woods - 1.2, 0.0, 1.0) * (0.12 + 0.22 * trees))
