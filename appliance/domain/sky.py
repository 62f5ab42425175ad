"""Where sun, moon and stars stand over a site, and how much of the moon is lit; numpy only, no network, no tables to fetch.

Positions are airless: refraction is not applied. Azimuth runs from north through east. Each function names the source of
its formula; "Meeus" is Jean Meeus, Astronomical Algorithms, 2nd edition. UT1 is taken as UTC (0.9 s or 14 arc-seconds at
most), polar motion and diurnal aberration (each under 0.5 arc-second) are left out. Between 1980 and 2060 stars are good
to 20 arc-seconds, sun and moon to a minute of arc.
"""

import math
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from appliance.domain.moon import EARTH_RADIUS_KM, moon_geocentric

Degrees = npt.NDArray[np.float64]
_Vector = npt.NDArray[np.float64]
_Matrix = npt.NDArray[np.float64]

_ASTRONOMICAL_UNIT_KM = 149_597_870.7
_ARCSEC = math.pi / 648_000
_ABERRATION_RAD = 20.49552 * _ARCSEC
_LEAP_SECONDS = (
    (1980, 1, 19), (1981, 7, 20), (1982, 7, 21), (1983, 7, 22), (1985, 7, 23), (1988, 1, 24), (1990, 1, 25), (1991, 1, 26),
    (1992, 7, 27), (1993, 7, 28), (1994, 7, 29), (1996, 1, 30), (1997, 7, 31), (1999, 1, 32), (2006, 1, 33), (2009, 1, 34),
    (2012, 7, 35), (2015, 7, 36), (2017, 1, 37),
)  # fmt: skip
"""Year, month, and TAI-UTC from its first day on (IERS Bulletin C)."""


class AltAz(NamedTuple):
    """A direction over the horizon of a site."""

    altitude_deg: float
    """Above the horizon, airless."""
    azimuth_deg: float
    """From north through east, 0 to 360."""


class MoonPhase(NamedTuple):
    """How the sun lights the moon."""

    illuminated_fraction: float
    """0 new, 1 full."""
    bright_limb_deg: float
    """Position angle of the middle of the bright limb, from celestial north through east, 0 to 360."""


def sun_altitude_deg(when: datetime, latitude_deg: float, longitude_deg: float) -> float:
    """Return how high the sun's centre stands, in degrees; negative below the horizon."""
    return sun_altaz(when, latitude_deg, longitude_deg).altitude_deg


def sun_altaz(when: datetime, latitude_deg: float, longitude_deg: float) -> AltAz:
    """Return where the sun's centre stands over a site, parallax included."""
    return _topocentric(_sun_vector_km(when), when, latitude_deg, longitude_deg)


def moon_altaz(when: datetime, latitude_deg: float, longitude_deg: float) -> AltAz:
    """Return where the moon's centre stands over a site, parallax (up to a degree) included."""
    return _topocentric(_moon_vector_km(when), when, latitude_deg, longitude_deg)


def moon_phase(when: datetime) -> MoonPhase:
    """Return the moon's lit fraction and the direction of its bright limb, seen from the earth's centre (Meeus, ch. 48)."""
    sun, moon = _sun_vector_km(when), _moon_vector_km(when)
    to_sun = sun - moon
    cos_phase_angle = float(-moon @ to_sun / (np.linalg.norm(moon) * np.linalg.norm(to_sun)))
    sun_ra, sun_dec = _ra_dec(sun)
    moon_ra, moon_dec = _ra_dec(moon)
    limb = math.atan2(
        math.cos(sun_dec) * math.sin(sun_ra - moon_ra),
        math.sin(sun_dec) * math.cos(moon_dec) - math.cos(sun_dec) * math.sin(moon_dec) * math.cos(sun_ra - moon_ra),
    )
    return MoonPhase((1.0 + cos_phase_angle) / 2.0, math.degrees(limb) % 360.0)


def star_altaz(
    ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike, when: datetime, latitude_deg: float, longitude_deg: float
) -> tuple[Degrees, Degrees]:
    """Return altitudes and azimuths of stars over a site.

    Parameters
    ----------
    ra_deg, dec_deg : (N,) array_like
        Mean places of J2000.0 (ICRS to 0.02 arc-seconds), in degrees. Proper motion is the caller's.

    Returns
    -------
    altitude_deg, azimuth_deg : (N,) float64
    """
    ra, dec = (np.radians(np.atleast_1d(np.asarray(angle, np.float64))) for angle in (ra_deg, dec_deg))
    mean = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    turned = star_rotation(when, latitude_deg, longitude_deg) @ (mean + _aberration(when)[:, None])
    altitude = np.degrees(np.arctan2(turned[2], np.hypot(turned[0], turned[1])))
    return altitude, np.degrees(np.arctan2(turned[1], turned[0])) % 360.0


