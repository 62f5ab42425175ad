"""From raw frame to picture: settings obeyed, the input untouched, what cannot be developed refused."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from appliance.domain.errors import InputError
from appliance.domain.frame import FrameKind, RawFrame
from appliance.imaging import codec
from appliance.imaging.calibrate import master_dark
from appliance.imaging.workspace import Workspace
from appliance.pipeline.recipe import Developed, develop, finish, is_night_at, label_lines
from appliance.settings.schema import Settings
from tests.bench import frames
from tests.unit.pipeline.conftest import even_frame, night_frame


def settings_with(**sections: dict[str, Any]) -> Settings:
    return Settings.model_validate(sections)


def test_a_night_frame_becomes_a_picture_with_a_dark_sky_and_stars() -> None:
    raw = night_frame(width=960, height=720)
    raw.pixels.setflags(write=False)
    before = raw.pixels.copy()
    result = develop(raw, Settings())
    assert result.is_night
    assert result.picture.shape == (720, 960, 3)
    assert np.median(result.picture[200:500, 300:600], axis=(0, 1)) == pytest.approx([45, 45, 45], abs=10)
    assert result.measurement.stars is not None
    assert 10 < result.measurement.stars < 60
    assert np.array_equal(raw.pixels, before)


def test_the_same_frame_gives_the_same_picture_with_and_without_a_workspace() -> None:
    raw, other = night_frame(0), night_frame(1)
    workspace = Workspace()
    develop(other, Settings(), workspace=workspace)
    assert np.array_equal(develop(raw, Settings(), workspace=workspace).picture, develop(raw, Settings()).picture)


def test_with_a_workspace_no_large_array_is_made_anew() -> None:
    workspace = Workspace()
    first = develop(night_frame(0), Settings(), workspace=workspace).picture
    assert develop(night_frame(1), Settings(), workspace=workspace).picture is first
    workspace.forget()
    assert develop(night_frame(1), Settings(), workspace=workspace).picture is not first


def test_a_dark_takes_hot_pixels_away() -> None:
    made = frames.make(640, 480, seed=3, stars=0)
    rng = np.random.default_rng(1)
    hot = rng.integers(100, 380, 100), rng.integers(180, 460, 100)
    for pixels in (made.light, made.dark):
        pixels[hot] = np.minimum(pixels[hot].astype(np.int64) + 40000, 65535)
    raw = replace(night_frame(width=640, height=480), pixels=made.light)
    without = develop(raw, Settings()).picture
    with_dark = develop(raw, Settings(), master_dark(made.dark)).picture

    def specks(picture: np.ndarray) -> int:
        return int(np.count_nonzero(picture[150:330, 200:440].max(axis=2) > 120))

    assert specks(without) > 40
    assert specks(with_dark) < specks(without) / 20


def test_a_dark_is_scaled_where_the_bias_is_known() -> None:
    light, dark = even_frame(5000), np.full((240, 320), 3000, np.uint16)
    by_time = develop(light, settings_with(image={"bias_adu": 1000}), master_dark(dark, 30.0))
    assert by_time.measurement.mean_adu == 5000 - 1000 - 1000
    as_it_is = develop(light, Settings(), master_dark(dark, 30.0))
    assert as_it_is.measurement.mean_adu == 2000


def test_a_dark_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="the dark is 8 x 6 but the frame 320 x 240"):
        develop(night_frame(), Settings(), master_dark(np.zeros((6, 8), np.uint16)))


def test_saturated_pixels_are_counted_before_the_dark_hides_them() -> None:
    result = develop(even_frame(65535), Settings(), master_dark(np.full((240, 320), 9000, np.uint16)))
    assert result.measurement.saturated_fraction == 1.0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((240, 15), np.uint16),
        np.zeros((0, 0), np.uint16),
        np.zeros((240, 320, 3), np.uint16),
        np.zeros((240, 320), np.float32),
    ],
)
def test_what_is_no_frame_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(InputError):
        develop(replace(night_frame(), pixels=pixels), Settings())


@pytest.mark.parametrize("kind", [FrameKind.DARK, FrameKind.BIAS, FrameKind.FLAT])
def test_only_light_frames_are_developed(kind: FrameKind) -> None:
    raw = night_frame()
    with pytest.raises(InputError, match=f"a {kind} frame"):
        develop(replace(raw, exposure=replace(raw.exposure, kind=kind)), Settings())


@pytest.mark.parametrize(("width", "height"), [(321, 241), (320, 241), (17, 16), (16, 16)])
def test_odd_sizes_lose_their_last_row_or_column(width: int, height: int) -> None:
    raw = even_frame(3000, shape=(height, width))
    dark = master_dark(np.full((height, width), 100, np.uint16))
    assert develop(raw, Settings(), dark).picture.shape == (height & ~1, width & ~1, 3)
    assert develop(replace(raw, bayer=None), Settings()).picture.shape == (height, width, 3)


def test_a_monochrome_frame_is_grey() -> None:
    picture = develop(replace(night_frame(), bayer=None), Settings()).picture
    assert (picture == picture[..., :1]).all()


@pytest.mark.parametrize("rotation", ["0", "90", "180", "270"])
@pytest.mark.parametrize("flip", [False, True])
def test_a_turned_picture_is_the_picture_turned(rotation: str, flip: bool) -> None:
    raw = night_frame()
    straight = develop(raw, Settings()).picture
    turned = develop(raw, settings_with(image={"rotation": rotation, "flip_horizontal": flip})).picture
    expected = np.rot90(straight[:, ::-1] if flip else straight, -int(rotation) // 90)
    assert turned.shape == expected.shape
    assert np.abs(turned[2:-2, 2:-2].astype(int) - expected[2:-2, 2:-2]).mean() < 2.0


def test_outside_of_the_sky_can_be_painted_black() -> None:
    painted = develop(even_frame(9000), settings_with(image={"mask_darkens": True, "mask_radius": 0.5})).picture
    assert painted[5, 5].tolist() == [0, 0, 0]
    assert painted[120, 160].min() > 40


def test_the_label_says_what_it_is_asked_to() -> None:
    raw = night_frame()
    measurement = develop(raw, Settings()).measurement
    words = "{site}|{date}|{time}|{exposure}|{gain}|{temperature}|{mean}|{stars}"
    chosen = settings_with(site={"name": "Süd", "timezone": "Europe/Vienna"}, image={"label": words})
    (line,) = label_lines(raw, measurement, chosen)
    mean = f"{100 * measurement.mean_adu / 65535:.1f} %"
    assert line == f"Süd|2026-01-31|22:15:30|15 s|100|\N{MINUS SIGN}5.2 °C|{mean}|{measurement.stars}"


def test_the_files_are_jpeg_in_both_sizes() -> None:
    raw = night_frame(width=960, height=720)
    result = develop(raw, Settings())
    finished = finish(result, raw, Settings())
    assert codec.decode(finished.jpeg).shape == (720, 960, 3)
    assert codec.decode(finished.thumb).shape == (360, 480, 3)


def test_the_quality_is_that_of_the_settings() -> None:
    raw = night_frame(width=960, height=720)
    small, large = (
        len(finish(develop(raw, Settings()), raw, settings_with(image={"jpeg_quality": quality})).jpeg) for quality in (40, 95)
    )
    assert small < large / 2


VIENNA = {"latitude_deg": 48.2, "longitude_deg": 16.4}


@pytest.mark.parametrize(
    ("when", "is_night"),
    [("2026-01-31T21:15", True), ("2026-06-21T11:00", False), ("2026-06-21T19:30", False), ("2026-06-21T21:30", True)],
)
def test_with_a_site_the_sun_tells_night_from_day(when: str, is_night: bool) -> None:
    moment = datetime.fromisoformat(when).replace(tzinfo=UTC)
    assert is_night_at(moment, settings_with(site=VIENNA)) is is_night
    assert is_night_at(moment, Settings()) is None


def test_by_day_no_stars_are_counted() -> None:
    noon = replace(night_frame(), started_at=datetime(2026, 6, 21, 11, tzinfo=UTC))
    result = develop(noon, settings_with(site=VIENNA))
    assert not result.is_night
    assert result.measurement.stars is None


@pytest.mark.parametrize(("value", "duration_s", "is_night"), [(3000, 15, True), (3000, 0.01, False), (40000, 15, False)])
def test_without_a_site_exposure_and_brightness_tell(value: int, duration_s: float, is_night: bool) -> None:
    assert develop(even_frame(value, duration_s=duration_s), Settings()).is_night is is_night


def brightness(raw: RawFrame) -> float:
    found = develop(raw, settings_with(image={"sqm_zero_point": 20.0, "pixel_scale_arcsec": 100})).measurement.sky_mag_arcsec2
    assert found is not None
    return found


def test_sky_brightness_follows_light_and_not_exposure_or_gain() -> None:
    first = brightness(even_frame(2000))
    assert brightness(even_frame(4000)) == pytest.approx(first - 2.5 * np.log10(2), abs=0.01)
    assert brightness(even_frame(4000, duration_s=30)) == pytest.approx(first, abs=0.01)
    assert brightness(replace(even_frame(10000), gain_factor=5.0)) == pytest.approx(first, abs=0.01)
    assert develop(even_frame(2000), Settings()).measurement.sky_mag_arcsec2 is None


def test_each_stage_is_told_once_and_in_order() -> None:
    told: list[str] = []
    raw = night_frame()
    finish(develop(raw, Settings(), lap=told.append), raw, Settings(), lap=told.append)
    assert told == ["calibrate", "measure", "stars", "stretch", "orient", "debayer", "label", "jpeg", "thumbnail"]


@pytest.mark.parametrize("value", [0, 1, 65535])
@pytest.mark.parametrize("duration_s", [0.0, 0.0001, 15, 1e6])
def test_extreme_frames_are_developed(value: int, duration_s: float) -> None:
    raw = even_frame(value, duration_s=duration_s)
    result = develop(raw, settings_with(image={"sqm_zero_point": 20.0}))
    assert isinstance(result, Developed)
    finish(result, raw, Settings())
