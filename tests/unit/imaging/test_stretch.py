"""The stretch: exact against its formula, sensible from the darkest night to the brightest day."""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from appliance.domain.frame import BayerPattern
from appliance.imaging import stretch
from appliance.imaging.debayer import debayer, mosaic
from appliance.imaging.measure import Levels
from appliance.imaging.stretch import Curve, curve_for, day_share, midtones_transfer, tables


@dataclass(frozen=True)
class Look:
    black_sigma: float = 2.8
    target_background: float = 0.2
    stretch: bool = True
    red_gain: float = 1.0
    blue_gain: float = 1.0
    auto_white_balance: bool = True


def grey(median: float, deviation: float) -> tuple[Levels, ...]:
    return (Levels(median, deviation, 3 * median),)


def rgb(red: float, green: float, blue: float, deviation: float = 300) -> tuple[Levels, ...]:
    return tuple(Levels(median, deviation, 3 * median) for median in (red, green, blue))


@pytest.mark.parametrize("midtones", [0.001, 0.02, 0.2, 0.5, 0.8])
def test_the_table_is_the_midtones_transfer_function_to_one_level(midtones: float) -> None:
    (table,) = tables(Curve((1.0,), 0.0, midtones))
    m = Fraction(midtones)
    for value in range(0, 65536, 257):
        x = Fraction(value, 65535)
        exact = 255 * ((m - 1) * x / ((2 * m - 1) * x - m))
        assert abs(int(table[value]) - exact) <= Fraction(1, 2) + Fraction(1, 10**6)


def test_midtones_go_to_the_middle_and_the_ends_stay() -> None:
    assert midtones_transfer(0.1, np.array([0.0, 0.1, 1.0])) == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize("midtones", [0.0, 1.0, -0.5])
