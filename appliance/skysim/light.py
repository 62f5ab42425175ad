"""The smooth light of the sky, in three colours: day, twilight, moonlight, airglow, towns, Milky Way, glare, clouds.

Unit: one is the light of 20 mag per square arc-second in V. Brightness of day and twilight follows published orders of
magnitude; forms are the CIE standard clear sky (CIE S 011, type 12) and van Rhijn's airglow layer. It is meant to look and
count right, not to be radiative transfer.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from appliance.domain.sky import AltAz
from appliance.skysim.lens import Floats, Grid
from appliance.skysim.scene import Weather

_Colour = tuple[float, float, float]

_REFERENCE_MAG = 20.0
SUN_MAG = -26.74
DISC_RADIUS_DEG = 0.2666

_SUN_ALTITUDE = (-40.0, -24.0, -21.0, -18.0, -15.0, -12.0, -9.0, -6.0, -3.0, 0.0, 5.0, 10.0, 30.0, 60.0, 90.0)
_ZENITH_MAG = (60.0, 27.5, 25.4, 23.3, 21.2, 18.6, 15.5, 12.0, 9.0, 6.7, 5.3, 4.8, 4.0, 3.4, 3.1)
"""Zenith of a clear sky, in V mag/arcsec2, by the altitude of the sun; night itself not counted."""

_DAY_BLUE, _DAY_PALE = (0.50, 0.86, 1.62), (0.88, 1.0, 1.14)
_DUSK_BLUE, _DUSK_ORANGE = (0.60, 0.86, 1.50), (2.0, 1.0, 0.38)
_SUN_WHITE = (1.0, 1.0, 0.94)
_AIRGLOW, _TOWN, _MILKY_WAY = (0.86, 1.0, 0.86), (1.40, 1.0, 0.55), (1.02, 1.0, 0.92)


def relative(mag: float) -> float:
    """Return the light of a magnitude, one at the reference."""
    return float(10.0 ** (-0.4 * (mag - _REFERENCE_MAG)))


@dataclass(frozen=True, slots=True)
class Source:
    """Sun or moon, as what lights the air."""

    place: AltAz
    mag: float
    """Of the whole disc, above the air."""

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """Unit vector north, east, up."""
        return unit_vector(*self.place)


def unit_vector(altitude_deg: float, azimuth_deg: float) -> npt.NDArray[np.float64]:
    """Return the unit vector north, east, up of a direction."""
    high, round_ = np.radians(altitude_deg), np.radians(azimuth_deg)
    return np.array([np.cos(high) * np.cos(round_), np.cos(high) * np.sin(round_), np.sin(high)])


def moon_mag(illuminated_fraction: float) -> float:
    """Return the moon's V magnitude from its phase (Allen, Astrophysical Quantities; Krisciunas and Schaefer 1991, eq. 9)."""
    phase_angle = float(np.degrees(np.arccos(np.clip(2 * illuminated_fraction - 1, -1, 1))))
    return -12.73 + 0.026 * phase_angle + 4e-9 * phase_angle**4


def scattered(grid: Grid, source: Source) -> Floats:
    """Return the light of a source that clear air scatters, (3, h, w): day, twilight, or moonlight."""
    zenith = relative(float(np.interp(source.place.altitude_deg, _SUN_ALTITUDE, _ZENITH_MAG)) + source.mag - SUN_MAG)
    up = np.maximum(grid.directions[2], 0.012)
    cosine = np.clip(np.tensordot(source.direction.astype(np.float32), grid.directions, 1), -1, 1)
    angle = np.arccos(cosine)
    near = 10.0 * np.exp(-3.0 * angle)
    from_zenith = np.radians(90.0 - source.place.altitude_deg)
    at_zenith = 0.91 + 10.0 * np.exp(-3.0 * from_zenith) + 0.45 * np.cos(from_zenith) ** 2
    gradation = (1.0 - np.exp(-0.32 / up)) / (1.0 - np.exp(-0.32))
    form = (0.91 + near + 0.45 * cosine**2) / at_zenith * gradation
    pale = np.clip(0.75 * near / (1.0 + near) + 0.75 * np.exp(-up / 0.22), 0.0, 1.0)
    dusk = float(np.clip((4.0 - source.place.altitude_deg) / 9.0, 0.0, 1.0))
    blue, soft = _mix(_DAY_BLUE, _DUSK_BLUE, dusk), _mix(_DAY_PALE, _DUSK_BLUE, 0.75 * dusk)
    arch = dusk * _arch(grid, source, up)
    return np.stack(
        [(zenith * form * (b + (s - b) * pale)) + zenith * arch * o for b, s, o in zip(blue, soft, _DUSK_ORANGE, strict=True)]
    )


