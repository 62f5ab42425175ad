"""The chip: electrons to pixel values, with everything that a real chip adds."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Exposure, FrameKind, Pixels
from appliance.skysim.lens import Floats
from appliance.skysim.scene import Sensor

_DARK_E_PER_S = 0.08
"""Dark current at 20 degrees."""
_DOUBLES_EVERY_C = 6.0
_BAND = 256


def electrons_per_adu(sensor: Sensor, gain: float) -> float:
    """Return electrons per unit of the converter; gain in 0.1 dB, as ZWO's cameras count it."""
    return float(sensor.full_well_e / (2**sensor.bits - 1) / 10.0 ** (gain / 200.0))


def read_noise_e(gain: float) -> float:
    """Return the read noise, which falls as the gain rises."""
    return float(1.1 + 2.6 / 10.0 ** (gain / 200.0))


def dark_current(sensor: Sensor) -> float:
    """Return how much faster dark current grows than at 20 degrees."""
    return float(2.0 ** ((sensor.temperature_c - 20.0) / _DOUBLES_EVERY_C))


@lru_cache(maxsize=2)
def hot_pixels(height: int, width: int, share: float, seed: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return flat indices of hot pixels and their electrons a second at 20 degrees; the same for ever for a seed."""
    rng = np.random.default_rng([seed, 3])
    count = int(height * width * share)
    return np.unique(rng.integers(0, height * width, count)), _hot_rates(rng, count)


def _hot_rates(rng: np.random.Generator, count: int) -> Floats:
    return np.exp(rng.normal(np.log(25.0), 1.3, count)).astype(np.float32)


def read_out(electrons: Floats, sensor: Sensor, exposure: Exposure, seed: int, noise_seed: list[int]) -> Pixels:
    """Turn light into pixel values, left-justified to 16 bits as drivers deliver them.

    Parameters
    ----------
    electrons : (H, W) float32
        Light collected during the exposure; changed in place.
    seed : int
        Fixes which pixels are hot.
    noise_seed : list of int
        Fixes the noise of this one frame.
    """
    height, width = electrons.shape
    duration_s = 0.0 if exposure.kind is FrameKind.BIAS else exposure.duration_s
    electrons += np.float32(_DARK_E_PER_S * dark_current(sensor) * duration_s)
    where, rates = hot_pixels(height, width, sensor.hot_pixel_share, seed)
    electrons.reshape(-1)[where] += rates[: where.size] * np.float32(dark_current(sensor) * duration_s)

    rng = np.random.Generator(np.random.SFC64(noise_seed))
    per_adu = np.float32(1.0 / electrons_per_adu(sensor, exposure.gain))
    offset = sensor.offset_adu if exposure.offset_adu is None else exposure.offset_adu
    read_variance = np.float32(read_noise_e(exposure.gain) ** 2)
    pixels = np.empty((height, width), np.uint16)
    for top in range(0, height, _BAND):
        band = electrons[top : top + _BAND]
        if sensor.has_noise:
            # A Gaussian as wide as Poisson's law; where they differ, below ten electrons, read noise hides it.
            noise = rng.standard_normal(band.shape, np.float32)
            noise *= np.sqrt(np.maximum(band, 0.0) + read_variance)
            band += noise
        np.minimum(band, np.float32(4.0 * sensor.full_well_e), out=band)
        band *= per_adu
        band += np.float32(offset + 0.5)
        np.clip(band, 0.0, 2.0**sensor.bits - 1.0, out=band)
        pixels[top : top + _BAND] = band
    pixels <<= np.uint16(16 - sensor.bits)
    return pixels
