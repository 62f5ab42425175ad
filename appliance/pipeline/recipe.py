"""How a raw frame becomes a picture and numbers; pure functions, the same for camera frames and for `develop`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np

from appliance.domain.errors import InputError
from appliance.domain.frame import FrameKind, Measurement, Picture, Pixels, RawFrame
from appliance.domain.label import duration_text, fill, temperature_text
from appliance.domain.sky import sun_altitude_deg
from appliance.imaging import codec, measure, sqm, stretch
from appliance.imaging.calibrate import MasterDark, repair_hot, subtract_dark
from appliance.imaging.debayer import debayer, even, orient
from appliance.imaging.mask import blacken_outside
from appliance.imaging.overlay import draw_label
from appliance.imaging.stars import find_stars
from appliance.imaging.workspace import Workspace
from appliance.settings.schema import Settings, Site

SIDE_MIN = 16
"""A frame with a shorter side is no picture."""
NIGHT_EXPOSURE_S = 1.0
NIGHT_MEAN_MAX = 0.3
"""Where the site is not known, a frame exposed so long that is no brighter than this was taken at night."""
ZENITH_RADIUS = 0.3
"""Share of the sky's radius in which its brightness is told: near the zenith, where a pixel has the size that is set."""

Lap = Callable[[str], None]
"""Called with a stage's name when it is done: `develop --timings` takes the time there, the service beats."""


def no_lap(stage: str) -> None:
    """Take no time."""


@dataclass(frozen=True, slots=True, eq=False)
class Developed:
    """A picture without its label, and what was measured on the way."""

    picture: Picture
    """Belongs to the workspace: the next frame writes over it."""
    measurement: Measurement
    is_night: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The files of one frame."""

    jpeg: bytes
    thumb: bytes
    width: int
    height: int


def develop(
    raw: RawFrame,
    settings: Settings,
    dark: MasterDark | None = None,
    *,
    workspace: Workspace | None = None,
    lap: Lap = no_lap,
) -> Developed:
    """Make a picture of a raw frame, and measure it.

    Parameters
    ----------
    raw : RawFrame
        Is not changed.
    dark : MasterDark, optional
        Of the same camera, gain and binning.
    workspace : Workspace, optional
        Where large arrays live. With one, the picture is valid until the next call.

    Raises
    ------
    InputError
        If the frame is no frame that can be developed, or the dark does not fit to it.
    """
    work = workspace or Workspace()
    pixels = _checked(raw)
    image = settings.image
    # Whatever is saturated must be told before a dark makes it look as if it were not.
    untouched = measure.take_sample(pixels, raw.bayer, image.mask_radius)
    saturated = measure.saturated_fraction(untouched)
    calibrated, bias_adu = _calibrated(raw, pixels, settings, dark, work)
    lap("calibrate")
    sample = untouched if calibrated is pixels else measure.take_sample(calibrated, raw.bayer, image.mask_radius)
    mean = measure.mean_adu(sample, bias_adu)
    levels = measure.levels(sample)
    is_night = _is_night(raw, settings, mean)
    lap("measure")
    stars = len(find_stars(calibrated, mask_radius=image.mask_radius, is_mosaic=raw.bayer is not None)) if is_night else None
    lap("stars")
    curve = stretch.curve_for(levels, image, bias_adu=bias_adu, duration_s=raw.exposure.duration_s)
    plane = stretch.apply(calibrated, raw.bayer, stretch.tables(curve), work.array("plane", calibrated.shape, np.uint8))
    lap("stretch")
    if image.mask_darkens:
        blacken_outside(plane, image.mask_radius)
    plane, bayer = orient(
        plane,
        raw.bayer,
        flip_horizontal=image.flip_horizontal,
        flip_vertical=image.flip_vertical,
        turn_deg=int(image.rotation.value),
    )
    lap("orient")
    picture = debayer(plane, bayer, work.array("picture", (*plane.shape, 3), np.uint8))
    lap("debayer")
    brightness = _sky_brightness(calibrated, raw, settings, bias_adu) if is_night else None
    return Developed(picture, Measurement(mean, saturated, stars, brightness), is_night)


def finish(developed: Developed, raw: RawFrame, settings: Settings, *, lap: Lap = no_lap) -> Finished:
    """Write the label onto the picture and encode both sizes; the label changes `developed.picture`."""
    picture = developed.picture
    draw_label(picture, label_lines(raw, developed.measurement, settings), size=settings.image.label_size)
    lap("label")
    jpeg = codec.encode(picture, settings.image.jpeg_quality)
    lap("jpeg")
    thumb = codec.encode(codec.thumbnail(picture), settings.image.jpeg_quality)
    lap("thumbnail")
    height, width = picture.shape[:2]
    return Finished(jpeg, thumb, width, height)


def label_lines(raw: RawFrame, measurement: Measurement, settings: Settings) -> tuple[str, ...]:
    """Return the lines of a frame's label."""
    return fill(settings.image.label, _words(raw, measurement, settings.site))


