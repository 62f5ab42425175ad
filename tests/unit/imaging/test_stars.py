"""Stars are found where they are, and nothing else is taken for one."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import sep

from appliance.domain.frame import BayerPattern
from appliance.imaging import codec
from appliance.imaging.calibrate import master_dark, repair_hot, subtract_dark
from appliance.imaging.debayer import mosaic
from appliance.imaging.stars import Stars, find_stars
from tests.bench import frames
from tests.conftest import ROOT

Array = npt.NDArray[np.floating]


def aperture_snr(made: frames.NightFrames, sigma_px: float) -> Array:
    """Signal over noise by the CCD equation, in a circle whose radius is the star's full width at half maximum."""
    radius = 2.355 * sigma_px
    share = 1 - np.exp(-(radius**2) / (2 * sigma_px**2))
    return np.asarray(made.star_snr * share * 2 * np.sqrt(np.pi) * sigma_px / np.sqrt(np.pi * radius**2))


def distances(found: Stars, x: Array, y: Array) -> Array:
    """(found, true) distances in pixels."""
    return np.hypot(found.x[:, None] - x, found.y[:, None] - y)


@pytest.mark.parametrize("with_dark", [True, False])
@pytest.mark.parametrize(
    ("size", "stars", "sigma_px", "seed"),
    [((4056, 3040), 2000, 1.1, 1), ((1920, 1080), 700, 1.1, 2), ((1920, 1080), 500, 0.85, 3), ((1920, 1080), 900, 1.5, 4)],
)
def test_recall_and_precision_on_known_stars(
    size: tuple[int, int], stars: int, sigma_px: float, seed: int, *, with_dark: bool
) -> None:
    made = frames.make(*size, seed=seed, stars=stars, sigma_px=sigma_px)
    pixels = made.light
    if with_dark:
        dark = master_dark(made.dark)
        pixels = subtract_dark(pixels, made.dark, bias_adu=0)
        repair_hot(pixels, dark, is_mosaic=True)
    found = find_stars(pixels, mask_radius=1.0)
    apart = distances(found, made.star_x, made.star_y)
    is_visible = aperture_snr(made, sigma_px) > 5
    recall = np.mean(apart[:, is_visible].min(axis=0) < 3)
    precision = np.mean(apart.min(axis=1) < 3)
    assert is_visible.sum() > 100
    assert recall >= 0.90
    assert precision >= 0.90


def test_bright_stars_stand_where_they_are_to_a_third_of_a_pixel() -> None:
    made = frames.make(1920, 1080, seed=6, stars=400)
    found = find_stars(made.light, mask_radius=1.0)
    bright = made.star_snr > 15
    apart = distances(found, made.star_x[bright], made.star_y[bright])
    nearest = apart.argmin(axis=0)
    assert np.median(np.abs(found.x[nearest] - made.star_x[bright])) < 0.34
    assert np.median(np.abs(found.y[nearest] - made.star_y[bright])) < 0.34
    assert abs(np.median(found.x[nearest] - made.star_x[bright])) < 0.1
    assert abs(np.median(found.y[nearest] - made.star_y[bright])) < 0.1


def test_the_brightest_come_first() -> None:
    found = find_stars(frames.make(1280, 960, seed=7, stars=200).light)
    assert (np.diff(found.snr) <= 0).all()


