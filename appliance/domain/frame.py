"""Frames: what is asked of a camera, what it reads out, what is measured, what is stored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from appliance.domain.night import NightId

Pixels = npt.NDArray[np.uint16]
"""(H, W) raw ADU."""
Picture = npt.NDArray[np.uint8]
"""(H, W, 3) what a person looks at, in OpenCV's order blue, green, red."""


class FrameKind(StrEnum):
    """What a frame is taken for (FITS IMAGETYP)."""

    LIGHT = "light"
    DARK = "dark"
    BIAS = "bias"
    FLAT = "flat"


class BayerPattern(StrEnum):
    """Colours of the top-left 2 x 2 pixels, row by row, with row 0 at the top of the picture."""

    RGGB = "RGGB"
    BGGR = "BGGR"
    GRBG = "GRBG"
    GBRG = "GBRG"


@dataclass(frozen=True, slots=True)
class Exposure:
    """A request to the camera."""

    kind: FrameKind
    duration_s: float
    gain: float
    """In the driver's own units: 0.1 dB for ZWO, a factor for libcamera."""
    binning: int = 1
    offset_adu: int | None = None
    """The driver's constant offset, or None to leave it as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class RawFrame:
    """One read-out of the sensor."""

    pixels: Pixels
    """(H, W) uint16 ADU, read-only; 8-bit cameras are scaled by 257 to the full range. Row 0 is the top."""
    exposure: Exposure
    started_at: datetime
    """Aware, UTC."""
    bayer: BayerPattern | None
    sensor_temperature_c: float | None = None
    gain_factor: float = 1.0
    """What the gain multiplies the signal with, against the camera's lowest; 1 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Numbers of one raw frame, after calibration and before any stretch."""

    mean_adu: float
    """Mean inside the mask, on the 16-bit scale, the bias level subtracted."""
    saturated_fraction: float
    """Share of pixels at or near full scale, 0 to 1."""
    stars: int | None = None
    sky_mag_arcsec2: float | None = None


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame as the store keeps it: its numbers and the names of its files, relative to the data folder."""

    id: int
    night: NightId
    exposure: Exposure
    started_at: datetime
    width: int
    height: int
    measurement: Measurement
    picture_name: str
    thumb_name: str
    picture_bytes: int
    sensor_temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """What the camera service is doing, for the panel."""

    state: str
    """One of: starting, exposing, waiting, paused, absent."""
    device: str | None = None
    message: str = ""
    exposure: Exposure | None = None
    next_expected_at: datetime | None = None
    """When the next picture should stand in the panel, UTC."""
    started: int = 0
    received: int = 0
    dropped: int = 0
    devices: tuple[str, ...] = ()
    """Names of every camera that the INDI server offers."""
