"""What is smaller than the net: stars, the discs of sun and moon, meteors and satellites, drawn at full size."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from appliance.skysim.lens import Doubles, Floats, project
from appliance.skysim.light import unit_vector
from appliance.skysim.scene import Lens, Scene

_STAMP = 4
"""Stars reach this many pixels to each side."""


@dataclass(frozen=True, slots=True, eq=False)
class Blots:
    """Points of light on the frame."""

    x: Doubles
    y: Doubles
    light: Doubles
    """Of each point, in any unit."""


def draw(canvas: Floats, blots: Blots, sigma_px: float) -> None:
    """Add points to a frame as little Gaussians whose pixels sum to the light of the point, where they lie inside."""
    height, width = canvas.shape
    is_near = (blots.x > -_STAMP) & (blots.x < width + _STAMP) & (blots.y > -_STAMP) & (blots.y < height + _STAMP)
    x, y, light = blots.x[is_near], blots.y[is_near], blots.light[is_near]
    if x.size == 0:
        return
    reach = np.arange(-_STAMP, _STAMP + 1)
    column, row = np.rint(x).astype(np.intp)[:, None] + reach, np.rint(y).astype(np.intp)[:, None] + reach
    across = np.exp(-0.5 * ((column - x[:, None]) / sigma_px) ** 2)
    down = np.exp(-0.5 * ((row - y[:, None]) / sigma_px) ** 2)
    across /= across.sum(1, keepdims=True)
    down *= (light / down.sum(1))[:, None]
    across[(column < 0) | (column >= width)] = 0.0
    down[(row < 0) | (row >= height)] = 0.0
    flat = np.clip(row, 0, height - 1)[:, :, None] * width + np.clip(column, 0, width - 1)[:, None, :]
    values = (down[:, :, None] * across[:, None, :]).astype(np.float32)
    np.add.at(canvas.reshape(-1), flat.reshape(-1), values.reshape(-1))


def disc(centre_x: float, centre_y: float, radius_px: float, lit_fraction: float, towards_sun: tuple[float, float]) -> Blots:
    """Return a lit disc as many points whose light sums to one.

    Parameters
    ----------
    lit_fraction : float
        1 for the sun and the full moon; the terminator is half an ellipse.
    towards_sun : (float, float)
        Direction in the frame (x, y) in which the bright limb lies.
    """
    count = int(np.clip(radius_px * 8, 24, 160))
    span = (np.arange(count) + 0.5) / count * 2 - 1
    along, across = np.meshgrid(span, span)
    chord = np.sqrt(np.maximum(1.0 - across**2, 0.0))
    is_lit = (np.abs(along) <= chord) & (along >= (1.0 - 2.0 * lit_fraction) * chord)
    if not is_lit.any():
        return Blots(np.empty(0), np.empty(0), np.empty(0))
    u, v = along[is_lit] * radius_px, across[is_lit] * radius_px
    length = max(float(np.hypot(*towards_sun)), 1e-9)
    cosine, sine = towards_sun[0] / length, towards_sun[1] / length
    return Blots(centre_x + u * cosine - v * sine, centre_y + u * sine + v * cosine, np.full(u.size, 1.0 / u.size))


@dataclass(frozen=True, slots=True, eq=False)
class Streak:
    """A moving point: where it is at evenly spaced moments of the exposure, and its light over all of them."""

    altitude_deg: Doubles
    azimuth_deg: Doubles
    light: Doubles
    """Share of a second that the point spends at each place, times its brightness over that of magnitude 0."""


_METEOR_EVERY_S = 40.0
_SATELLITE_EVERY_S = 420.0


def streaks(scene: Scene, start: datetime, duration_s: float, sun_altitude_deg: float) -> Iterator[Streak]:
    """Yield meteors and satellites that cross the sky during an exposure; seed and time alone decide."""
    if scene.has_meteors:
        yield from _meteors(scene, start, duration_s)
    # The sun lights satellites that the night has not yet reached.
    if scene.has_satellites and -24.0 < sun_altitude_deg < -5.0:
        yield from _satellites(scene, start, duration_s)


def _slots(start: datetime, duration_s: float, every_s: float, longest_s: float) -> Iterator[tuple[int, datetime]]:
    """Yield number and beginning of every slot of time in which something may begin that is seen in the exposure."""
    seconds = start.timestamp()
    for number in range(int((seconds - longest_s) // every_s), int((seconds + duration_s) // every_s) + 1):
        yield number, datetime.fromtimestamp(number * every_s, UTC)


def _meteors(scene: Scene, start: datetime, duration_s: float) -> Iterator[Streak]:
    for number, slot in _slots(start, duration_s, _METEOR_EVERY_S, 2.0):
        rng = np.random.default_rng([scene.seed, 31, number])
        if rng.random() > 0.25:
            continue
        begin = slot + timedelta(seconds=float(rng.uniform(0, _METEOR_EVERY_S)))
        lasts = float(rng.uniform(0.25, 1.1))
        first = unit_vector(float(np.degrees(np.arcsin(rng.uniform(0.25, 1.0)))), float(rng.uniform(0, 360)))
        side = rng.normal(size=3)
        length = float(np.radians(rng.uniform(4, 22)))
        mag = float(1.6 - rng.exponential(1.3))
        share = _shared(begin, lasts, start, duration_s)
        if share is not None:
            steps = _steps(share, length)
            # Brightens slowly, ends quickly.
            shape = np.sin(np.pi * steps**1.6) ** 1.2
            yield _path(first, side, length * steps, shape * 10 ** (-0.4 * mag) * lasts * (share[1] - share[0]) / steps.size)


def _satellites(scene: Scene, start: datetime, duration_s: float) -> Iterator[Streak]:
    for number, slot in _slots(start, duration_s, _SATELLITE_EVERY_S, 300.0):
        rng = np.random.default_rng([scene.seed, 37, number])
        if rng.random() > 0.6:
            continue
        begin = slot + timedelta(seconds=float(rng.uniform(0, _SATELLITE_EVERY_S)))
        lasts = float(rng.uniform(150, 300))
        first = unit_vector(2.0, float(rng.uniform(0, 360)))
        aim = unit_vector(float(rng.uniform(25, 85)), float(rng.uniform(0, 360)))
        mag = float(rng.uniform(1.0, 4.5))
        share = _shared(begin, lasts, start, duration_s)
        if share is not None:
            arc = float(np.radians(170))
            steps = _steps(share, arc)
            light = np.full(steps.size, 10 ** (-0.4 * mag) * lasts * (share[1] - share[0]) / steps.size)
            yield _path(first, aim, arc * steps, light)


def _shared(begin: datetime, lasts_s: float, start: datetime, duration_s: float) -> tuple[float, float] | None:
    """Return which part of an event, 0 to 1, falls into the exposure."""
    offset = (start - begin).total_seconds()
    first, last = max(offset / lasts_s, 0.0), min((offset + duration_s) / lasts_s, 1.0)
    return (first, last) if last > first else None


def _steps(share: tuple[float, float], arc: float) -> Doubles:
    """Return points of an arc (radians) close enough to join on the finest sensor, 25 a degree."""
    count = int(np.clip(np.degrees(arc) * (share[1] - share[0]) * 25, 40, 5000))
    return np.linspace(share[0], share[1], count)


def _path(first: Doubles, aim: npt.NDArray[np.float64], angles: Doubles, light: Doubles) -> Streak:
    """Return points along the great circle from `first` towards `aim`."""
    side = aim - (aim @ first) * first
    side /= np.linalg.norm(side)
    points = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * side
    altitude = np.degrees(np.arcsin(np.clip(points[:, 2], -1, 1)))
    return Streak(altitude, np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360, light)


def on_frame(streak: Streak, lens: Lens) -> Blots:
    """Return a streak as points on the frame."""
    is_up = streak.altitude_deg > 0.0
    x, y = project(streak.altitude_deg[is_up], streak.azimuth_deg[is_up], lens)
    return Blots(x, y, streak.light[is_up])