def is_night_at(when: datetime, settings: Settings) -> bool | None:
    """Return whether the sun stands below the limit of night, or None where the site is not set."""
    site = settings.site
    if site.latitude_deg is None or site.longitude_deg is None:
        return None
    return sun_altitude_deg(when, site.latitude_deg, site.longitude_deg) < settings.night.sun_altitude_deg


def _is_night(raw: RawFrame, settings: Settings, mean_adu: float) -> bool:
    known = is_night_at(raw.started_at, settings)
    if known is not None:
        return known
    return raw.exposure.duration_s >= NIGHT_EXPOSURE_S and mean_adu <= NIGHT_MEAN_MAX * stretch.FULL


def _checked(raw: RawFrame) -> Pixels:
    """Return the pixels of whole 2 x 2 cells."""
    pixels = raw.pixels
    if raw.exposure.kind is not FrameKind.LIGHT:
        raise InputError(f"a {raw.exposure.kind} frame is not developed, only light frames are")
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise InputError(f"a raw frame has rows and columns of 16-bit numbers, not {pixels.dtype} {pixels.shape}")
    if min(pixels.shape) < SIDE_MIN:
        raise InputError(f"the frame has {pixels.shape[1]} x {pixels.shape[0]} pixels; {SIDE_MIN} is the least of a side")
    if raw.bayer is None:
        return pixels
    height, width = even(cast(tuple[int, int], pixels.shape))
    return pixels[:height, :width]


def _calibrated(
    raw: RawFrame, pixels: Pixels, settings: Settings, dark: MasterDark | None, work: Workspace
) -> tuple[Pixels, float]:
    """Return the frame without dark current, and the bias level that is still in it."""
    bias_adu = settings.image.bias_adu
    if dark is None:
        return pixels, float(bias_adu)
    if dark.pixels.shape != raw.pixels.shape:
        raise InputError(f"the dark is {_size(dark.pixels)} but the frame {_size(raw.pixels)}: take darks with the same binning")
    # A dark can only be scaled where it is known how much of it is the bias, which does not grow with time.
    scale = raw.exposure.duration_s / dark.duration_s if bias_adu and dark.duration_s else 1.0
    height, width = pixels.shape
    result = work.array("calibrated", pixels.shape, np.uint16)
    subtract_dark(pixels, dark.pixels[:height, :width], bias_adu=bias_adu, scale=scale if scale > 0 else 1.0, out=result)
    repair_hot(result, dark, is_mosaic=raw.bayer is not None)
    return result, 0.0


def _size(pixels: Pixels) -> str:
    return " x ".join(str(side) for side in reversed(pixels.shape))


def _sky_brightness(calibrated: Pixels, raw: RawFrame, settings: Settings, bias_adu: float) -> float | None:
    """Return mag/arcsec2 of the middle of the sky, where a zero point is set."""
    if settings.image.sqm_zero_point is None:
        return None
    middle = measure.take_sample(calibrated, raw.bayer, settings.image.mask_radius * ZENITH_RADIUS)
    return sqm.sky_brightness(
        sqm.background_adu(middle, bias_adu),
        duration_s=raw.exposure.duration_s,
        gain_factor=raw.gain_factor,
        pixel_scale_arcsec=settings.image.pixel_scale_arcsec,
        zero_point=settings.image.sqm_zero_point,
    )


def _words(raw: RawFrame, measurement: Measurement, site: Site) -> Mapping[str, str]:
    local = raw.started_at.astimezone(ZoneInfo(site.timezone))
    return {
        "site": site.name,
        "time": f"{local:%H:%M:%S}",
        "date": f"{local:%Y-%m-%d}",
        "exposure": duration_text(raw.exposure.duration_s),
        "gain": f"{round(raw.exposure.gain, 1):g}",
        "temperature": temperature_text(raw.sensor_temperature_c),
        "mean": f"{measurement.mean_adu / stretch.FULL:.1%}".replace("%", " %"),
        "stars": "" if measurement.stars is None else str(measurement.stars),
        "sqm": "" if measurement.sky_mag_arcsec2 is None else f"{measurement.sky_mag_arcsec2:.2f}",
    }
