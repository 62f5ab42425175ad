"""Dark subtraction and hot pixels, with numbers worked out by hand."""

import numpy as np
import pytest

from appliance.imaging.calibrate import master_dark, repair_hot, subtract_dark


def u16(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.uint16)


def test_a_dark_is_subtracted_and_nothing_turns_negative() -> None:
    light, dark = u16([[1000, 2000], [150, 65535]]), u16([[100, 500], [200, 535]])
    assert subtract_dark(light, dark, bias_adu=0).tolist() == [[900, 1500], [0, 65000]]
    assert light.tolist() == [[1000, 2000], [150, 65535]]


def test_only_the_dark_current_is_scaled_and_not_the_bias() -> None:
    # Dark 300 = bias 100 + 200 of dark current; three times as long: 600. Light 1000 - 100 - 600 = 300.
    assert subtract_dark(u16([[1000]]), u16([[300]]), bias_adu=100, scale=3.0).tolist() == [[300]]


def test_the_result_goes_where_it_is_asked_to_go() -> None:
    out = np.empty((1, 1), np.uint16)
    assert subtract_dark(u16([[9]]), u16([[4]]), bias_adu=0, out=out) is out
    assert out[0, 0] == 5


def test_a_dark_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"light is \(1, 2\) but dark is \(1, 1\)"):
        subtract_dark(u16([[1, 2]]), u16([[1]]), bias_adu=0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be positive"):
        subtract_dark(u16([[1]]), u16([[1]]), bias_adu=0, scale=scale)


def test_a_hot_pixel_gets_the_median_of_its_neighbours_of_the_same_colour() -> None:
    dark_pixels = np.full((32, 32), 1000, np.uint16)
    dark_pixels[10, 12] = 60000
    dark = master_dark(dark_pixels)
    assert list(zip(dark.hot_rows, dark.hot_columns, strict=True)) == [(10, 12)]
    pixels = np.zeros((32, 32), np.uint16)
    pixels[10, 12] = 40000
    pixels[8, 12], pixels[12, 12], pixels[10, 10], pixels[10, 14] = 100, 200, 300, 9000
    pixels[9, 12] = pixels[11, 12] = 55555  # another colour
    repair_hot(pixels, dark, is_mosaic=True)
    assert pixels[10, 12] == 250


def test_hot_pixels_in_the_corners_are_repaired_too() -> None:
    dark_pixels = np.full((32, 32), 1000, np.uint16)
    for corner in ((0, 0), (0, 31), (31, 0), (31, 31)):
        dark_pixels[corner] = 60000
    pixels = np.full((32, 32), 500, np.uint16)
    pixels[dark_pixels > 2000] = 50000
    repair_hot(pixels, master_dark(dark_pixels), is_mosaic=True)
    assert (pixels == 500).all()


def test_hot_pixels_leave_less_than_one_percent_behind() -> None:
    rng = np.random.default_rng(4)
    sky = rng.normal(8000, 90, (400, 600))
    excess = np.zeros_like(sky)
    places = rng.choice(sky.size, 60, replace=False)
    excess.ravel()[places] = rng.uniform(5000, 57000, 60)
    light = np.clip(sky + excess + 1000, 0, 65535).astype(np.uint16)
    dark = np.clip(rng.normal(1000, 16, sky.shape) + excess, 0, 65535).astype(np.uint16)
    found = master_dark(dark)
    pixels = subtract_dark(light, dark, bias_adu=0)
    repair_hot(pixels, found, is_mosaic=True)
    left = np.abs(pixels.ravel()[places].astype(float) - 8000).mean()
    assert found.hot_rows.size == 60
    assert left < 0.01 * excess.ravel()[places].mean()


def test_of_a_dark_full_of_hot_pixels_only_the_hottest_are_repaired() -> None:
    pixels = np.full((100, 100), 1000, np.uint16)
    pixels[::2, ::2] = np.arange(2500).reshape(50, 50) + 20000
    dark = master_dark(pixels)
    assert dark.hot_rows.size == 50
    assert pixels[dark.hot_rows, dark.hot_columns].min() == 22450
