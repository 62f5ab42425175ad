"""Find the stars of a frame: points of light, not hot pixels, noise, the moon's rim or the edges of clouds and trees.

A Gaussian less the mean of its surroundings, on the mosaic at half size, passes what is as small as a star. What stands
above the noise there is looked at again in the raw pixels. The frame is worked through in bands that fit into a
processor's cache, so that no floating point copy of it is ever held.
"""

from dataclasses import dataclass, fields
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Pixels
from appliance.imaging.mask import inside

SNR_MIN = 4.1
"""A peak counts when it stands so many standard deviations of the filtered background above it."""
_NARROW = 0.65
"""Standard deviation of the Gaussian that gathers a star's light, in pixels of the half-size frame."""
_WIDE = 9
"""Side of the square whose mean is the sky around it: as wide as a Gaussian of 2.6, at a third of the work."""
_BAND = 256
_MARGIN = 8
"""Rows that a band borrows from its neighbours: what the filters and the ring reach."""
_BLOCK = 128
"""Side of the squares that noise is told for, in pixels of the half-size frame."""
_NOISE_MIN = 0.5
"""In ADU: a block without noise, saturated or outside the lens's circle, has no stars, not infinitely many."""
_ALIKE = (0.8, 1.25)
"""Blocks of this share of a place's brightness tell what noise belongs there."""
_CANDIDATES_MAX = 4000
"""In one band; more than these are no stars but clouds by day, and the strongest are enough to say so."""
_RING_RADIUS = 4
_RING_FULL = 3
"""So many of the ring's 24 pixels may be half as bright as the peak; a fourth makes it an edge or a disc."""
_SPREAD_MIN = 0.8
"""Light in the eight neighbours of the brightest raw pixel against its own; a hot pixel lights no neighbour."""

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

_angles = np.arange(24) * (2 * np.pi / 24)
_RING_Y = np.rint(_RING_RADIUS * np.sin(_angles)).astype(np.intp)
_RING_X = np.rint(_RING_RADIUS * np.cos(_angles)).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Stars:
    """Stars, the brightest first."""

    x: Floats
    """Column of the centre in the frame; 0 is the middle of the leftmost pixel."""
    y: Floats
    """Row of the centre."""
    snr: Floats
    """Height of the filtered peak over the noise around it."""

    def __len__(self) -> int:
        return self.x.size


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """Rows of the half-size frame, filtered; `top` is the row of the frame that row 0 is."""

    top: int
    smooth: Floats
    peaks: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Spots:
    """Local peaks, as far as the noise around them lets them count; places are of the half-size frame."""

    rows: Indices
    columns: Indices
    y: Floats
    x: Floats
    value: Floats
    noise: Floats
    level: Floats
    """Brightness of the background that the peak stands on, in ADU."""

    def only(self, chosen: npt.NDArray[np.bool_] | Indices) -> "_Spots":
        """Return some of them."""
        return _Spots(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Noise of the filtered frame, a value a block, with the brightness it was found at."""

    noise: Floats
    level: Floats


def find_stars(pixels: Pixels, *, mask_radius: float = 2.0, is_mosaic: bool = True) -> Stars:
    """Find every star in a calibrated frame.

    Parameters
    ----------
    pixels : (H, W) uint16
        Frame with or without dark subtracted, in ADU.
    mask_radius : float
        Only what lies inside this share of half the shorter side is looked at.
    is_mosaic : bool
        Whether neighbours have different colours.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    if min(height, width) < 4 * _MARGIN:
        none = np.empty(0, np.float32)
        return Stars(none, none, none)
    found: list[_Spots] = []
    blocks: list[_Blocks] = []
    for first in range(0, height, _BAND):
        last = min(height, first + _BAND)
        band = _filtered(pixels, max(0, first - _MARGIN), min(height, last + _MARGIN), width)
        tiles = _blocks(band)
        spots = _spots(band, tiles, first - band.top, last - band.top)
        spots = spots.only(inside((height, width), mask_radius, spots.rows + band.top, spots.columns))
        spots = spots.only(_is_point(band.smooth, spots.rows, spots.columns))
        spots.rows[:] += band.top
        spots.y[:] += band.top
        found.append(spots)
        blocks.append(_Blocks(tiles.noise.ravel(), tiles.level.ravel()))
    noise, level = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("noise", "level"))
    spots = _significant(_joined(found), _Blocks(noise, level))
    spots = spots.only(_lights_neighbours(pixels, spots.rows, spots.columns, is_mosaic=is_mosaic))
    spots = spots.only(np.argsort(-spots.value / spots.noise, kind="stable"))
    # The middle of a cell of 2 x 2 pixels lies half a pixel beyond the middle of its first one.
    return Stars(2 * spots.x + np.float32(0.5), 2 * spots.y + np.float32(0.5), spots.value / spots.noise)


