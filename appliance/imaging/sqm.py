"""Brightness of the sky in magnitudes per square arc-second, as sky quality meters tell it."""

import math

import numpy as np

from appliance.imaging.measure import Sample


def background_adu(sample: Sample, bias_adu: float) -> float:
    """Return the sky's level above the bias, in ADU: the median of green, which stars do not enter."""
    return max(0.0, float(np.median(sample.green)) - bias_adu)


def sky_brightness(
    background: float, *, duration_s: float, gain_factor: float, pixel_scale_arcsec: float, zero_point: float
) -> float | None:
    """Return the brightness of the sky in mag/arcsec2, or None where nothing was measured.

    Parameters
    ----------
    background : float
        Level of the sky above the bias, in ADU.
    duration_s : float
        Exposure time.
    gain_factor : float
        Amplification against the gain that the zero point was found at.
    pixel_scale_arcsec : float
        Side of a pixel on the sky.
    zero_point : float
        Magnitude of a source that gives one ADU a second at that gain.
    """
    if background <= 0 or duration_s <= 0 or gain_factor <= 0:
        return None
    flux = background / duration_s / gain_factor / pixel_scale_arcsec**2
    return zero_point - 2.5 * math.log10(flux)