def sky(level: float = 8000.0, noise: float = 400.0, shape: tuple[int, int] = (1080, 1920), seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(level, noise, shape)


def as_frame(light: Array) -> npt.NDArray[np.uint16]:
    return np.clip(light, 0, 65535).astype(np.uint16)


def test_noise_alone_has_hardly_any_stars() -> None:
    assert len(find_stars(as_frame(sky()))) <= 8  # of half a million places


def test_hot_pixels_are_no_stars() -> None:
    light = sky()
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(20, 1060, 800), rng.integers(20, 1900, 800)
    light[rows, columns] += rng.uniform(3000, 60000, 800)
    assert len(find_stars(as_frame(light))) <= 16


@pytest.mark.parametrize("radius", [4, 8, 15, 40, 120])
def test_the_moon_is_no_star_whatever_its_size(radius: int) -> None:
    light = sky(noise=300)
    rows, columns = np.indices(light.shape)
    apart = np.hypot(rows - 500, columns - 900)
    light += 60000 / (1 + np.exp(np.clip((apart - radius) / 1.5, -50, 50))) + 20000 * np.exp(-apart / (6 * radius))
    before = len(find_stars(as_frame(sky(noise=300))))
    assert len(find_stars(as_frame(light))) <= before + 2


def test_the_edges_of_clouds_and_trees_are_no_stars() -> None:
    rng = np.random.default_rng(9)
    light = sky(noise=250)
    clouds = cv2.GaussianBlur(rng.normal(0, 1, light.shape), (0, 0), 25)
    light += np.where(clouds > 0, 4000.0, 0.0)  # hard edges, harder than any cloud's
    trees = cv2.GaussianBlur(rng.normal(0, 1, light.shape), (0, 0), 6)
    light[(trees > 0.02) & (np.indices(light.shape)[0] > 800)] = 900
    light = cv2.GaussianBlur(light, (0, 0), 0.9) + rng.normal(0, 250, light.shape)
    assert len(find_stars(as_frame(light))) <= 25


def test_a_day_of_bright_clouds_does_not_take_for_ever_nor_fail() -> None:
    rng = np.random.default_rng(3)
    light = np.asarray(cv2.GaussianBlur(rng.normal(0, 1, (1080, 1920)), (0, 0), 3), np.float64) * 200000 + 30000
    find_stars(as_frame(light))


@pytest.mark.parametrize("value", [0, 1000, 65535])
def test_an_even_frame_has_no_stars(value: int) -> None:
    assert len(find_stars(np.full((400, 600), value, np.uint16))) == 0


@pytest.mark.parametrize("shape", [(16, 16), (17, 300), (63, 65), (70, 70), (129, 515), (531, 517)])
def test_a_frame_of_any_size_is_looked_through(shape: tuple[int, int]) -> None:
    find_stars(as_frame(sky(shape=shape)))


def test_stars_outside_the_circle_are_not_counted() -> None:
    light = sky(noise=100)
    for row, column in ((540, 960), (100, 100)):
        light[row - 1 : row + 2, column - 1 : column + 2] += [[4000, 8000, 4000], [8000, 16000, 8000], [4000, 8000, 4000]]
    found = find_stars(as_frame(light), mask_radius=0.9)
    assert [(round(float(x)), round(float(y))) for x, y in zip(found.x[:1], found.y[:1], strict=True)] == [(960, 540)]
    assert not ((found.x < 200) & (found.y < 200)).any()


def test_stars_of_a_monochrome_camera_are_found() -> None:
    made = frames.make(1280, 960, seed=8, stars=200)
    grey = made.light.astype(np.float64)
    grey[0::2, 0::2] /= frames.RED
    grey[1::2, 1::2] /= frames.BLUE
    found = find_stars(as_frame(grey * 0.8), mask_radius=1.0, is_mosaic=False)
    apart = distances(found, made.star_x, made.star_y)
    assert np.mean(apart[:, made.star_snr > 10].min(axis=0) < 3) > 0.9


def test_a_real_frame_agrees_with_source_extractor() -> None:
    """Compare with `sep` on the green light of the clear night: its default filter and smallest area, at 3 sigma."""
    light = codec.linear_from_display(codec.decode((ROOT / "tests/data/allsky-clear.jpg").read_bytes()))
    found = find_stars(mosaic(light, BayerPattern.RGGB), mask_radius=1.0)
    green = light[..., 1].astype(np.float32)
    background = sep.Background(green, bw=32, bh=32)
    theirs = sep.extract(green - background, 3.0, err=background.rms())
    theirs = theirs[np.hypot(theirs["x"] - 959.5, theirs["y"] - 539.5) <= 540]
    assert abs(len(found) - len(theirs)) <= 0.1 * len(theirs)
    apart = distances(found, theirs["x"], theirs["y"])
    assert np.mean(apart[found.snr > 15].min(axis=1) < 3) > 0.95
    assert np.mean(apart[:, np.argsort(-theirs["flux"])[:100]].min(axis=0) < 3) > 0.95