def _joined(parts: list[_Spots]) -> _Spots:
    return _Spots(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Spots)))


def _significant(spots: _Spots, blocks: _Blocks) -> _Spots:
    """Keep what stands above the noise of all blocks as bright as the place it stands on, too.

    A block on the border of the lens's circle holds dark corners as well as sky, and by its own noise alone every
    grain of that sky would be a star.
    """
    order = np.argsort(blocks.level, kind="stable")
    level, noise = blocks.level[order], blocks.noise[order]
    first = np.searchsorted(level, spots.level * _ALIKE[0]).tolist()
    last = np.searchsorted(level, spots.level * _ALIKE[1]).tolist()
    typical = {span: float(np.median(noise[slice(*span)])) for span in set(zip(first, last, strict=True)) if span[0] < span[1]}
    floor = np.array([typical.get(span, 0.0) for span in zip(first, last, strict=True)], np.float32)
    np.maximum(spots.noise, floor, out=spots.noise)
    return spots.only(spots.value >= SNR_MIN * spots.noise)


def _filtered(pixels: Pixels, top: int, bottom: int, width: int) -> _Band:
    """Bring rows `top` to `bottom` of the half-size frame to half size and filter them."""
    cells = pixels[2 * top : 2 * bottom, : 2 * width]
    half = cv2.resize(cells, (width, bottom - top), interpolation=cv2.INTER_AREA)
    smooth = cast(Floats, cv2.GaussianBlur(half.astype(np.float32), (5, 5), _NARROW))
    wide = cv2.blur(half, (_WIDE, _WIDE))
    return _Band(top, smooth, cast(Floats, cv2.subtract(smooth, wide, dtype=cv2.CV_32F)))


