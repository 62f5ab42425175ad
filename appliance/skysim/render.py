"""One frame of the sky: a pure function of scene, exposure and moment.

The smooth light is worked out on a coarse net and drawn out to full size; points are drawn at full size on top. Positions are
those of the middle of the exposure. There is no refraction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from appliance.domain.frame import BayerPattern, Exposure, FrameKind, Pixels
from appliance.domain.sky import moon_altaz, moon_phase, star_altaz, star_rotation, sun_altaz
from appliance.skysim import clouds, light, points
from appliance.skysim.catalogue import bright_stars
from appliance.skysim.lens import Doubles, Floats, Grid, air_mass_of, grid_of, project, skyline_of
from appliance.skysim.light import Source
from appliance.skysim.points import Blots
from appliance.skysim.readout import read_out
from appliance.skysim.scene import Lens, Scene

_ZERO_POINT_E_PER_S: Final = 2500.0
_ZERO_POINT_RADIUS_PX: Final = 465.6
RESPONSE: Final = (0.74, 1.0, 0.68)
"""How a chip sees white light in red, green and blue."""
_CHANNELS: Final = {"R": 0, "G": 1, "B": 2}
_GROUND_ALBEDO: Final = 0.07


def zero_point_e_per_s(lens: Lens) -> float:
    """Return the electrons a second that a star of V = 0, above the air and at the zenith, leaves in green pixels.

    A larger chip has a longer lens of the same f-number: its opening grows with the image, so that the sky is as bright on
    each pixel and stars gain.
    """
    return _ZERO_POINT_E_PER_S * (lens.horizon_radius_px / _ZERO_POINT_RADIUS_PX) ** 2


def render(scene: Scene, exposure: Exposure, when: datetime) -> Pixels:
    """Return the frame that an exposure begun at `when` would give.

    Returns
    -------
    (H, W) uint16
        Left-justified ADU, row 0 at the top; H and W are the lens's over the binning.
    """
    electrons = expected_electrons(scene, exposure, when)
    noise_seed = [scene.seed, int(when.timestamp() * 1e6), int(exposure.duration_s * 1e6), int(exposure.gain * 10)]
    pixels = read_out(electrons, scene.sensor, exposure, scene.seed, [abs(number) for number in noise_seed])
    return binned(pixels, exposure.binning)


def expected_electrons(scene: Scene, exposure: Exposure, when: datetime) -> Floats:
    """Return the light that falls on every pixel during the exposure, in electrons, before the chip adds anything."""
    shape = (scene.lens.height, scene.lens.width)
    if exposure.kind in (FrameKind.DARK, FrameKind.BIAS):
        return np.zeros(shape, np.float32)
    if exposure.kind is FrameKind.FLAT:
        return _flat(scene, exposure.duration_s)
    return _light(scene, exposure.duration_s, when)


def _flat(scene: Scene, duration_s: float) -> Floats:
    """Return an evenly lit panel over the lens: half of the full well in a second, in green."""
    grid = grid_of(scene.lens)
    even = np.stack([np.full(grid.air_mass.shape, c * 0.5 * scene.sensor.full_well_e, np.float32) for c in RESPONSE])
    canvas = _drawn_out(even, grid, scene)
    canvas *= skyline_of(scene.lens, 0.0, scene.seed).throughput
    canvas *= np.float32(duration_s)
    return canvas


@dataclass(frozen=True, slots=True, eq=False)
class _Air:
    """What stands between the camera and space at one moment."""

    grid: Grid
    through: Floats
    """(h, w) what clouds let pass."""
    sun: Source
    moon: Source | None


def _light(scene: Scene, duration_s: float, when: datetime) -> Floats:
    middle = when + timedelta(seconds=duration_s / 2)
    air = _air(scene, middle)
    net = _net(scene, air, middle)
    # Electrons a second and pixel, in each colour.
    net *= np.asarray(RESPONSE, np.float32)[:, None, None] * (
        light.relative(0.0) ** -1 * zero_point_e_per_s(scene.lens) * air.grid.arcsec2
    )
    canvas = _drawn_out(net, air.grid, scene)
    canvas *= np.float32(duration_s)
    _add_points(canvas, scene, air, when, duration_s)
    skyline = skyline_of(scene.lens, scene.hill_height_deg, scene.seed)
    canvas *= skyline.throughput
    ground = float((net[1] * np.maximum(air.grid.directions[2], 0)).mean()) * duration_s * _GROUND_ALBEDO
    canvas.reshape(-1)[skyline.ground_index] += skyline.ground_share * np.float32(ground)
    return canvas


def _air(scene: Scene, moment: datetime) -> _Air:
    site = (scene.site.latitude_deg, scene.site.longitude_deg)
    grid = grid_of(scene.lens)
    moon = None
    if scene.has_moon:
        place = moon_altaz(moment, *site)
        if place.altitude_deg > -12.0:
            moon = Source(place, light.moon_mag(moon_phase(moment).illuminated_fraction))
    return _Air(grid, clouds.transmission(scene, grid, moment), Source(sun_altaz(moment, *site), light.SUN_MAG), moon)


def _net(scene: Scene, air: _Air, moment: datetime) -> Floats:
    """Return the smooth light of the sky on the net, (3, h, w)."""
    grid, weather = air.grid, scene.weather
    sky = light.night_glow(grid, weather, scene.seed)
    for source in (air.sun, air.moon):
        if source is not None and source.place.altitude_deg > -30.0:
            sky += light.scattered(grid, source)
    sources = [source for source in (air.sun, air.moon) if source is not None]
    if air.sun.place.altitude_deg < -9.0:
        rotation = star_rotation(moment, scene.site.latitude_deg, scene.site.longitude_deg)
        sky += light.milky_way(grid, rotation, light.milky_way_mottle(scene.seed))
    if weather.cloud_cover > 0.0:
        shining = light.cloud_light(sky, grid, air.through, sources, weather)
        sky = sky * air.through + shining * (1.0 - air.through)
    for source in sources:
        if source.place.altitude_deg > -0.5:
            mag = light.direct_mag(source, weather.extinction_mag, float(air_mass_of(source.place.altitude_deg)))
            x, y = project(*source.place, scene.lens)
            passed = float(_at(air.through, grid, np.array([x]), np.array([y]))[0])
            sky += light.glare(grid, source, mag) * np.float32(passed)
    return np.asarray(sky, np.float32)


def _drawn_out(net: Floats, grid: Grid, scene: Scene) -> Floats:
    """Draw the net out to full size, each pixel in its own colour, linearly between the nodes."""
    height, width, step = scene.lens.height, scene.lens.width, grid.step
    canvas = np.empty((height, width), np.float32)
    for down in range(step):
        rows = range(down, height, step)
        if not rows:
            continue
        share = np.float32(down / step)
        lines = net[:, : len(rows)] * (1 - share) + net[:, 1 : len(rows) + 1] * share
        for right in range(step):
            columns = len(range(right, width, step))
            share = np.float32(right / step)
            line = lines[_channel(scene.sensor.bayer, down, right)]
            canvas[down::step, right::step] = line[:, :columns] * (1 - share) + line[:, 1 : columns + 1] * share
    return canvas


def _channel(bayer: BayerPattern | None, row: int, column: int) -> int:
    return 1 if bayer is None else _CHANNELS[bayer.value[(row % 2) * 2 + column % 2]]


def _at(values: Floats, grid: Grid, x: Doubles, y: Doubles) -> Floats:
    """Return what a map on the net says at places of the frame."""
    i = np.clip(np.rint(y / grid.step).astype(np.intp), 0, values.shape[0] - 1)
    j = np.clip(np.rint(x / grid.step).astype(np.intp), 0, values.shape[1] - 1)
    found: Floats = values[i, j]
    return found


def _add_points(canvas: Floats, scene: Scene, air: _Air, when: datetime, duration_s: float) -> None:
    """Draw stars, streaks and discs, in electrons, each colour of the mosaic with its own response."""
    layer = np.zeros_like(canvas)
    middle = when + timedelta(seconds=duration_s / 2)
    sigma, zero_point = scene.lens.psf_sigma_px, zero_point_e_per_s(scene.lens)
    if air.sun.place.altitude_deg < 0.0:
        points.draw(layer, _stars(scene, air, middle, duration_s), sigma)
        for streak in points.streaks(scene, when, duration_s, air.sun.place.altitude_deg):
            blots = points.on_frame(streak, scene.lens)
            passed = _at(air.through, air.grid, blots.x, blots.y)
            points.draw(layer, Blots(blots.x, blots.y, blots.light * passed * zero_point), sigma)
    for source, lit in ((air.sun, 1.0), (air.moon, moon_phase(middle).illuminated_fraction)):
        if source is not None and source.place.altitude_deg > -0.5:
            points.draw(layer, _disc(scene, air, source, lit, duration_s), sigma)
    if scene.sensor.bayer is not None:
        for row in range(2):
            for column in range(2):
                layer[row::2, column::2] *= np.float32(RESPONSE[_channel(scene.sensor.bayer, row, column)])
    canvas += layer


def _stars(scene: Scene, air: _Air, moment: datetime, duration_s: float) -> Blots:
    stars = bright_stars()
    altitude, azimuth = star_altaz(stars.ra_deg, stars.dec_deg, moment, scene.site.latitude_deg, scene.site.longitude_deg)
    is_up = altitude > 0.0
    x, y = project(altitude[is_up], azimuth[is_up], scene.lens)
    mag = stars.v_mag[is_up] + scene.weather.extinction_mag * air_mass_of(altitude[is_up])
    electrons = zero_point_e_per_s(scene.lens) * 10 ** (-0.4 * mag) * duration_s
    return Blots(x, y, electrons * _at(air.through, air.grid, x, y))


def _disc(scene: Scene, air: _Air, source: Source, lit: float, duration_s: float) -> Blots:
    """Return the disc of sun or moon; the moon's bright limb points to the sun."""
    x, y = (float(value) for value in project(*source.place, scene.lens))
    here, to_sun = source.direction, air.sun.direction
    # A step along the great circle to the sun, seen on the frame.
    ahead = here + 0.002 * (to_sun - (to_sun @ here) * here)
    altitude = float(np.degrees(np.arctan2(ahead[2], np.hypot(ahead[0], ahead[1]))))
    next_x, next_y = project(altitude, float(np.degrees(np.arctan2(ahead[1], ahead[0]))), scene.lens)
    radius = light.DISC_RADIUS_DEG / 90.0 * scene.lens.horizon_radius_px
    blots = points.disc(x, y, radius, lit, (float(next_x) - x, float(next_y) - y))
    mag = light.direct_mag(source, scene.weather.extinction_mag, float(air_mass_of(source.place.altitude_deg)))
    # Clouds blur a disc long before they hide its light: what passes straight falls faster.
    passed = float(_at(air.through, air.grid, np.array([x]), np.array([y]))[0]) ** 2
    return Blots(blots.x, blots.y, blots.light * (zero_point_e_per_s(scene.lens) * 10 ** (-0.4 * mag) * duration_s * passed))


def binned(pixels: Pixels, binning: int) -> Pixels:
    """Return the mean of squares of pixels; what fills no square at the right and lower edge is left out."""
    if binning == 1:
        return pixels
    height, width = (side // binning for side in pixels.shape)
    squares = pixels[: height * binning, : width * binning].reshape(height, binning, width, binning)
    means: Pixels = squares.mean(axis=(1, 3), dtype=np.float32).astype(np.uint16)
    return means
