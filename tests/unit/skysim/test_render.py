"""The rendered frame against the truth: places against astropy, light against magnitudes, the chip against its numbers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

from appliance.domain.frame import BayerPattern, Exposure, FrameKind
from appliance.domain.sky import moon_altaz, moon_phase, sun_altaz
from appliance.skysim.catalogue import bright_stars
from appliance.skysim.lens import project, unproject
from appliance.skysim.render import expected_electrons, render, zero_point_e_per_s
from appliance.skysim.scene import Lens, Projection, Scene, Sensor, Site, Weather

SITES = {"vienna": Site(48.2, 16.37), "atacama": Site(-24.63, -70.40), "equator": Site(0.35, 32.58)}
MIDNIGHT = {
    "vienna": datetime(2026, 2, 13, 22, 55, tzinfo=UTC),
    "atacama": datetime(2026, 8, 12, 4, 45, tzinfo=UTC),
    "equator": datetime(2027, 5, 6, 21, 50, tzinfo=UTC),
}
LENS = Lens(falloff=0.0)
CLEAR = Weather(cloud_cover=0.0, light_pollution=0.0, extinction_mag=0.0)
EXACT = Sensor(bayer=None, bits=14, hot_pixel_share=0.0, has_noise=False)
BARE = Scene(lens=LENS, sensor=EXACT, weather=CLEAR, has_moon=False, has_meteors=False, has_satellites=False, hill_height_deg=0.0)

pytestmark = pytest.mark.filterwarnings("ignore:Tried to get polar motions", "ignore:ERFA function .*dubious year")


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """Keep astropy from fetching earth orientation."""
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield


def light(duration_s: float, gain: float = 0.0, kind: FrameKind = FrameKind.LIGHT) -> Exposure:
    return Exposure(kind, duration_s, gain)


def horizon(when: datetime, site: Site) -> AltAz:
    place = EarthLocation.from_geodetic(site.longitude_deg * u.deg, site.latitude_deg * u.deg, 0 * u.m)
    return AltAz(obstime=Time(when), location=place, pressure=0 * u.hPa)


def centroid(patch: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return the centre of light (x, y) of a patch over its own background."""
    weights = np.clip(patch - np.median(patch), 0, None)
    rows, columns = np.indices(patch.shape)
    return float((columns * weights).sum() / weights.sum()), float((rows * weights).sum() / weights.sum())


def isolated(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], index: int, distance_px: float) -> bool:
    """Tell whether no other catalogue star of any weight stands near one."""
    distances = np.hypot(x - x[index], y - y[index])
    distances[bright_stars().v_mag > bright_stars().v_mag[index] + 3.5] = np.inf
    distances[index] = np.inf
    return bool(distances.min() > distance_px)


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("projection", Projection)
def test_stars_fall_where_astropy_projects_them(name: str, projection: Projection) -> None:
    lens = replace(LENS, projection=projection, top_azimuth_deg=33.0, is_east_left=projection is not Projection.EQUISOLID)
    check_stars(SITES[name], MIDNIGHT[name], lens)


def test_stars_of_a_twelve_megapixel_frame_fall_there_too() -> None:
    check_stars(SITES["atacama"], MIDNIGHT["atacama"], replace(LENS, width=4056, height=3040))


