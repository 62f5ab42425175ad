"""What the camera service asks of a camera; `indicamera.py` is the one that answers."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from appliance.domain.frame import Exposure, RawFrame


class GainUnit(StrEnum):
    """What a driver's gain means, so that exposure time and gain can stand in for one another."""

    DECIBEL_TENTHS = "0.1 dB"
    """Every 200 units multiply the signal by ten (ZWO, Player One)."""
    FACTOR = "factor"
    """The signal grows as the number does (libcamera, ISO values)."""
    NONE = "none"
    """There is no gain, or nobody knows what it does: it is set once and never used to follow the sky."""


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """What the driver says it can do."""

    duration_min_s: float = 0.0
    duration_max_s: float = math.inf
    gain_min: float = 0.0
    gain_max: float = math.inf
    binning_max: int = 1
    gain_unit: GainUnit = GainUnit.DECIBEL_TENTHS


@dataclass(frozen=True, slots=True)
class CameraDescription:
    """Which camera it is and what it can do."""

    device: str | None
    """Name of the INDI device, None until one is found."""
    devices: tuple[str, ...]
    """Every camera that the server offers."""
    limits: CameraLimits
    read_out_s: float
    """How long after the end of an exposure its frame may reasonably take."""
    follows_clock: bool
    """Whether its exposures are as short as the accelerated clock says."""


class Camera(Protocol):
    """One camera behind one connection."""

    def prepare(self, timeout: float) -> str | None:
        """Go on with connecting, for at most about `timeout` seconds.

        Returns
        -------
        str or None
            None once exposures can start; else, in plain words, what is being waited for.

        Raises
        ------
        CameraError
            If it cannot go on from here.
        """
        ...

    def describe(self) -> CameraDescription:
        """Return what is known of the camera."""
        ...

    def start(self, exposure: Exposure) -> None:
        """Start an exposure; raises CameraError."""
        ...

    def poll(self, timeout: float) -> RawFrame | None:
        """Return the frame of the exposure, or None if it has not come within `timeout` seconds.

        Raises
        ------
        FitsError
            If something came that is no frame. The exposure is over.
        CameraLostError
            If the connection is gone.
        CameraError
            If the driver says that the exposure failed. The exposure is over.
        """
        ...

    def abort(self, timeout: float) -> bool:
        """Stop the exposure and tell whether the driver confirmed it within `timeout` seconds."""
        ...

    def close(self) -> None:
        """Give the connection back; does not raise."""
        ...