def _mix(first: _Colour, second: _Colour, share: float) -> _Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def _arch(grid: Grid, source: Source, up: Floats) -> Floats:
    """Return the twilight arch: the glow over the place where the sun is below the horizon."""
    towards = source.direction[:2] / max(float(np.hypot(*source.direction[:2])), 1e-9)
    level = np.maximum(np.hypot(grid.directions[0], grid.directions[1]), 1e-3)
    along = (grid.directions[0] * towards[0] + grid.directions[1] * towards[1]) / level
    depression = max(-source.place.altitude_deg, 0.0)
    height = 0.10 + 0.16 * np.exp(-depression / 7.0)
    strength = 3.0 + 1.8 * min(depression, 14.0)
    return np.asarray(strength * ((1.0 + along) / 2) ** 4 * np.exp(-up / height), np.float32)


def night_glow(grid: Grid, weather: Weather, seed: int) -> Floats:
    """Return airglow, brighter towards the horizon, and the light of towns, (3, h, w)."""
    up = np.maximum(grid.directions[2], 0.0)
    # Van Rhijn: a thin layer 90 km up, dimmed by the air in front of it.
    airglow = relative(22.0) / np.sqrt(1.0 - (1.0 - up**2) / (1.0 + 90.0 / 6378.0) ** 2) * 10 ** (-0.07 * (grid.air_mass - 1.0))
    rng = np.random.default_rng([seed, 5])
    towns = relative(21.9) * (1.0 + 2.2 * np.exp(-up / 0.20))
    for strength in (1.0, 0.45):
        towns = towns + relative(19.6) * strength * _dome(grid, float(rng.uniform(0, 360)))
    return np.stack([airglow * a + weather.light_pollution * towns * t for a, t in zip(_AIRGLOW, _TOWN, strict=True)])


def _dome(grid: Grid, azimuth_deg: float) -> Floats:
    """Return the light dome over a town: one at the horizon above it."""
    towards = unit_vector(0.0, azimuth_deg).astype(np.float32)
    return np.asarray(
        np.exp((np.tensordot(towards, grid.directions, 1) - 1.0) / 0.16 - np.abs(grid.directions[2]) / 0.30), np.float32
    )


@lru_cache(maxsize=1)
def _galactic_axes() -> npt.NDArray[np.float64]:
    """Return the rows x (galactic centre), y, z (north pole) on J2000.0 equatorial axes (IAU 1958; Hipparcos, vol. 1, 1.5.11)."""
    return np.array(
        [
            [-0.0548755604, -0.8734370902, -0.4838350155],
            [0.4941094279, -0.4448296300, 0.7469822445],
            [-0.8676661490, -0.1980763734, 0.4559837762],
        ]
    )


