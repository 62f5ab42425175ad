"""Numbers of frames that were made so that the right answer is known."""

import numpy as np
import pytest

from appliance.domain.frame import BayerPattern
from appliance.imaging import mask, measure
from appliance.imaging.debayer import mosaic


def frame(red: int, green: int, blue: int, size: tuple[int, int] = (600, 800)) -> np.ndarray:
    return mosaic(np.full((*size, 3), (blue, green, red), np.uint16), BayerPattern.GRBG)


def test_colours_are_told_apart_and_counted_as_the_mosaic_has_them() -> None:
    sample = measure.take_sample(frame(100, 200, 400), BayerPattern.GRBG, 1.0)
    assert [float(colour.mean()) for colour in sample.colours] == [100, 200, 400]
    assert measure.mean_adu(sample, 0) == pytest.approx((100 + 2 * 200 + 400) / 4)
    assert measure.mean_adu(sample, 25) == pytest.approx(200)


def test_a_mean_below_the_bias_is_zero() -> None:
    assert measure.mean_adu(measure.take_sample(frame(10, 10, 10), BayerPattern.GRBG, 1.0), 64) == 0.0


def test_what_lies_outside_the_circle_is_not_measured() -> None:
    pixels = frame(500, 500, 500)
    rows, columns = np.arange(600)[:, None], np.arange(800)[None, :]
    pixels[~mask.inside((600, 800), 0.7, rows, columns)] = 60000
    inside = measure.take_sample(pixels, BayerPattern.GRBG, 0.68)
    assert measure.mean_adu(inside, 0) == 500
    assert measure.mean_adu(measure.take_sample(pixels, BayerPattern.GRBG, 2.0), 0) > 10000


def test_the_sampled_mean_is_close_to_that_of_all_pixels() -> None:
    pixels = np.random.default_rng(3).normal(9000, 900, (3040, 4056)).astype(np.uint16)
    sample = measure.take_sample(pixels, None, 2.0)
    assert len(sample.colours) == 1
    assert 40_000 < sample.green.size < 400_000
    assert measure.mean_adu(sample, 0) == pytest.approx(pixels.mean(), abs=10)


@pytest.mark.parametrize(("value", "share"), [(64_223, 0.0), (64_224, 0.25), (65_535, 0.25)])
def test_saturated_pixels_are_those_near_full_scale(value: int, share: float) -> None:
    pixels = np.full((400, 400), 1000, np.uint16)
    pixels[:200, :200] = value
    found = measure.saturated_fraction(measure.take_sample(pixels, None, 2.0))
    assert found == pytest.approx(share, abs=0.01)


def test_median_and_deviation_are_those_of_the_sky_and_not_of_its_stars() -> None:
    pixels = np.random.default_rng(5).normal(5000, 120, (800, 800)).astype(np.uint16)
    pixels[::9, ::7] = 65535
    (level,) = measure.levels(measure.take_sample(pixels, None, 2.0))
    assert level.median == pytest.approx(5003, abs=12)
    assert level.deviation == pytest.approx(122, abs=8)


def test_the_bright_level_is_the_colour_of_the_brightest_that_is_not_saturated() -> None:
    picture = np.full((400, 400, 3), (9000, 8000, 5000), np.uint16)  # blue sky
    picture[:200, :120] = (40000, 40000, 30000)  # a cloud
    picture[200:260, :120] = (65535, 65535, 50000)  # the sun burns out
    levels = measure.levels(measure.take_sample(mosaic(picture, BayerPattern.RGGB), BayerPattern.RGGB, 2.0))
    assert [level.bright for level in levels] == pytest.approx([30000, 40000, 40000], rel=0.01)


def test_a_frame_that_is_saturated_everywhere_has_levels_too() -> None:
    levels = measure.levels(measure.take_sample(np.full((64, 64), 65535, np.uint16), BayerPattern.RGGB, 1.0))
    assert {level.bright for level in levels} == {measure.SATURATED_ADU}


@pytest.mark.parametrize("radius", [0.1, 1e-6])
def test_a_circle_smaller_than_the_grid_still_has_a_middle(radius: float) -> None:
    assert measure.mean_adu(measure.take_sample(np.full((16, 16), 77, np.uint16), None, radius), 0) == 77
