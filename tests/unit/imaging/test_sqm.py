"""Magnitudes follow Pogson's law."""

import numpy as np
import pytest

from appliance.imaging.measure import Sample
from appliance.imaging.sqm import background_adu, sky_brightness


def brightness(background: float = 2000, duration_s: float = 10, gain_factor: float = 1, scale: float = 60) -> float | None:
    return sky_brightness(background, duration_s=duration_s, gain_factor=gain_factor, pixel_scale_arcsec=scale, zero_point=18.0)


def test_by_hand() -> None:
    # 100 ADU in 1 s on a square of 10 arc-seconds is 1 ADU a second and square arc-second: the zero point itself.
    assert sky_brightness(100, duration_s=1, gain_factor=1, pixel_scale_arcsec=10, zero_point=18) == 18.0


@pytest.mark.parametrize("factor", [0.1, 0.5, 2, 10, 100])
def test_a_flux_changed_by_a_factor_changes_by_two_and_a_half_of_its_logarithm(factor: float) -> None:
    first, second = brightness(2000), brightness(2000 * factor)
    assert first is not None
    assert second is not None
    assert first - second == pytest.approx(2.5 * np.log10(factor), abs=0.01)


def test_exposure_time_and_gain_do_not_change_the_sky() -> None:
    assert brightness(2000, 10) == pytest.approx(brightness(4000, 20))
    assert brightness(2000, 10, 1) == pytest.approx(brightness(20000, 10, 10))


@pytest.mark.parametrize("values", [(0, 10), (-5, 10), (100, 0)])
def test_where_nothing_was_measured_there_is_no_number(values: tuple[float, float]) -> None:
    assert brightness(*values) is None


def test_the_background_is_the_median_of_green_above_the_bias() -> None:
    grey = np.full(9, 500, np.float32)
    green = np.array([700, 700, 700, 60000, 710], np.float32)
    assert background_adu(Sample((grey, green, grey)), 100) == 600
    assert background_adu(Sample((grey,)), 600) == 0
