"""What is rendered: site, lens, sensor, weather. Values only; a frame follows from them, an exposure and a moment."""

from dataclasses import dataclass, field
from enum import StrEnum

from appliance.domain.frame import BayerPattern


class Projection(StrEnum):
    """How the distance from the zenith becomes a distance from the middle of the frame."""

    EQUIDISTANT = "equidistant"
    EQUISOLID = "equisolid"
    STEREOGRAPHIC = "stereographic"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the camera stands, in degrees; north and east are positive."""

    latitude_deg: float = 48.2
    longitude_deg: float = 16.4


@dataclass(frozen=True, slots=True)
class Lens:
    """A fisheye looking at the zenith, and the size of the frame behind it."""

    width: int = 1280
    height: int = 960
    projection: Projection = Projection.EQUIDISTANT
    top_azimuth_deg: float = 0.0
    """Azimuth that points up in the frame."""
    is_east_left: bool = True
    """East is left when north is up, as seen by somebody who looks up."""
    horizon_radius: float = 0.485
    """Distance of the horizon from the middle, as a share of the shorter side."""
    psf_sigma_px: float = 0.85
    falloff: float = 0.35
    """Share of light that the lens loses at the horizon."""

    @property
    def horizon_radius_px(self) -> float:
        """Distance of the horizon from the middle of the frame, in pixels."""
        return self.horizon_radius * min(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Sensor:
    """The chip behind the lens."""

    bayer: BayerPattern | None = BayerPattern.RGGB
    bits: int = 12
    full_well_e: float = 14_000.0
    """Electrons at the largest pixel value at gain 0."""
    temperature_c: float = 12.0
    offset_adu: int = 64
    """Bias level in the converter's own units, used where the exposure names none."""
    hot_pixel_share: float = 2e-4
    has_noise: bool = True
    """Off for tests of where light falls: no shot noise, no read noise."""


@dataclass(frozen=True, slots=True)
class Weather:
    """The air over the site."""

    cloud_cover: float = 0.3
    """Share of the sky, 0 to 1."""
    light_pollution: float = 1.0
    """0: none; 1: a small town at 21 mag/arcsec2; 10: a city."""
    extinction_mag: float = 0.18
    """Light lost per air mass, in V."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything but the moment and the exposure."""

    site: Site = field(default_factory=Site)
    lens: Lens = field(default_factory=Lens)
    sensor: Sensor = field(default_factory=Sensor)
    weather: Weather = field(default_factory=Weather)
    seed: int = 1
    """Fixes hot pixels, clouds, hills, meteors and satellites."""
    has_moon: bool = True
    has_meteors: bool = True
    has_satellites: bool = True
    hill_height_deg: float = 9.0
    """How high the skyline reaches; 0 for a flat horizon."""
