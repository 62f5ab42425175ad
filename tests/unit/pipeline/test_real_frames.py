"""Golden numbers of two real frames: crisp stars, a dark grey sky, no colour cast, nothing crushed or burnt."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest

from appliance.domain.frame import BayerPattern, Exposure, FrameKind, RawFrame
from appliance.imaging import codec
from appliance.imaging.debayer import mosaic
from appliance.imaging.mask import inside
from appliance.imaging.stars import find_stars
from appliance.pipeline.recipe import Developed, develop, finish
from appliance.settings.schema import Settings
from tests.conftest import ROOT

CLEAR, CLOUD = "allsky-clear", "allsky-thin-cloud"


def source(name: str) -> npt.NDArray[np.uint8]:
    return codec.decode((ROOT / f"tests/data/{name}.jpg").read_bytes())


def raw_of(name: str) -> RawFrame:
    pixels = mosaic(codec.linear_from_display(source(name)), BayerPattern.RGGB)
    return RawFrame(
        pixels, Exposure(FrameKind.LIGHT, 15.0, 250.0), datetime(2021, 10, 31, 21, 26, 7, tzinfo=UTC), BayerPattern.RGGB
    )


@pytest.fixture(scope="module", params=[CLEAR, CLOUD])
def developed(request: pytest.FixtureRequest) -> tuple[str, Developed]:
    return request.param, develop(raw_of(request.param), Settings())


def sky_of(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the pixels (n, 3) of the open sky."""
    rows, columns = np.arange(picture.shape[0])[:, None], np.arange(picture.shape[1])[None, :]
    return picture[inside(picture.shape[:2], 0.92, rows, columns)]


def contrast(picture: npt.NDArray[np.uint8], stars: list[tuple[int, int]]) -> float:
    """Return the median height of stars above the sky around them, in display values."""
    green = picture[..., 1].astype(float)
    return float(
        np.median(
            [green[y - 1 : y + 2, x - 1 : x + 2].max() - np.median(green[y - 12 : y + 13, x - 12 : x + 13]) for x, y in stars]
        )
    )


def test_the_sky_is_dark_grey_without_a_cast(developed: tuple[str, Developed]) -> None:
    medians = np.median(sky_of(developed[1].picture), axis=0)
    assert medians == pytest.approx([51, 51, 51], abs=2)


def test_no_sky_is_crushed_or_burnt(developed: tuple[str, Developed]) -> None:
    sky = sky_of(developed[1].picture)
    assert (sky.max(axis=1) == 0).mean() < 0.001
    assert (sky.max(axis=1) == 255).mean() < 0.001
    assert np.percentile(sky, 1) > 5


@pytest.mark.parametrize(("name", "number", "at_least", "gain"), [(CLEAR, 150, 140, 1.5), (CLOUD, 40, 25, 0.85)])
def test_stars_stand_out(name: str, number: int, at_least: float, gain: float) -> None:
    raw = raw_of(name)
    found = find_stars(raw.pixels, mask_radius=0.9)
    stars = [(round(float(x)), round(float(y))) for x, y in zip(found.x[:number], found.y[:number], strict=True)]
    after = contrast(develop(raw, Settings()).picture, stars)
    assert after > at_least
    assert after > gain * contrast(source(name), stars)


def test_the_clear_night_has_many_stars_and_the_clouded_one_few() -> None:
    clear, cloud = (develop(raw_of(name), Settings()).measurement for name in (CLEAR, CLOUD))
    assert clear.stars == pytest.approx(776, abs=40)
    assert cloud.stars == pytest.approx(71, abs=15)
    assert clear.mean_adu == pytest.approx(644, rel=0.05)
    assert cloud.mean_adu == pytest.approx(5565, rel=0.05)
    assert clear.saturated_fraction < 1e-4


def test_label_and_files_are_made(developed: tuple[str, Developed]) -> None:
    name, result = developed
    unlabelled = result.picture.copy()
    finished = finish(result, raw_of(name), Settings())
    assert (finished.width, finished.height) == (1920, 1080)
    corner = codec.decode(finished.jpeg)[:90, :500].astype(int)
    assert (corner.min(axis=2) > 225).sum() > 800
    assert np.abs(codec.decode(finished.jpeg)[200:].astype(int) - unlabelled[200:]).mean() < 4
    assert codec.decode(finished.thumb).shape == (270, 480, 3)
