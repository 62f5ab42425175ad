"""The ephemeris against astropy, which knows nothing of ours: 20 stars, sun and moon at three sites over many dates."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import iers

from appliance.domain.sky import moon_altaz, moon_phase, star_altaz, sun_altaz, sun_altitude_deg

SITES = {"vienna": (48.2, 16.37), "atacama": (-24.63, -70.40), "equator": (0.35, 32.58)}
DATES = [datetime(2000, 1, 1, 12, tzinfo=UTC) + timedelta(days=431.37 * step) for step in range(26)]
ARCMIN = 1 / 60
# Later dates lie past astropy's own tables of leap seconds and of the pole: it then holds the last values, as we do.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to get polar motions", "ignore:ERFA function .*dubious year")


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    """Keep astropy from fetching earth orientation: its own tables, and zero where they end."""
    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield


def separation_deg(altitude: object, azimuth: object, other_altitude: object, other_azimuth: object) -> np.ndarray:
    """Return the angle between directions, in degrees."""
    a, z, b, y = (np.radians(np.asarray(x, float)) for x in (altitude, azimuth, other_altitude, other_azimuth))
    u1 = np.stack([np.cos(a) * np.cos(z), np.cos(a) * np.sin(z), np.sin(a)])
    u2 = np.stack([np.cos(b) * np.cos(y), np.cos(b) * np.sin(y), np.sin(b)])
    angle: np.ndarray = np.degrees(2 * np.arcsin(np.linalg.norm(u1 - u2, axis=0) / 2))
    return angle


def frame(when: datetime, site: str) -> AltAz:
    """Return astropy's horizon of a site: no pressure, so no refraction."""
    latitude, longitude = SITES[site]
    return AltAz(
        obstime=Time(when), location=EarthLocation.from_geodetic(longitude * u.deg, latitude * u.deg, 0 * u.m), pressure=0 * u.hPa
    )


@pytest.mark.parametrize("site", SITES)
def test_twenty_stars_stand_where_astropy_puts_them(site: str) -> None:
    rng = np.random.default_rng(20)
    ra, dec = rng.uniform(0, 360, 20), np.degrees(np.arcsin(rng.uniform(-1, 1, 20)))
    for when in DATES:
        truth = SkyCoord(ra * u.deg, dec * u.deg, frame="icrs").transform_to(frame(when, site))
        altitude, azimuth = star_altaz(ra, dec, when, *SITES[site])
        assert separation_deg(altitude, azimuth, truth.alt.deg, truth.az.deg).max() < ARCMIN / 3


@pytest.mark.parametrize("site", SITES)
def test_the_sun_stands_where_astropy_puts_it(site: str) -> None:
    for when in DATES:
        truth = get_body("sun", Time(when), frame(when, site).location).transform_to(frame(when, site))
        ours = sun_altaz(when, *SITES[site])
        assert separation_deg(*ours, truth.alt.deg, truth.az.deg) < ARCMIN
        assert sun_altitude_deg(when, *SITES[site]) == ours.altitude_deg


@pytest.mark.parametrize("site", SITES)
def test_the_moon_stands_where_astropy_puts_it(site: str) -> None:
    for when in DATES:
        truth = get_body("moon", Time(when), frame(when, site).location).transform_to(frame(when, site))
        assert separation_deg(*moon_altaz(when, *SITES[site]), truth.alt.deg, truth.az.deg) < ARCMIN


def test_the_moon_is_lit_as_its_distance_from_the_sun_says() -> None:
    for when in DATES:
        sun, moon = get_body("sun", Time(when)), get_body("moon", Time(when))
        elongation = sun.separation(moon, origin_mismatch="ignore")
        angle = np.arctan2(sun.distance * np.sin(elongation), moon.distance - sun.distance * np.cos(elongation))
        phase = moon_phase(when)
        assert phase.illuminated_fraction == pytest.approx(float((1 + np.cos(angle)) / 2), abs=0.002)
        limb = moon.position_angle(SkyCoord(sun.ra, sun.dec, frame=moon.frame.replicate_without_data())).deg
        if 0.02 < phase.illuminated_fraction < 0.98:  # near new and full moon the direction is hardly defined
            assert abs((phase.bright_limb_deg - limb + 180) % 360 - 180) < 1.0


def test_meeus_works_the_same_example() -> None:
    """Meeus, example 48.a: 1992 April 12, 0h dynamical time: k = 0.6786, chi = 285.0 degrees."""
    phase = moon_phase(datetime(1992, 4, 11, 23, 59, 1, tzinfo=UTC))
    assert phase.illuminated_fraction == pytest.approx(0.6786, abs=0.0002)
    assert phase.bright_limb_deg == pytest.approx(285.0, abs=0.1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        sun_altaz(datetime(2026, 1, 1), 0.0, 0.0)  # noqa: DTZ001 - that is what is refused


def test_the_pole_and_the_date_line_are_places_like_others() -> None:
    when = datetime(2026, 6, 21, tzinfo=UTC)
    assert sun_altitude_deg(when, 90.0, 0.0) == pytest.approx(23.43, abs=0.02)
    assert sun_altitude_deg(when, 10.0, 180.0) == pytest.approx(sun_altitude_deg(when, 10.0, -180.0), abs=1e-9)