def check_stars(site: Site, when: datetime, lens: Lens) -> None:
    """Render a frame and find its bright, single stars within half a pixel of where astropy and the lens put them."""
    scene = replace(BARE, site=site, lens=lens)
    frame = render(scene, light(4.0), when).astype(np.float64)
    stars = bright_stars()
    truth = SkyCoord(stars.ra_deg * u.deg, stars.dec_deg * u.deg, frame="icrs").transform_to(
        horizon(when + timedelta(seconds=2), site)
    )
    x, y = project(truth.alt.deg, truth.az.deg, lens)
    found = 0
    for index in np.flatnonzero((truth.alt.deg > 12) & (stars.v_mag < 3.6)):
        if not isolated(x, y, int(index), 8.0):
            continue
        left, top = round(x[index]) - 4, round(y[index]) - 4
        found_x, found_y = centroid(frame[top : top + 9, left : left + 9])
        assert np.hypot(left + found_x - x[index], top + found_y - y[index]) < 0.5
        found += 1
    assert found >= 20


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("body", ["sun", "moon"])
def test_sun_and_moon_fall_where_astropy_projects_them(name: str, body: str) -> None:
    site = SITES[name]
    ours = sun_altaz if body == "sun" else moon_altaz
    moments = [datetime(2026, 1, 3, tzinfo=UTC) + timedelta(hours=h) for h in range(0, 720, 3)]
    seen = [
        m
        for m in moments
        if 20 < ours(m, site.latitude_deg, site.longitude_deg).altitude_deg < 80
        and (
            body == "sun"
            or (moon_phase(m).illuminated_fraction > 0.995 and sun_altaz(m, site.latitude_deg, site.longitude_deg)[0] < -18)
        )
    ]
    assert seen
    scene = replace(BARE, site=site, has_moon=body == "moon")
    for when in seen[:3]:
        frame = expected_electrons(scene, light(1e-6), when).astype(np.float64)
        truth = get_body(body, Time(when), horizon(when, site).location).transform_to(horizon(when, site))
        x, y = (float(value) for value in project(truth.alt.deg, truth.az.deg, LENS))
        left, top = round(x) - 5, round(y) - 5
        found_x, found_y = centroid(frame[top : top + 11, left : left + 11])
        assert np.hypot(left + found_x - x, top + found_y - y) < 0.5


@pytest.mark.parametrize("projection", Projection)
def test_a_pixel_and_its_direction_are_one(projection: Projection) -> None:
    lens = Lens(projection=projection, top_azimuth_deg=200.0, is_east_left=False)
    altitude, azimuth = np.array([5.0, 40.0, 89.0]), np.array([10.0, 150.0, 300.0])
    back_altitude, back_azimuth = unproject(*project(altitude, azimuth, lens), lens)
    assert back_altitude == pytest.approx(altitude)
    assert back_azimuth == pytest.approx(azimuth)


def test_east_is_left_when_north_is_up_and_right_when_told() -> None:
    assert project(30.0, 90.0, Lens())[0] < 500 < 700 < project(30.0, 90.0, Lens(is_east_left=False))[0]
    assert project(30.0, 0.0, Lens())[1] < 300
    assert project(30.0, 180.0, Lens(top_azimuth_deg=180.0))[1] < 300


def test_light_follows_magnitude() -> None:
    scene = replace(BARE, site=SITES["atacama"])
    when = MIDNIGHT["atacama"]
    frame = expected_electrons(scene, light(1.0), when).astype(np.float64)
    stars = bright_stars()
    truth = SkyCoord(stars.ra_deg * u.deg, stars.dec_deg * u.deg, frame="icrs").transform_to(horizon(when, scene.site))
    x, y = project(truth.alt.deg, truth.az.deg, LENS)
    differences = []
    for index in np.flatnonzero((truth.alt.deg > 20) & (stars.v_mag < 3.0)):
        if not isolated(x, y, int(index), 8.0):
            continue
        patch = frame[round(y[index]) - 4 : round(y[index]) + 5, round(x[index]) - 4 : round(x[index]) + 5]
        flux = (patch - np.median(patch)).sum()
        differences.append(-2.5 * np.log10(flux / zero_point_e_per_s(LENS)) - stars.v_mag[index])
    assert len(differences) >= 20
    assert abs(np.median(differences)) < 0.01
    assert np.abs(differences).max() < 0.1  # faint neighbours


