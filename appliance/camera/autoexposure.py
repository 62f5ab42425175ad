"""The next exposure from the last frame: pure, damped, exposure time first and gain second; follows the sky by day and night.

All is reckoned in *light*: exposure time in seconds times the factor that the gain multiplies the signal with. The mean of
a frame is proportional to it, so the wanted light follows from one frame. What is not pure noise or a cloud's edge is
followed in the logarithm and not fully, so that the exposure does not swing; near the target nothing is changed at all.
"""

import math
from dataclasses import dataclass

from appliance.camera.port import CameraLimits, GainUnit
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.settings import schema

FULL_SCALE_ADU = 65535
DEAD_BAND = 0.2
"""Relative error of the mean, as a logarithm, that is left alone."""
STEP_MAX = math.log(16)
BURNT_FRACTION, WHITE_FRACTION = 0.2, 0.7
"""Shares of saturated pixels from which on the mean says too little, and nothing."""
TWILIGHT_DEG = 6.0
"""The wanted brightness goes from day to night within so many degrees above and below the night's limit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the settings and the driver allow together."""

    duration_min_s: float
    duration_max_s: float
    gain_min: float
    gain_max: float
    gain_unit: GainUnit


def bounds(camera: schema.Camera, limits: CameraLimits) -> Bounds:
    """Return what both allow; where they exclude one another, the driver's end of the range."""
    duration_max_s = min(max(camera.duration_max_s, limits.duration_min_s), limits.duration_max_s)
    duration_min_s = min(max(camera.duration_min_s, limits.duration_min_s), duration_max_s)
    gain_max = min(max(camera.gain_max, limits.gain_min), limits.gain_max)
    gain_min = min(max(camera.gain_min, limits.gain_min), gain_max)
    return Bounds(duration_min_s, duration_max_s, gain_min, gain_max, limits.gain_unit)


def fixed_exposure(camera: schema.Camera, limits: CameraLimits) -> Exposure:
    """Return the exposure of the settings, within what the driver can do."""
    return Exposure(
        FrameKind.LIGHT,
        duration_s=min(max(camera.duration_s, limits.duration_min_s), limits.duration_max_s),
        gain=min(max(camera.gain, limits.gain_min), limits.gain_max),
        binning=min(camera.binning, limits.binning_max),
        offset_adu=camera.offset_adu,
    )


def next_exposure(
    camera: schema.Camera, night_share: float, last: Exposure | None, measurement: Measurement | None, limits: CameraLimits
) -> Exposure:
    """Return the next exposure.

    Parameters
    ----------
    camera : schema.Camera
        Settings.
    night_share : float
        0 by day, 1 at night, between them in twilight; see `night_share`.
    last : Exposure or None
        The exposure that `measurement` was made of; None at the start.
    measurement : Measurement or None
        What was measured in that frame; None keeps the last exposure.
    limits : CameraLimits
        What the driver can do.
    """
    if not camera.is_automatic:
        return fixed_exposure(camera, limits)
    allowed = bounds(camera, limits)
    if last is None:
        light = _first_light(allowed, night_share)
    else:
        light = _light(last, allowed.gain_unit, allowed.gain_min)
        if measurement is not None:
            light *= math.exp(_step(measurement, _target(camera, night_share)))
    duration_s, gain = _share_out(light, allowed)
    return Exposure(FrameKind.LIGHT, duration_s, gain, min(camera.binning, limits.binning_max), camera.offset_adu)


def night_share(sun_altitude_deg: float | None, limit_deg: float, last: Exposure | None, duration_max_s: float) -> float:
    """Return how much it is night, 0 to 1.

    The sun decides. While nobody has said where the camera stands, the exposure does: a hundredth of the longest one is
    day, the longest is night.
    """
    if sun_altitude_deg is not None:
        return _smooth((limit_deg + TWILIGHT_DEG - sun_altitude_deg) / (2 * TWILIGHT_DEG))
    if last is None:
        return 0.0
    return _smooth(1 + math.log(max(last.duration_s, 1e-9) / duration_max_s) / math.log(100))


def _smooth(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _target(camera: schema.Camera, share: float) -> float:
    """Return the wanted mean as a share of full scale, blended in the logarithm."""
    return float(camera.target_mean ** (1 - share) * camera.target_mean_night**share)


def _step(measurement: Measurement, target: float) -> float:
    """Return the change of light as a natural logarithm."""
    if measurement.saturated_fraction > WHITE_FRACTION:
        return -2 * STEP_MAX
    mean = measurement.mean_adu / FULL_SCALE_ADU
    error = math.log(target / max(mean, 1e-6))
    if measurement.saturated_fraction > BURNT_FRACTION:
        return min(-STEP_MAX / 2, max(-STEP_MAX, error))
    if abs(error) < DEAD_BAND:
        return 0.0
    # A small error may be noise or the edge of a cloud: go half the way. A large one is real: go nearly all of it.
    share = 0.5 + 0.45 * _smooth((abs(error) - 0.3) / 0.6)
    return min(STEP_MAX, max(-STEP_MAX, share * error))


def gain_factor(gain: float, unit: GainUnit, gain_min: float) -> float:
    """Return by how much a gain multiplies the signal, against the lowest one."""
    match unit:
        case GainUnit.DECIBEL_TENTHS:
            return math.exp((gain - gain_min) / 200 * math.log(10))
        case GainUnit.FACTOR:
            return max(gain, 1e-3) / max(gain_min, 1e-3)
        case GainUnit.NONE:
            return 1.0


def _gain_of(factor: float, unit: GainUnit, gain_min: float) -> float:
    match unit:
        case GainUnit.DECIBEL_TENTHS:
            return gain_min + 200 * math.log10(factor)
        case GainUnit.FACTOR:
            return max(gain_min, 1e-3) * factor
        case GainUnit.NONE:
            return gain_min


def _light(exposure: Exposure, unit: GainUnit, gain_min: float) -> float:
    return exposure.duration_s * gain_factor(exposure.gain, unit, gain_min)


def _first_light(allowed: Bounds, share: float) -> float:
    """Return a guess for the very first exposure: a thousandth of a second by day, a third of the longest at night."""
    day_s, night_s = min(0.001, allowed.duration_max_s), allowed.duration_max_s / 3
    return float(day_s ** (1 - share) * night_s**share)


def _share_out(light: float, allowed: Bounds) -> tuple[float, float]:
    """Return exposure time and gain for a light: the longest time first, then gain."""
    duration_s = min(max(light, allowed.duration_min_s), allowed.duration_max_s)
    if light <= allowed.duration_max_s:
        return duration_s, allowed.gain_min
    gain = _gain_of(light / allowed.duration_max_s, allowed.gain_unit, allowed.gain_min)
    if allowed.gain_unit is GainUnit.DECIBEL_TENTHS:
        gain = float(round(gain))  # drivers take whole tenths
    return duration_s, min(max(gain, allowed.gain_min), allowed.gain_max)
