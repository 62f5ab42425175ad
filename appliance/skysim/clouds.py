"""Clouds: a field of noise that drifts over the site, seen in perspective."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance.skysim.lens import Floats, Grid
from appliance.skysim.scene import Scene

_SIZE = 512
_TILE = 14.0
"""The field repeats after this many heights of the cloud base."""
_DRIFT = ((0.30, 0.12), (0.23, 0.19))
"""Heights of the cloud base per minute towards north and east, of the two layers: 8 m/s at 1,500 m."""
_DETAIL = 0.6
"""Weight of the second, finer layer."""
_DEPTH = 2.4
"""Optical depth where the field lies one deviation over its threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    values: Floats
    """(512, 512) periodic, mean 0, deviation 1."""
    quantiles: npt.NDArray[np.float64]
    """101 quantiles of two layers added."""


@lru_cache(maxsize=2)
def _field_of(seed: int) -> _Field:
    rng = np.random.default_rng([seed, 11])
    frequency = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE))) * frequency**-1.5 * np.exp(-((frequency / 0.3) ** 2))
    spectrum[frequency < 2.5 / _SIZE] = 0.0
    values = np.fft.irfft2(spectrum)
    values = (values / values.std()).astype(np.float32)
    both = values + _DETAIL * np.roll(values[::-1, ::-1], 91, axis=0)
    return _Field(values, np.quantile(both, np.linspace(0, 1, 101)))


def transmission(scene: Scene, grid: Grid, when: datetime) -> Floats:
    """Return the share of light that clouds let through, at every node of the net."""
    cover = scene.weather.cloud_cover
    if cover <= 0.0:
        return np.ones(grid.air_mass.shape, np.float32)
    if cover >= 1.0:
        return np.asarray(np.exp(-_depth(scene, grid, when, -1.0) - 6.0), np.float32)
    return np.asarray(np.exp(-_depth(scene, grid, when, 1.0 - cover)), np.float32)


def _depth(scene: Scene, grid: Grid, when: datetime, clear_share: float) -> Floats:
    """Return the optical depth of clouds that leave `clear_share` of the sky open."""
    field = _field_of(scene.seed)
    north, east, up = grid.directions
    height = np.maximum(up, 0.0) + 0.13  # the earth is round: clouds end at a finite distance
    minutes = when.timestamp() / 60.0
    layers = []
    for (to_north, to_east), scale in zip(_DRIFT, (0.8, 2.3), strict=True):
        along_north = north / height * scale - np.float32(minutes * to_north % _TILE)
        along_east = east / height * scale - np.float32(minutes * to_east % _TILE)
        layers.append(_sample(field.values, along_north * (_SIZE / _TILE), along_east * (_SIZE / _TILE)))
    threshold = np.interp(clear_share, np.linspace(0, 1, 101), field.quantiles) if clear_share >= 0 else field.quantiles[0]
    over = np.maximum(layers[0] + np.float32(_DETAIL) * layers[1] - np.float32(threshold), 0.0)
    # Thin at their edges, thick soon after; a slant look goes through more.
    return np.asarray(_DEPTH * over**1.4 * np.minimum(grid.air_mass, 4.0) ** 0.5, np.float32)


def _sample(values: Floats, rows: Floats, columns: Floats) -> Floats:
    """Return the field between its nodes, linearly, repeating beyond its edges."""
    row, column = np.floor(rows), np.floor(columns)
    down, right = rows - row, columns - column
    i, j = row.astype(np.int32) % _SIZE, column.astype(np.int32) % _SIZE
    i1, j1 = (i + 1) % _SIZE, (j + 1) % _SIZE
    upper = values[i, j] * (1 - right) + values[i, j1] * right
    lower = values[i1, j] * (1 - right) + values[i1, j1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