def test_twice_the_exposure_is_twice_the_light() -> None:
    when = MIDNIGHT["vienna"]
    sensor = replace(EXACT, offset_adu=200)
    short = render(replace(BARE, sensor=sensor), light(3.0, 60.0), when).astype(float) / 4 - 200
    # A meteor or a turning sky would spoil the ratio: the dome as a whole does not.
    long = render(replace(BARE, sensor=sensor), light(6.0, 60.0), when).astype(float) / 4 - 200
    assert long.sum() / short.sum() == pytest.approx(2.0, rel=0.02)


def test_twenty_decibels_of_gain_are_ten_times_the_value() -> None:
    sensor = replace(EXACT, offset_adu=0)
    low = render(replace(BARE, sensor=sensor), light(10.0, 0.0), MIDNIGHT["vienna"])[400:560, 560:720].mean()
    high = render(replace(BARE, sensor=sensor), light(10.0, 200.0), MIDNIGHT["vienna"])[400:560, 560:720].mean()
    assert high / low == pytest.approx(10.0, rel=0.03)


def test_a_dark_frame_holds_hot_pixels_and_nothing_of_the_sky() -> None:
    scene = Scene(sensor=Sensor(temperature_c=20.0))
    noon = datetime(2026, 6, 15, 11, 0, tzinfo=UTC)
    dark = render(scene, light(10.0, 0.0, FrameKind.DARK), noon).astype(float)
    other = render(scene, light(10.0, 0.0, FrameKind.DARK), noon + timedelta(hours=12)).astype(float)
    assert np.median(dark) == pytest.approx(64 * 16, abs=16)
    hot = dark > np.median(dark) + 600
    assert 50 < hot.sum() < 500
    assert (other[dark > np.median(dark) + 900] > np.median(other) + 600).all()
    cold = render(replace(scene, sensor=Sensor(temperature_c=-10.0)), light(10.0, 0.0, FrameKind.DARK), noon).astype(float)
    assert (cold > np.median(cold) + 600).sum() < hot.sum() / 3
    bias = render(scene, light(10.0, 0.0, FrameKind.BIAS), noon).astype(float)
    assert (bias > np.median(bias) + 600).sum() == 0


def test_clouds_cut_stars() -> None:
    scene = replace(BARE, site=SITES["atacama"])
    cloudy = replace(scene, weather=replace(CLEAR, cloud_cover=1.0))
    half = replace(scene, weather=replace(CLEAR, cloud_cover=0.5))

    def contrast(of: Scene) -> float:
        frame = expected_electrons(of, light(5.0), MIDNIGHT["atacama"])[100:860, 260:1020]
        return float(np.abs(np.diff(frame, axis=1)).sum())

    assert contrast(cloudy) < 0.02 * contrast(scene)
    assert 0.2 * contrast(scene) < contrast(half) < 0.9 * contrast(scene)


def test_clouds_move_and_cover_what_they_are_told_to() -> None:
    from appliance.skysim.clouds import transmission
    from appliance.skysim.lens import grid_of

    scene = Scene(weather=Weather(cloud_cover=0.4))
    start = MIDNIGHT["vienna"]
    covers = [(transmission(scene, grid_of(scene.lens), start + timedelta(minutes=7 * step)) < 0.9).mean() for step in range(30)]
    assert 0.25 < np.mean(covers) < 0.6
    before, after = (transmission(scene, grid_of(scene.lens), start + timedelta(minutes=m)) for m in (0, 2))
    assert np.abs(before - after).mean() > 0.02


def test_the_same_question_has_the_same_answer_and_another_seed_another() -> None:
    when = MIDNIGHT["vienna"]
    assert np.array_equal(render(Scene(), light(1.0), when), render(Scene(), light(1.0), when))
    assert not np.array_equal(render(Scene(), light(1.0), when), render(Scene(seed=2), light(1.0), when))