def star_rotation(when: datetime, latitude_deg: float, longitude_deg: float) -> _Matrix:
    """Return the 3 x 3 matrix that turns a J2000.0 equatorial vector into (north, east, up) over a site."""
    equator = _equator_to_horizon(when, latitude_deg, longitude_deg)
    return equator @ _nutation(_centuries_tt(when)) @ _precession(_centuries_tt(when))


def _julian_days(when: datetime) -> float:
    if when.tzinfo is None:
        raise ValueError(f"a moment needs a zone: {when!r}")
    since = when.astimezone(UTC) - datetime(2000, 1, 1, 12, tzinfo=UTC)
    return since.days + (since.seconds + since.microseconds * 1e-6) / 86400.0


def _centuries_tt(when: datetime) -> float:
    days = _julian_days(when)
    moment = when.astimezone(UTC)
    leaps = 19
    for year, month, count in _LEAP_SECONDS:
        if (moment.year, moment.month) >= (year, month):
            leaps = count
    return (days + (leaps + 32.184) / 86400.0) / 36525.0


def _rotation(axis: int, angle: float) -> _Matrix:
    """Return the matrix that turns the axes by `angle` about axis 0, 1 or 2."""
    cosine, sine = math.cos(angle), math.sin(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = sine, -sine
    return matrix


def _precession(t: float) -> _Matrix:
    """Turn J2000.0 axes to mean axes of date (Capitaine et al. 2003, A&A 412, 567: equatorial angles of IAU 2006)."""
    zeta = (2.650545 + t * (2306.083227 + t * (0.2988499 + t * 0.01801828))) * _ARCSEC
    z = (-2.650545 + t * (2306.077181 + t * (1.0927348 + t * 0.01826837))) * _ARCSEC
    theta = t * (2004.191903 + t * (-0.4294934 - t * 0.04182264)) * _ARCSEC
    return _rotation(2, -z) @ _rotation(1, theta) @ _rotation(2, -zeta)


def _mean_obliquity(t: float) -> float:
    """Return the mean obliquity of date (IAU 2006; Capitaine et al. 2003)."""
    return (84381.406 - t * (46.836769 + t * 0.0001831)) * _ARCSEC


def _nutation_angles(t: float) -> tuple[float, float]:
    """Return nutation in longitude and obliquity, in radians; the four main terms, good to 0.5 arc-second (Meeus, ch. 22)."""
    node = math.radians(125.04452 - 1934.136261 * t)
    sun = math.radians(280.4665 + 36000.7698 * t)
    moon = math.radians(218.3165 + 481267.8813 * t)
    longitude = -17.20 * math.sin(node) - 1.32 * math.sin(2 * sun) - 0.23 * math.sin(2 * moon) + 0.21 * math.sin(2 * node)
    obliquity = 9.20 * math.cos(node) + 0.57 * math.cos(2 * sun) + 0.10 * math.cos(2 * moon) - 0.09 * math.cos(2 * node)
    return longitude * _ARCSEC, obliquity * _ARCSEC


def _nutation(t: float) -> _Matrix:
    """Turn mean axes of date to true axes of date."""
    longitude, obliquity = _nutation_angles(t)
    mean = _mean_obliquity(t)
    return _rotation(0, -(mean + obliquity)) @ _rotation(2, -longitude) @ _rotation(0, mean)


def _equator_to_horizon(when: datetime, latitude_deg: float, longitude_deg: float) -> _Matrix:
    """Turn true axes of date to (north, east, up): apparent sidereal time, then latitude.

    Greenwich mean sidereal time is the earth rotation angle plus the polynomial of Capitaine et al. 2003 (IAU 2006).
    """
    days, t = _julian_days(when), _centuries_tt(when)
    earth_rotation = 2 * math.pi * ((0.7790572732640 + 0.00273781191135448 * days + days % 1.0) % 1.0)
    polynomial = (0.014506 + t * (4612.156534 + t * (1.3915817 - t * 0.00000044))) * _ARCSEC
    longitude_nutation, obliquity_nutation = _nutation_angles(t)
    equinoxes = longitude_nutation * math.cos(_mean_obliquity(t) + obliquity_nutation)
    local = earth_rotation + polynomial + equinoxes + math.radians(longitude_deg)
    latitude = math.radians(latitude_deg)
    sin_lat, cos_lat, sin_lst, cos_lst = math.sin(latitude), math.cos(latitude), math.sin(local), math.cos(local)
    return np.array(
        [
            [-sin_lat * cos_lst, -sin_lat * sin_lst, cos_lat],
            [-sin_lst, cos_lst, 0.0],
            [cos_lat * cos_lst, cos_lat * sin_lst, sin_lat],
        ]
    )


def _sun_ecliptic(t: float) -> tuple[float, float]:
    """Return the sun's true geometric longitude of date in radians and its distance in km (Meeus, ch. 25, low accuracy)."""
    mean_longitude = 280.46646 + t * (36000.76983 + t * 0.0003032)
    anomaly = math.radians(357.52911 + t * (35999.05029 - t * 0.0001537))
    eccentricity = 0.016708634 - t * (0.000042037 + t * 0.0000001267)
    centre = (
        (1.914602 - t * (0.004817 + t * 0.000014)) * math.sin(anomaly)
        + (0.019993 - t * 0.000101) * math.sin(2 * anomaly)
        + 0.000289 * math.sin(3 * anomaly)
    )
    distance = 1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * math.cos(anomaly + math.radians(centre)))
    return math.radians(mean_longitude + centre), distance * _ASTRONOMICAL_UNIT_KM