def test_midtones_outside_of_0_to_1_are_refused(midtones: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        midtones_transfer(midtones, np.array([0.5]))


def test_the_sky_goes_to_the_wanted_brightness_and_black_lies_below_it() -> None:
    curve = curve_for(grey(3000, 200), Look(), bias_adu=0, duration_s=15)
    (table,) = tables(curve)
    assert table[3000] == round(0.2 * 255)
    assert table[3000 - 600] == 0
    assert table[3000 - 500] > 0
    assert table[65535] == 255


@pytest.mark.parametrize("median", [200, 800, 3000, 9000])
@pytest.mark.parametrize("deviation", [0, 5, 100, 4000])
def test_any_night_sky_has_the_wanted_brightness(median: float, deviation: float) -> None:
    (table,) = tables(curve_for(grey(median, deviation), Look(), bias_adu=0, duration_s=15))
    assert int(table[int(median)]) == pytest.approx(51, abs=1)


def test_an_even_cloud_keeps_its_darker_parts() -> None:
    (table,) = tables(curve_for(grey(4000, 2), Look(), bias_adu=0, duration_s=15))
    assert table[int(4000 * 0.97)] > 20


def test_the_bias_level_is_not_light() -> None:
    with_bias = tables(curve_for(grey(3000 + 1000, 200), Look(), bias_adu=1000, duration_s=15))[0]
    without = tables(curve_for(grey(3000, 200), Look(), bias_adu=0, duration_s=15))[0]
    assert (with_bias[1000:40000] == without[:39000]).all()


def test_a_capped_lens_stays_dark() -> None:
    (table,) = tables(curve_for(grey(0, 0), Look(), bias_adu=0, duration_s=15))
    assert table[0] == 0


def test_a_bright_day_keeps_its_shadows_and_is_not_made_brighter_than_a_display_needs() -> None:
    (table,) = tables(curve_for(grey(16000, 300), Look(), bias_adu=0, duration_s=0.001))
    assert 120 < table[16000] < 145
    assert table[1600] > 15
    assert table[60000] < 255


def test_from_night_to_day_brightness_changes_without_a_jump() -> None:
    shown = [int(tables(curve_for(grey(m, m / 5), Look(), bias_adu=0, duration_s=0.01))[0][m]) for m in range(3000, 18000, 250)]
    assert all(0 <= after - before <= 6 for before, after in itertools.pairwise(shown))
    assert (shown[0], shown[-1]) == (51, pytest.approx(141, abs=4))


def test_a_long_exposure_is_night_until_it_is_bright_anyway() -> None:
    assert day_share(0.15, 15) == 0
    assert day_share(0.15, 0.01) > 0.5
    assert day_share(0.5, 15) == 1
    assert day_share(0.01, 0.0001) == 0


def test_the_background_of_a_night_becomes_grey() -> None:
    picture = np.full((16, 16, 3), (2000, 3000, 2400), np.uint16)  # blue, green, red
    pixels = mosaic(picture, BayerPattern.RGGB)
    curve = curve_for(rgb(2400, 3000, 2000), Look(), bias_adu=0, duration_s=15)
    plane = stretch.apply(pixels, BayerPattern.RGGB, tables(curve), np.empty(pixels.shape, np.uint8))
    shown = debayer(plane, BayerPattern.RGGB)
    assert shown.min() >= 50
    assert shown.max() <= 52


@pytest.mark.parametrize("bayer", BayerPattern)
def test_each_pixel_is_looked_up_in_the_table_of_its_colour(bayer: BayerPattern) -> None:
    pixels = np.random.default_rng(1).integers(0, 65536, (10, 15), dtype=np.uint16)[:, :14]  # a view with odd rows
    chosen = tuple((np.arange(65536) >> shift).astype(np.uint8) for shift in (8, 7, 6))
    found = stretch.apply(pixels, bayer, chosen, np.empty((10, 14), np.uint8))
    for place, colour in enumerate(bayer.value):
        row, column = divmod(place, 2)
        assert (found[row::2, column::2] == chosen["RGB".index(colour)][pixels[row::2, column::2]]).all()


def test_white_balance_by_hand_comes_on_top_and_nothing_is_darkened() -> None:
    automatic = curve_for(rgb(2400, 3000, 2000), Look(), bias_adu=0, duration_s=15).gains
    assert automatic == pytest.approx((1.25, 1.0, 1.5))
    both = curve_for(rgb(2400, 3000, 2000), Look(red_gain=2, blue_gain=0.5), bias_adu=0, duration_s=15).gains
    assert both == pytest.approx((2.5 / 0.75, 1 / 0.75, 1.0))
    by_hand = curve_for(rgb(2400, 3000, 2000), Look(auto_white_balance=False), bias_adu=0, duration_s=15).gains
    assert by_hand == (1, 1, 1)


def test_a_colour_without_light_is_not_amplified_without_limit() -> None:
    gains = curve_for(rgb(0, 3000, 3000), Look(), bias_adu=0, duration_s=15).gains
    assert max(gains) == stretch.GAIN_LIMIT


def test_by_day_the_brightest_parts_are_white_and_the_sky_stays_blue() -> None:
    levels = (Levels(9000, 900, 30000), Levels(14000, 900, 40000), Levels(18000, 900, 40000))
    gains = curve_for(levels, Look(), bias_adu=0, duration_s=0.001).gains
    assert gains == pytest.approx((4 / 3, 1, 1), rel=0.02)
    assert 18000 * gains[2] > 1.2 * 9000 * gains[0]


@pytest.mark.parametrize("median", [4000, 60_000, 65_535])
def test_a_saturated_pixel_has_no_colour_whatever_the_bias_and_the_white_balance(median: float) -> None:
    look = Look(red_gain=1.4, blue_gain=1.7)
    red, green, blue = tables(curve_for(rgb(median, median, median), look, bias_adu=1000, duration_s=0.01))
    assert red[-1] == green[-1] == blue[-1]
    assert red[20_000] > green[20_000] < blue[20_000], "the balance is there below"


@pytest.mark.parametrize("adu", [65_520, 65_535])
def test_an_over_exposed_frame_is_white_and_not_darkened_until_noise_has_colours(adu: int) -> None:
    red, green, blue = tables(curve_for(rgb(adu, adu, adu), Look(red_gain=1.4, blue_gain=1.7), bias_adu=64, duration_s=1))
    assert min(red[adu], green[adu], blue[adu]) >= 254
    assert green[adu] - green[adu - 600] < 5


def test_without_stretch_values_are_linear() -> None:
    (table,) = tables(curve_for(grey(3000, 200), Look(stretch=False), bias_adu=0, duration_s=15))
    assert np.abs(table.astype(int) - np.arange(65536) / 257).max() <= 0.5