@pytest.mark.parametrize("pattern", BayerPattern)
def test_the_mosaic_has_the_pattern_asked_for(pattern: BayerPattern) -> None:
    """By day the zenith is blue: blue pixels are brighter than red ones, and red lies where the pattern says."""
    scene = Scene(sensor=Sensor(bayer=pattern, has_noise=False, hot_pixel_share=0), weather=Weather(cloud_cover=0.0))
    frame = render(scene, light(4e-5), datetime(2026, 6, 15, 5, 0, tzinfo=UTC)).astype(float)[440:520, 600:680]
    means = {(row, column): frame[row::2, column::2].mean() for row in range(2) for column in range(2)}
    darkest = min(means, key=lambda place: means[place])
    assert pattern.value[darkest[0] * 2 + darkest[1]] == "R"


def test_day_twilight_and_night_are_steps_of_brightness() -> None:
    scene = Scene(weather=Weather(cloud_cover=0.0), has_moon=False)
    evening = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
    means = [
        float(expected_electrons(scene, light(1.0), evening + timedelta(minutes=m))[380:580, 540:740].mean())
        for m in range(180, 480, 20)
    ]
    assert all(later < earlier * 1.02 for earlier, later in pairwise(means))
    assert means[0] / means[-1] > 1e6


def test_the_full_moon_brightens_the_sky() -> None:
    when = datetime(2026, 1, 3, 22, 0, tzinfo=UTC)
    with_moon = expected_electrons(replace(BARE, has_moon=True), light(1.0), when)
    without = expected_electrons(BARE, light(1.0), when)
    assert 5 < np.median(with_moon[300:600, 500:800]) / np.median(without[300:600, 500:800]) < 200


def test_meteors_and_satellites_come_now_and_then() -> None:
    start = datetime(2026, 3, 20, 19, 0, tzinfo=UTC)
    streaked = 0
    for minute in range(20):
        when = start + timedelta(minutes=minute)
        with_streaks = expected_electrons(
            replace(BARE, site=SITES["vienna"], has_meteors=True, has_satellites=True), light(60.0), when
        )
        plain = expected_electrons(replace(BARE, site=SITES["vienna"]), light(60.0), when)
        streaked += bool(((with_streaks - plain) > 8).sum() > 10)
    assert 3 <= streaked <= 20


def test_binning_halves_the_sides_and_keeps_the_level() -> None:
    when = MIDNIGHT["vienna"]
    whole = render(Scene(), light(2.0, 50.0), when)
    half = render(Scene(), Exposure(FrameKind.LIGHT, 2.0, 50.0, binning=2), when)
    assert half.shape == (480, 640)
    assert half.mean() == pytest.approx(whole.mean(), rel=0.01)


def test_a_flat_frame_is_even_in_the_middle_and_falls_off_as_the_lens_does() -> None:
    frame = render(
        replace(Scene(), sensor=Sensor(bayer=None, has_noise=False)), light(0.8, 0.0, FrameKind.FLAT), MIDNIGHT["vienna"]
    ).astype(float)
    assert frame[470:490, 630:650].std() / frame[470:490, 630:650].mean() < 0.01
    assert 0.3 < (frame[480, 200] - 1024) / (frame[480, 640] - 1024) < 0.95
    assert frame[5, 5] == pytest.approx(1024, abs=32)


def test_odd_and_large_sizes_render() -> None:
    for width, height in ((641, 479), (320, 240)):
        assert render(Scene(lens=Lens(width, height)), light(1.0), MIDNIGHT["vienna"]).shape == (height, width)


def test_a_larger_chip_sees_the_sky_as_bright_and_stars_brighter() -> None:
    when = MIDNIGHT["atacama"]
    means = []
    for width, height in ((640, 480), (1280, 960)):
        scene = replace(BARE, site=SITES["atacama"], lens=replace(LENS, width=width, height=height))
        frame = expected_electrons(scene, light(1.0), when)
        means.append(np.median(frame[height // 3 : height // 2, width // 3 : width // 2]))
    assert means[1] == pytest.approx(means[0], rel=0.05)
    assert zero_point_e_per_s(replace(LENS, width=2560, height=1920)) == pytest.approx(4 * zero_point_e_per_s(LENS))