def _sun_vector_km(when: datetime) -> _Vector:
    """Return the geocentric apparent sun on true axes of date, in km."""
    t = _centuries_tt(when)
    longitude, distance = _sun_ecliptic(t)
    # Light left the sun 8.3 minutes ago: its aberration (Meeus 25.10).
    return _on_true_equator(longitude - _ABERRATION_RAD * _ASTRONOMICAL_UNIT_KM / distance, 0.0, distance, t)


def _moon_vector_km(when: datetime) -> _Vector:
    """Return the geocentric moon on true axes of date, in km."""
    t = _centuries_tt(when)
    longitude, latitude, distance = moon_geocentric(t)
    return _on_true_equator(math.radians(longitude), math.radians(latitude), distance, t)


def _on_true_equator(longitude: float, latitude: float, distance: float, t: float) -> _Vector:
    """Turn mean ecliptic coordinates of date into a vector on true equatorial axes of date."""
    nutation, obliquity = _nutation_angles(t)
    longitude += nutation
    ecliptic = distance * np.array(
        [math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)]
    )
    turned: _Vector = _rotation(0, -(_mean_obliquity(t) + obliquity)) @ ecliptic
    return turned


def _aberration(when: datetime) -> _Vector:
    """Return the earth's velocity over that of light on J2000.0 axes, circular orbit (Meeus, ch. 23; to 0.4 arc-second)."""
    t = _centuries_tt(when)
    longitude, _ = _sun_ecliptic(t)
    longitude -= math.radians(1.396971 * t)  # precession in longitude since J2000.0
    velocity = _ABERRATION_RAD * np.array([math.sin(longitude), -math.cos(longitude), 0.0])
    turned: _Vector = _rotation(0, -_mean_obliquity(0.0)) @ velocity
    return turned


def _topocentric(body_km: _Vector, when: datetime, latitude_deg: float, longitude_deg: float) -> AltAz:
    """Turn a geocentric vector on true axes into a direction at sea level on the WGS 84 ellipsoid (Meeus, ch. 11 and 40)."""
    north, east, up = _equator_to_horizon(when, latitude_deg, longitude_deg) @ body_km
    latitude, flattening = math.radians(latitude_deg), 1 / 298.257223563
    squared = flattening * (2 - flattening)
    curvature = EARTH_RADIUS_KM / math.sqrt(1 - squared * math.sin(latitude) ** 2)
    # The site's own vector in (north, east, up) of the geodetic horizon.
    up -= curvature * (1 - squared * math.sin(latitude) ** 2)
    north += curvature * squared * math.sin(latitude) * math.cos(latitude)
    return AltAz(math.degrees(math.atan2(up, math.hypot(north, east))), math.degrees(math.atan2(east, north)) % 360.0)


def _ra_dec(vector: _Vector) -> tuple[float, float]:
    return math.atan2(vector[1], vector[0]), math.atan2(vector[2], math.hypot(vector[0], vector[1]))