def _blocks(band: _Band) -> _Blocks:
    """Tell noise and brightness of each block from a few hundred of its pixels; stars are too few of them to matter."""
    height, width = band.peaks.shape
    rows, columns = max(1, height // _BLOCK), max(1, width // _BLOCK)
    sides = (min(_BLOCK, height), min(_BLOCK, width))

    def median(values: Floats) -> Floats:
        tiles = values[: rows * sides[0], : columns * sides[1]].reshape(rows, sides[0], columns, sides[1])[:, ::8, :, ::4]
        flat = tiles.transpose(0, 2, 1, 3).reshape(rows, columns, -1)
        return np.partition(flat, flat.shape[2] // 2, axis=2)[:, :, flat.shape[2] // 2]

    noise = np.float32(1.4826) * median(np.abs(band.peaks[: rows * sides[0], : columns * sides[1]]))
    return _Blocks(np.maximum(noise, np.float32(_NOISE_MIN)), median(band.smooth))


def _spots(band: _Band, blocks: _Blocks, first: int, last: int) -> _Spots:
    """Return every local peak in rows `first` to `last` of the band that stands out of the noise around it."""
    height, width = band.peaks.shape
    threshold = cv2.resize(blocks.noise * np.float32(SNR_MIN), (width, height), interpolation=cv2.INTER_LINEAR)
    is_high = cv2.compare(band.peaks, threshold, cv2.CMP_GT)
    is_high[: max(first, 3)] = is_high[min(last, height - 3) :] = 0
    is_high[:, :_MARGIN] = is_high[:, width - _MARGIN :] = 0
    rows, columns = np.divmod(np.flatnonzero(is_high.view(np.bool_)), width)
    value = band.peaks[rows, columns]
    is_peak = np.ones(value.shape, np.bool_)
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        is_peak &= (value >= band.peaks[rows + dy, columns + dx]) & (value > band.peaks[rows - dy, columns - dx])
    rows, columns, value = rows[is_peak], columns[is_peak], value[is_peak]
    noise = (threshold[rows, columns] / np.float32(SNR_MIN)).astype(np.float32)
    if value.size > _CANDIDATES_MAX:
        strongest = np.argpartition(-value / noise, _CANDIDATES_MAX)[:_CANDIDATES_MAX]
        rows, columns, value, noise = rows[strongest], columns[strongest], value[strongest], noise[strongest]
    y, x = _centres(band.peaks, rows, columns)
    return _Spots(rows, columns, y, x, value, noise, band.smooth[rows, columns] - value)


def _is_point(smooth: Floats, rows: Indices, columns: Indices) -> npt.NDArray[np.bool_]:
    """Tell whether the light falls to less than half of its height on (nearly) all sides within four pixels."""
    last = smooth.shape[0] - 1
    ring = smooth[np.clip(rows[:, None] + _RING_Y, 0, last), columns[:, None] + _RING_X]
    around = np.partition(ring, 9, axis=1)[:, 9]
    height = smooth[rows, columns] - around
    bright = np.count_nonzero(ring > (around + height / 2)[:, None], axis=1)
    return np.asarray((height > 0) & (bright <= _RING_FULL))


def _lights_neighbours(pixels: Pixels, rows: Indices, columns: Indices, *, is_mosaic: bool) -> npt.NDArray[np.bool_]:
    """Tell whether raw pixels around the brightest one are lit too; `rows` and `columns` are of the half-size frame."""
    window = np.arange(-2, 4, dtype=np.intp)
    ys, xs = 2 * rows[:, None] + window, 2 * columns[:, None] + window
    light = pixels[_within(ys, pixels.shape[0])[:, :, None], _within(xs, pixels.shape[1])[:, None, :]].astype(np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            light[:, dy::2, dx::2] -= _sky(pixels, 2 * rows + dy, 2 * columns + dx, far=8 if is_mosaic else 7)[:, None, None]
    middle = light[:, 1:5, 1:5].reshape(-1, 16)
    around = sum(light[:, 1 + dy : 5 + dy, 1 + dx : 5 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)
    brightest = middle.argmax(axis=1)[:, None]
    peak = np.take_along_axis(middle, brightest, axis=1)
    lit = np.take_along_axis(np.asarray(around).reshape(-1, 16), brightest, axis=1)
    return np.asarray(lit >= _SPREAD_MIN * peak)[:, 0]


def _sky(pixels: Pixels, rows: Indices, columns: Indices, *, far: int) -> Floats:
    """Return the sky around pixels in their own colour: the mean of the middle two of four, `far` steps away."""
    around = np.stack([
        pixels[_within(rows + far * dy, pixels.shape[0]), _within(columns + far * dx, pixels.shape[1])]
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]).astype(np.float32)  # fmt: skip
    around.sort(axis=0)
    return cast(Floats, (around[1] + around[2]) / 2)


def _within(index: Indices, size: int) -> Indices:
    """Reflect indices beyond the border back, which keeps the colour of the mosaic."""
    return np.abs(np.where(index < size, index, 2 * (size - 1) - index))


def _centres(peaks: Floats, rows: Indices, columns: Indices) -> tuple[Floats, Floats]:
    """Refine peaks by a parabola through each and its two neighbours in either direction."""
    middle = peaks[rows, columns]

    def shift(before: Floats, after: Floats) -> Floats:
        bend = before - 2 * middle + after
        return cast(Floats, np.where(bend < 0, (before - after) / (2 * np.where(bend < 0, bend, -1)), 0).clip(-0.5, 0.5))

    y = rows + shift(peaks[rows - 1, columns], peaks[rows + 1, columns])
    x = columns + shift(peaks[rows, columns - 1], peaks[rows, columns + 1])
    return y.astype(np.float32), x.astype(np.float32)
