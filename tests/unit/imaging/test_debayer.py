"""Mosaics of all four patterns become the right colours, also after turning."""

import itertools

import cv2
import numpy as np
import pytest

from appliance.domain.frame import BayerPattern
from appliance.imaging.debayer import debayer, mosaic, orient

COLOUR = (50, 100, 200)
"""Blue, green, red."""


def plane_of(bayer: BayerPattern, height: int = 12, width: int = 16) -> np.ndarray:
    picture = np.full((height, width, 3), COLOUR, np.uint16)
    return mosaic(picture, bayer).astype(np.uint8)


@pytest.mark.parametrize("bayer", BayerPattern)
def test_every_pattern_gives_back_an_even_colour(bayer: BayerPattern) -> None:
    assert (debayer(plane_of(bayer), bayer) == COLOUR).all()


@pytest.mark.parametrize("bayer", BayerPattern)
def test_a_smooth_picture_comes_back_with_small_colour_error(bayer: BayerPattern) -> None:
    y, x = np.mgrid[0:64, 0:80]
    truth = np.stack([60 + x, 120 + 40 * np.sin(y / 9), 200 - x - y / 2], axis=-1)
    found = debayer(mosaic(truth.astype(np.uint16), bayer).astype(np.uint8), bayer)
    assert np.abs(found[2:-2, 2:-2] - truth[2:-2, 2:-2]).mean() < 1.0


def test_a_wrong_pattern_gives_a_wrong_colour() -> None:
    assert not (debayer(plane_of(BayerPattern.RGGB), BayerPattern.BGGR) == COLOUR).all()


def test_a_monochrome_plane_becomes_grey() -> None:
    plane = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert (debayer(plane, None) == plane[..., None]).all()


TURNS = list(itertools.product(BayerPattern, (False, True), (False, True), (0, 90, 180, 270)))


@pytest.mark.parametrize(("bayer", "flip_horizontal", "flip_vertical", "turn_deg"), TURNS)
def test_turning_the_mosaic_is_turning_the_picture(
    bayer: BayerPattern, flip_horizontal: bool, flip_vertical: bool, turn_deg: int
) -> None:
    truth = np.zeros((12, 16, 3), np.uint8)
    truth[:] = COLOUR
    truth[:6, :8] = (200, 40, 90)  # one quarter has another colour
    plane = mosaic(truth.astype(np.uint16), bayer).astype(np.uint8)
    turned, pattern = orient(plane, bayer, flip_horizontal=flip_horizontal, flip_vertical=flip_vertical, turn_deg=turn_deg)
    expected = truth[:, ::-1] if flip_horizontal else truth
    expected = expected[::-1] if flip_vertical else expected
    expected = np.rot90(expected, -turn_deg // 90)
    found = debayer(turned, pattern)
    inner = np.ones(expected.shape[:2], bool)
    for axis, size in enumerate(expected.shape[:2]):  # not at the seams between colours, where neighbours mix
        index = np.arange(size)
        seam = np.abs(index - size / 2 + 0.5) < 2
        inner &= ~(seam[:, None] if axis == 0 else seam[None, :])
    assert (found[inner] == expected[inner]).all()


@pytest.mark.parametrize("shape", [(5, 6), (6, 5), (5, 5)])
@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_the_pattern_is_right_also_where_sides_are_odd(shape: tuple[int, int], turn_deg: int, flip: bool) -> None:
    letters = np.tile(np.array([[0, 1], [2, 3]], np.uint8), (3, 3))[: shape[0], : shape[1]]  # R, first G, second G, B
    turned, pattern = orient(letters, BayerPattern.RGGB, flip_horizontal=flip, flip_vertical=False, turn_deg=turn_deg)
    assert pattern is not None
    assert pattern.value == "".join("RGGB"[place] for place in turned[:2, :2].ravel())


def test_a_monochrome_plane_turns_without_a_pattern() -> None:
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned, pattern = orient(plane, None, flip_horizontal=False, flip_vertical=False, turn_deg=90)
    assert pattern is None
    assert turned.tolist() == [[3, 0], [4, 1], [5, 2]]


def test_an_angle_that_is_no_quarter_is_refused() -> None:
    with pytest.raises(ValueError, match="not 45"):
        orient(np.zeros((2, 2), np.uint8), None, flip_horizontal=False, flip_vertical=False, turn_deg=45)


def test_opencv_names_its_patterns_as_we_do() -> None:
    # OpenCV's older names are of the second row; a change of meaning would swap red and blue.
    assert cv2.COLOR_BayerRGGB2BGR == cv2.COLOR_BayerBG2BGR
