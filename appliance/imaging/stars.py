"""Find the stars of a frame: points of light, not hot pixels, noise, the moon's rim or the edges of clouds and trees.

A difference of two Gaussians on the mosaic at half size passes what is as small as a star. What stands above the noise
of its surroundings there is looked at again in the raw pixels. The frame is worked through in bands that fit into a
processor's cache, so that no floating point copy of it is ever held.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Pixels
from appliance.imaging.mask import inside

SNR_MIN = 4.2
"""A peak counts when it stands so many standard deviations of the filtered background above it."""
_NARROW, _WIDE = 0.7, 2.4
"""Standard deviations of the two Gaussians, in pixels of the half-size frame."""
_BAND = 256
_MARGIN = 8
"""Rows that a band borrows from its neighbours: what the wide Gaussian and the ring reach."""
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
    """Local peaks of one band, as far as its own noise lets them count."""

    rows: Indices
    columns: Indices
    value: Floats
    noise: Floats
    level: Floats
    """Brightness of the background that the peak stands on, in ADU."""

    def only(self, chosen: npt.NDArray[np.bool_] | Indices) -> "_Spots":
        return _Spots(self.rows[chosen], self.columns[chosen], self.value[chosen], self.noise[chosen], self.level[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class _Noise:
    """Noise of the filtered frame, a value a block, with the brightness it was found at."""

    deviation: Floats
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
    found: list[tuple[Stars, Floats, Floats]] = []
    blocks: list[_Noise] = []
    for first in range(0, height if min(height, width) >= 4 * _MARGIN else 0, _BAND):
        last = min(height, first + _BAND)
        band = _filtered(pixels, max(0, first - _MARGIN), min(height, last + _MARGIN), width)
        spots, noise = _spots(band, first - band.top, last - band.top)
        spots = spots.only(inside((height, width), mask_radius, spots.rows + band.top, spots.columns))
        spots = spots.only(_is_point(band.smooth, spots.rows, spots.columns))
        spots = spots.only(_lights_neighbours(pixels, spots.rows + band.top, spots.columns, is_mosaic=is_mosaic))
        y, x = _centres(band.peaks, spots.rows, spots.columns)
        stars = Stars(2 * x + np.float32(0.5), 2 * (y + np.float32(band.top)) + np.float32(0.5), spots.value)
        found.append((stars, spots.noise, spots.level))
        blocks.append(noise)
    return _significant(found, blocks)


def _significant(found: list[tuple[Stars, Floats, Floats]], blocks: list[_Noise]) -> Stars:
    """Keep what stands above the noise of its own block and of all blocks as bright as the place it stands on.

    A block on the border of the lens's circle holds dark corners as well as sky, and by its own noise alone every
    grain of that sky would be a star.
    """
    if not found:
        none = np.empty(0, np.float32)
        return Stars(none, none, none)
    x, y, value = (np.concatenate([getattr(stars, name) for stars, _, _ in found]) for name in ("x", "y", "snr"))
    noise = np.concatenate([own for _, own, _ in found])
    level = np.concatenate([own for _, _, own in found])
    block_level = np.concatenate([block.level for block in blocks])
    block_noise = np.concatenate([block.deviation for block in blocks])
    order = np.argsort(block_level, kind="stable")
    block_level, block_noise = block_level[order], block_noise[order]
    first = np.searchsorted(block_level, level * _ALIKE[0])
    last = np.searchsorted(block_level, level * _ALIKE[1])
    alike = {pair: float(np.median(block_noise[slice(*pair)])) for pair in set(zip(first.tolist(), last.tolist(), strict=True)) if pair[0] < pair[1]}
    typical = np.array([alike.get(pair, 0.0) for pair in zip(first.tolist(), last.tolist(), strict=True)], np.float32)
    snr = value / np.maximum(noise, typical)
    order = np.argsort(-snr, kind="stable")
    order = order[snr[order] >= SNR_MIN]
    return Stars(x[order], y[order], snr[order])


def _filtered(pixels: Pixels, top: int, bottom: int, width: int) -> _Band:
    """Bring rows `top` to `bottom` of the half-size frame to half size and filter them."""
    cells = pixels[2 * top : 2 * bottom, : 2 * width]
    half = cv2.resize(cells, (width, bottom - top), interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cast(Floats, cv2.GaussianBlur(half, (5, 5), _NARROW))
    wide = cv2.GaussianBlur(half, (2 * _MARGIN - 3, 2 * _MARGIN - 3), _WIDE)
    return _Band(top, smooth, cast(Floats, cv2.subtract(smooth, wide, dst=wide)))


def _spots(band: _Band, first: int, last: int) -> tuple[_Spots, _Noise]:
    """Return every local peak in rows `first` to `last` of the band that stands out of its block's noise, and that noise."""
    height, width = band.peaks.shape
    is_high = np.empty((height, width), np.uint8)
    levels, deviations = [], []
    row_cuts, column_cuts = _cuts(height), _cuts(width)
    noise = np.empty((len(row_cuts), len(column_cuts)), np.float32)
    for i, (top, bottom) in enumerate(row_cuts):
        for j, (left, right) in enumerate(column_cuts):
            block = band.peaks[top:bottom, left:right]
            deviation = max(_NOISE_MIN, 1.4826 * float(np.median(np.abs(block[::4, ::4]))))
            cv2.compare(block, SNR_MIN * deviation, cv2.CMP_GT, dst=is_high[top:bottom, left:right])
            noise[i, j] = deviation
            deviations.append(deviation)
            levels.append(float(np.median(band.smooth[top:bottom:8, left:right:8])))
    is_high[:first] = is_high[last:] = is_high[:3] = is_high[height - 3 :] = 0
    is_high[:, :_MARGIN] = is_high[:, width - _MARGIN :] = 0
    where = cv2.findNonZero(is_high)
    columns, rows = np.empty((2, 0), np.intp) if where is None else where.reshape(-1, 2).T.astype(np.intp)
    value = band.peaks[rows, columns]
    own = noise[np.minimum(rows // _BLOCK, len(row_cuts) - 1), np.minimum(columns // _BLOCK, len(column_cuts) - 1)]
    spots = _Spots(rows, columns, value, own, band.smooth[rows, columns] - value)
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        before = band.peaks[spots.rows + dy, spots.columns + dx]
        after = band.peaks[spots.rows - dy, spots.columns - dx]
        spots = spots.only((spots.value >= before) & (spots.value > after))
    if spots.rows.size > _CANDIDATES_MAX:
        spots = spots.only(np.argpartition(-spots.value / spots.noise, _CANDIDATES_MAX)[:_CANDIDATES_MAX])
    return spots, _Noise(np.array(deviations, np.float32), np.array(levels, np.float32))


def _cuts(size: int) -> list[tuple[int, int]]:
    """Cut a side into blocks; the last one takes what is left over."""
    count = max(1, size // _BLOCK)
    return [(k * _BLOCK, (k + 1) * _BLOCK if k < count - 1 else size) for k in range(count)]


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
    window = np.arange(-1, 3, dtype=np.intp)
    ys = 2 * rows[:, None, None] + window[:, None]
    xs = 2 * columns[:, None, None] + window
    excess = _excess(pixels, *np.broadcast_arrays(ys, xs), is_mosaic=is_mosaic).reshape(rows.size, 16)
    brightest = excess.argmax(axis=1)
    peak_y = 2 * rows - 1 + brightest // 4
    peak_x = 2 * columns - 1 + brightest % 4
    around = np.arange(-1, 2, dtype=np.intp)
    patch = _excess(
        pixels,
        *np.broadcast_arrays(peak_y[:, None, None] + around[:, None], peak_x[:, None, None] + around),
        is_mosaic=is_mosaic,
    )
    peak = patch[:, 1, 1]
    return np.asarray(patch.sum(axis=(1, 2)) - peak >= _SPREAD_MIN * peak)


def _excess(pixels: Pixels, ys: Indices, xs: Indices, *, is_mosaic: bool) -> Floats:
    """Return how far pixels stand above the sky of their own colour, told by four pixels eight steps away."""
    far = 8 if is_mosaic else 7
    around = np.stack([
        pixels[_within(ys + far * dy, pixels.shape[0]), _within(xs + far * dx, pixels.shape[1])]
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]).astype(np.float32)  # fmt: skip
    around.sort(axis=0)
    return cast(Floats, pixels[ys, xs].astype(np.float32) - (around[1] + around[2]) / 2)


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