def milky_way(grid: Grid, star_rotation: npt.NDArray[np.float64], mottle: Floats) -> Floats:
    """Return the glow of the Milky Way, (3, h, w): a band that bulges at the centre, split by dust.

    Parameters
    ----------
    star_rotation : (3, 3)
        Turns J2000.0 equatorial vectors to north, east, up.
    mottle : (256, 512) float32
        Noise by galactic latitude and longitude, mean 0, deviation 1.
    """
    turn = (_galactic_axes() @ star_rotation.T).astype(np.float32)
    x, y, z = np.tensordot(turn, grid.directions, 1)
    latitude = np.degrees(np.arcsin(np.clip(z, -1, 1)))
    longitude = np.degrees(np.arctan2(y, x))
    to_centre = np.exp(-((longitude / 48.0) ** 2))
    i = np.clip((latitude + 90) * (255 / 180), 0, 255).astype(np.int32)
    j = ((longitude + 180) * (511 / 360)).astype(np.int32) % 512
    clumps = np.exp(0.33 * mottle[i, j])
    band = np.exp(-(np.abs(latitude / (7.5 + 5.0 * to_centre)) ** 1.3)) * (0.42 + 1.0 * to_centre)
    rift = np.exp(-(((latitude - 1.0 - 2.5 * np.sin(np.radians(longitude * 2.2))) / 3.2) ** 2)) * np.exp(
        -(((longitude - 25) / 50) ** 2)
    )
    light = relative(21.0) * band * clumps * (1.0 - 0.72 * rift) * 10 ** (-0.06 * (grid.air_mass - 1.0))
    return np.stack([light * c for c in _MILKY_WAY])


@lru_cache(maxsize=1)
def milky_way_mottle(seed: int) -> Floats:
    """Return the noise that `milky_way` is mottled with."""
    rng = np.random.default_rng([seed, 23])
    rows, columns = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(512)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1.0
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((256, 512))) * frequency**-1.2 * np.exp(-((frequency / 0.12) ** 2)))
    return np.asarray((values - values.mean()) / values.std(), np.float32)


def direct_mag(source: Source, extinction_mag: float, air_mass: float) -> float:
    """Return the magnitude of a disc behind the air."""
    return source.mag + extinction_mag * air_mass


def glare(grid: Grid, source: Source, mag: float, share: float = 0.02) -> Floats:
    """Return light that lens and dust spread around a bright disc, (3, h, w), falling with the square of the distance."""
    cosine = np.clip(np.tensordot(source.direction.astype(np.float32), grid.directions, 1), -1, 1)
    angle_deg = np.degrees(np.arccos(cosine))
    core_deg = 0.7
    # Normalised so that the light within 90 degrees adds up to `share` of the disc's.
    density = share / (np.pi * np.log1p((90.0 / core_deg) ** 2)) / (angle_deg**2 + core_deg**2) / 3600.0**2
    return np.stack([relative(mag) * density * c for c in _SUN_WHITE])


def cloud_light(clear: Floats, grid: Grid, through: Floats, sources: list[Source], weather: Weather) -> Floats:
    """Return what clouds shine with, (3, h, w): that of the whole sky, of the towns, and of the disc at their rims."""
    whole = np.maximum(grid.directions[2], 0.0)
    mean = (clear * whole).reshape(3, -1).sum(1) / whole.sum()
    grey = mean.mean()
    light = np.empty_like(clear)
    town = relative(20.6) * weather.light_pollution
    # A disc over the horizon adds its direct light; after sunset clouds stand dark before the glow.
    highest = max((source.place.altitude_deg for source in sources), default=-90.0)
    boost = 0.85 + 1.35 * float(np.clip((highest + 1.0) / 8.0, 0.0, 1.0))
    shade = 0.60 + 0.55 * np.maximum(through, 1e-30) ** 0.15  # thick clouds are greyer from below
    for channel in range(3):
        light[channel] = (0.35 * mean[channel] + 0.65 * grey) * boost * shade + town * _TOWN[channel]
    for source in sources:
        if source.place.altitude_deg > -1.0:
            cosine = np.clip(np.tensordot(source.direction.astype(np.float32), grid.directions, 1), -1, 1)
            rim = 2.6 * grey * np.exp(-np.arccos(cosine) / 0.22) * (0.2 + through)
            light += rim
    return light
