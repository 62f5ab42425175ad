"""Automatic exposure, with numbers worked out by hand and a simulated day and night with clouds."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from appliance.camera.autoexposure import bounds, fixed_exposure, next_exposure, night_share
from appliance.camera.port import CameraLimits, GainUnit
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.sky import sun_altitude_deg
from appliance.settings import schema

LIMITS = CameraLimits(duration_min_s=1e-6, duration_max_s=3600, gain_min=0, gain_max=500)


def camera(**changed: Any) -> schema.Camera:  # noqa: ANN401 - any field of the settings
    return schema.Camera.model_validate({"gain_max": 200.0} | changed)


def light(duration_s: float, gain: float = 0.0) -> Exposure:
    return Exposure(FrameKind.LIGHT, duration_s, gain)


def measured(mean: float, saturated: float = 0.0) -> Measurement:
    return Measurement(mean * 65535, saturated)


def test_the_right_brightness_changes_nothing() -> None:
    for mean in (0.22, 0.20, 0.245):
        assert next_exposure(camera(), 0.0, light(0.01), measured(mean), LIMITS).duration_s == pytest.approx(0.01)


def test_a_dark_frame_makes_the_exposure_longer_and_a_bright_one_shorter() -> None:
    assert 0.01 < next_exposure(camera(), 0.0, light(0.01), measured(0.15), LIMITS).duration_s < 0.01 * 0.22 / 0.15
    assert 0.01 * 0.22 / 0.4 < next_exposure(camera(), 0.0, light(0.01), measured(0.4), LIMITS).duration_s < 0.01


def test_a_black_frame_takes_a_big_step_up() -> None:
    assert next_exposure(camera(), 0.0, light(0.0001), measured(0.0), LIMITS).duration_s == pytest.approx(0.0016)


@pytest.mark.parametrize(("saturated", "factor"), [(0.3, 1 / 4), (0.95, 1 / 256)])
def test_a_burnt_frame_takes_a_big_step_down(saturated: float, factor: float) -> None:
    after = next_exposure(camera(), 0.0, light(1.0), measured(0.5, saturated), LIMITS)
    assert after.duration_s == pytest.approx(factor)


def test_the_exposure_grows_first_and_then_the_gain() -> None:
    longer = next_exposure(camera(), 1.0, light(3.0), measured(0.02), LIMITS)
    assert (longer.gain, 3.0 < longer.duration_s <= 14.0) == (0.0, True)
    more = next_exposure(camera(), 1.0, light(14.0), measured(0.02), LIMITS)
    assert more.duration_s == 14.0
    assert more.gain == pytest.approx(200 * 0.95 * math.log10(3), abs=2)


def test_the_gain_falls_before_the_exposure() -> None:
    less = next_exposure(camera(), 1.0, light(14.0, gain=100.0), measured(0.1), LIMITS)
    assert less.duration_s == 14.0
    assert 0 < less.gain < 100


def test_a_factor_of_gain_is_taken_as_a_factor() -> None:
    limits = CameraLimits(0, 3600, gain_min=1, gain_max=16, gain_unit=GainUnit.FACTOR)
    after = next_exposure(camera(), 1.0, light(14.0, gain=1.0), measured(0.06 / 4), limits)
    assert after.gain == pytest.approx(4**0.95, rel=0.05)


def test_a_gain_that_nobody_understands_stays_at_its_lowest() -> None:
    limits = CameraLimits(0, 3600, gain_min=5, gain_max=100, gain_unit=GainUnit.NONE)
    assert next_exposure(camera(), 1.0, light(14.0, gain=5.0), measured(0.001), limits) == light(14.0, gain=5.0)


def test_settings_and_driver_bound_the_exposure_together() -> None:
    limits = CameraLimits(duration_min_s=0.001, duration_max_s=5, gain_min=10, gain_max=50)
    found = bounds(camera(duration_max_s=14, gain_max=200), limits)
    assert (found.duration_min_s, found.duration_max_s, found.gain_min, found.gain_max) == (0.001, 5, 10, 50)
    bright = next_exposure(camera(), 0.0, light(0.001, 10), measured(0.9, 1.0), limits)
    assert bright.duration_s == 0.001
    dark = next_exposure(camera(), 1.0, light(5, 50), measured(0.0001), limits)
    assert (dark.duration_s, dark.gain) == (5, 50)


def test_bounds_that_exclude_one_another_end_at_the_drivers() -> None:
    found = bounds(camera(duration_min_s=0.00005, duration_max_s=0.01), CameraLimits(duration_min_s=1, duration_max_s=60))
    assert (found.duration_min_s, found.duration_max_s) == (1, 1)


def test_without_automatic_the_settings_count_within_the_drivers_bounds() -> None:
    manual = camera(is_automatic=False, duration_s=2.5, gain=900, binning=4, offset_adu=30)
    after = next_exposure(manual, 1.0, light(14.0), measured(0.9, 1.0), CameraLimits(0, 2, 0, 500, binning_max=2))
    assert after == Exposure(FrameKind.LIGHT, 2, 500, 2, 30) == fixed_exposure(manual, CameraLimits(0, 2, 0, 500, 2))


def test_the_first_exposure_is_short_by_day_and_long_at_night() -> None:
    assert next_exposure(camera(), 0.0, None, None, LIMITS).duration_s == pytest.approx(0.001)
    assert next_exposure(camera(), 1.0, None, None, LIMITS).duration_s == pytest.approx(14 / 3)


def test_without_a_measurement_the_exposure_stays() -> None:
    assert next_exposure(camera(), 0.0, light(0.5), None, LIMITS) == light(0.5)


def test_night_comes_smoothly_with_the_sun() -> None:
    assert night_share(10, -6, None, 14) == 0
    assert night_share(-6, -6, None, 14) == pytest.approx(0.5)
    assert night_share(-13, -6, None, 14) == 1
    shares = [night_share(altitude, -6, None, 14) for altitude in np.linspace(10, -20, 100)]
    assert shares == sorted(shares)


def test_without_a_site_the_exposure_tells_day_from_night() -> None:
    assert night_share(None, -6, None, 14) == 0
    assert night_share(None, -6, light(0.01), 14) == 0
    assert night_share(None, -6, light(1.4), 14) == pytest.approx(0.5)
    assert night_share(None, -6, light(14), 14) == 1


@dataclass(frozen=True, slots=True)
class Replay:
    mean: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    exposures: list[Exposure]


def sky_per_s(sun_altitude: float) -> float:
    """Mean share of full scale that one second at the lowest gain collects: seven decades from noon to a dark night."""
    decades = np.interp(sun_altitude, [-18, -12, -6, 0, 10, 60], [-3.2, -2.5, -0.2, 2.3, 3.1, 3.4])
    return float(10**decades)


def see(mean: float, rng: np.random.Generator) -> Measurement:
    """Return what a sensor makes of a sky whose pixels are spread as skies are."""
    pixels = mean * np.exp(rng.normal(0, 0.35, 400) - 0.06)
    return Measurement(float(np.minimum(pixels, 1).mean()) * 65535, float((pixels >= 0.98).mean()))


def replay(settings: schema.Camera, *, period_s: float, cloud: float, has_site: bool = True, seed: int = 1) -> Replay:
    rng = np.random.default_rng(seed)
    when, drift = datetime(2026, 3, 20, 12, tzinfo=UTC), 0.0
    last, measurement = None, None
    means, targets, exposures = [], [], []
    for _ in range(int(86400 / period_s)):
        altitude = sun_altitude_deg(when, 48.2, 16.4)
        share = night_share(altitude if has_site else None, -6, last, settings.duration_max_s)
        last = next_exposure(settings, share, last, measurement, LIMITS)
        # clouds come and go within minutes, and each frame is a few per cent off
        drift += -drift * period_s / 400 + cloud * math.sqrt(2 * period_s / 400) * rng.normal()
        seen = sky_per_s(altitude) * last.duration_s * 10 ** (last.gain / 200) * math.exp(drift + 0.02 * rng.normal())
        measurement = see(seen, rng)
        means.append(measurement.mean_adu / 65535)
        targets.append(settings.target_mean ** (1 - share) * settings.target_mean_night**share)
        exposures.append(last)
        when += timedelta(seconds=period_s)
    return Replay(np.array(means), np.array(targets), exposures)


def share_in_band(found: Replay, settle: int = 10) -> float:
    ratio = (found.mean / found.target)[settle:]
    return float(((ratio > 0.65) & (ratio < 1.35)).mean())


def reversals_in_ten(found: Replay) -> int:
    """Return the most changes of direction that any ten exposures in a row show."""
    lights = np.array([math.log(e.duration_s * 10 ** (e.gain / 200)) for e in found.exposures])
    worst = 0
    for start in range(len(lights) - 10):
        steps = np.sign(np.round(np.diff(lights[start : start + 10]), 6))
        steps = steps[steps != 0]
        worst = max(worst, int((steps[1:] != steps[:-1]).sum()))
    return worst


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("period_s", "cloud"), [(15.0, 0.0), (15.0, 0.25), (30.0, 0.2)])
@pytest.mark.parametrize("has_site", [True, False])
def test_a_day_and_a_night_stay_in_the_band_without_flapping(period_s: float, cloud: float, seed: int, has_site: bool) -> None:
    found = replay(camera(gain_max=300.0), period_s=period_s, cloud=cloud, seed=seed, has_site=has_site)
    in_band, worst = share_in_band(found), reversals_in_ten(found)
    print(f"auto-exposure: period {period_s} s, clouds {cloud}, site {has_site}: {in_band:.1%} in band, {worst} reversals")
    assert in_band >= 0.95
    assert worst <= 2


def test_the_whole_range_from_a_hundred_thousandth_of_a_second_to_ten_minutes_is_used() -> None:
    settings = camera(duration_min_s=1e-5, duration_max_s=600.0, gain_max=0.0)
    found = replay(settings, period_s=60.0, cloud=0.1)
    durations = [e.duration_s for e in found.exposures]
    assert min(durations) < 2e-4
    assert max(durations) > 60
    assert share_in_band(found) >= 0.95


@pytest.mark.parametrize("wrong", [1e-5, 14.0])
def test_a_wrong_start_is_mended_within_six_frames(wrong: float) -> None:
    settings, exposure = camera(), light(wrong)
    for _ in range(6):
        seen = see(0.22 / 0.01 * exposure.duration_s, np.random.default_rng(1))
        exposure = next_exposure(settings, 0.0, exposure, seen, LIMITS)
    assert exposure.duration_s == pytest.approx(0.01, rel=0.35)
