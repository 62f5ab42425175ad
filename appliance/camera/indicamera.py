"""A camera behind an INDI server: chooses the device, sets it up in its own dialect, exposes, and decodes what comes."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

import numpy as np

from appliance.camera.dialects import STANDARD, Dialect, Element, dialect_of
from appliance.camera.indi import Blob, IndiConnection, Number, Property, State
from appliance.camera.port import CameraDescription, CameraLimits, GainUnit
from appliance.domain.clock import Clock
from appliance.domain.errors import CameraError, CameraLostError, FitsError
from appliance.domain.frame import Exposure, FrameKind, Pixels, RawFrame
from appliance.imaging import fits

log = logging.getLogger(__name__)

SETTLED_S = 0.4
"""A driver has defined its properties when none has come for so long."""
CONNECT_AGAIN_S = 10.0
CLOSED_S = 1.0
"""How long a driver may take to close an exposure whose frame it has sent."""
POLLING_MS = 100
"""Many drivers look after a running exposure only so often; their own 1,000 ms would cost a second a frame."""
MESSAGES_MAX = 5_000
"""libindi keeps every message of a driver for ever; after so many, about a megabyte, the connection is made anew."""
_FRAME_TYPES = {
    FrameKind.LIGHT: "FRAME_LIGHT", FrameKind.DARK: "FRAME_DARK", FrameKind.BIAS: "FRAME_BIAS", FrameKind.FLAT: "FRAME_FLAT",
}  # fmt: skip
_SET_UP = (
    Element("CCD_VIDEO_STREAM", "STREAM_OFF"),
    Element("CCD_FAST_TOGGLE", "INDI_DISABLED"),
    Element("UPLOAD_MODE", "UPLOAD_CLIENT"),
    Element("CCD_TRANSFER_FORMAT", "FORMAT_FITS"),
    Element("CCD_COMPRESSION", "INDI_DISABLED"),
    Element("CCD_COMPRESSION", "CCD_RAW"),
)
"""What every frame needs, where the driver has it: single frames, sent to us alone, as plain FITS."""

Address = tuple[str, int]
"""Host and port as `setServer` takes them; a host of the form `localhost:NAME` is an abstract UNIX socket."""


class IndiCamera:
    """One camera, found at `address` when it is prepared."""

    def __init__(self, address: Callable[[], Address], device: str, clock: Clock) -> None:
        self._address, self._wanted, self._clock = address, device, clock
        self._connection: IndiConnection | None = None
        self._device: str | None = None
        self._dialect = STANDARD
        self._is_ready = False
        self._asked_at, self._changed_at, self._revision = 0.0, 0.0, -1
        self._exposing: tuple[Exposure, datetime] | None = None
        self._before: Property | None = None

    def prepare(self, timeout: float) -> str | None:
        """Go on with connecting; return what is waited for, or None when exposures can start."""
        if self._connection is not None and (self._connection.is_lost or self._connection.messages > MESSAGES_MAX):
            self.close()
        if self._connection is None:
            return self._connect(timeout)
        if self._is_ready:
            return None
        self._wait_for_change(timeout)
        device = self._choose(self._connection)
        if device is None:
            return f"waiting for {self._wanted}" if self._wanted else "waiting for a camera"
        self._device = device
        self._dialect = dialect_of(self._connection.cameras().get(device, ""), device)
        if not self._is_switched_on(self._connection, device):
            return f"connecting {device}"
        self._set_up(self._connection, device)
        return None

    def describe(self) -> CameraDescription:
        """Return what the driver has told so far."""
        devices = tuple(sorted(self._connection.cameras())) if self._connection else ()
        return CameraDescription(self._device, devices, self._limits(), self._dialect.read_out_s, self._dialect.follows_clock)

    def start(self, exposure: Exposure) -> None:
        """Send what has changed, then the exposure itself."""
        connection, device = self._ready()
        self._await_idle(connection, device)
        connection.blobs.clear()
        self._choose_switch(connection, device, Element("CCD_FRAME_TYPE", _FRAME_TYPES[exposure.kind]))
        self._set(connection, device, Element("CCD_BINNING", "HOR_BIN"), exposure.binning)
        self._set(connection, device, Element("CCD_BINNING", "VER_BIN"), exposure.binning)
        self._set_gain(connection, device, exposure.gain)
        if exposure.offset_adu is not None and self._dialect.offset is not None:
            self._set(connection, device, self._dialect.offset, exposure.offset_adu)
        self._exposing, self._before = (exposure, self._clock.now()), connection.get(device, "CCD_EXPOSURE")
        if not connection.set_numbers(device, "CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": exposure.duration_s}):
            raise CameraLostError(f"{device} has gone")

    def poll(self, timeout: float) -> RawFrame | None:
        """Return the frame if it has come."""
        connection, device = self._ready()
        if self._exposing is None:
            raise ValueError("poll without an exposure")
        blob = connection.blobs.take(timeout)
        if blob is not None and blob.device == device:
            exposing, self._exposing = self._exposing, None
            return self._decode(blob, *exposing)
        if connection.is_lost:
            raise CameraLostError(f"the INDI server at {connection.address} has gone")
        answer = connection.get(device, "CCD_EXPOSURE")
        if answer is None:
            raise CameraLostError(f"{device} has gone")
        if answer.state == State.ALERT and answer is not self._before:
            self._exposing = None
            raise CameraError(f"{device} says that the exposure failed")
        return None

    def abort(self, timeout: float) -> bool:
        """Stop the exposure; a driver that hangs does not answer."""
        connection, device = self._ready()
        self._exposing = None
        if not connection.set_switch(device, "CCD_ABORT_EXPOSURE", "ABORT"):
            return False
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not connection.is_lost:
            copy = connection.get(device, "CCD_ABORT_EXPOSURE")
            if (
                copy is not None
                and copy.state in (State.OK, State.IDLE)
                and self._exposure_state(connection, device) != State.BUSY
            ):
                return True
            self._wait_for_change(min(0.2, timeout))
        return False

    def close(self) -> None:
        """Give the connection back; the device stays switched on, so that the next connection is quick."""
        connection, self._connection = self._connection, None
        self._is_ready, self._device, self._exposing = False, None, None
        if connection is not None:
            connection.close()

    def _connect(self, timeout: float) -> str:
        host, port = self._address()
        connection = IndiConnection(host, port)
        if connection.connect():
            self._connection, self._asked_at, self._revision = connection, 0.0, -1
            return "asking the INDI server for its cameras"
        connection.close()
        time.sleep(min(timeout, 0.5))
        return f"waiting for the INDI server at {connection.address}"

    def _choose(self, connection: IndiConnection) -> str | None:
        cameras = connection.cameras()
        if self._wanted:
            return self._wanted if connection.get(self._wanted, "CONNECTION") is not None else None
        return next(iter(cameras), None)

    def _is_switched_on(self, connection: IndiConnection, device: str) -> bool:
        """Switch the device on, and tell whether all that is needed has been defined and no more comes."""
        switch = connection.get(device, "CONNECTION")
        if switch is not None and not _is_on(switch.switches, "CONNECT"):
            if time.monotonic() - self._asked_at > CONNECT_AGAIN_S:
                self._asked_at = time.monotonic()
                connection.set_switch(device, "CONNECTION", "CONNECT")
            return False
        has_all = all(connection.get(device, name) is not None for name in ("CCD_EXPOSURE", "CCD1"))
        return has_all and time.monotonic() - self._changed_at > SETTLED_S

    def _set_up(self, connection: IndiConnection, device: str) -> None:
        connection.receive_blobs(device)
        for element in (*_SET_UP, *self._dialect.formats):
            self._choose_switch(connection, device, element)
        connection.set_switch(device, "CCD_FRAME_RESET", "RESET")
        self._set(connection, device, Element("POLLING_PERIOD", "PERIOD_MS"), POLLING_MS)
        self._is_ready = True
        log.info("camera ready: %s, dialect %s, at %s", device, self._dialect.name, connection.address)

    def _ready(self) -> tuple[IndiConnection, str]:
        if self._connection is None or self._device is None or not self._is_ready:
            raise CameraLostError("no camera is connected")
        return self._connection, self._device

    def _wait_for_change(self, timeout: float) -> None:
        if self._connection is None:
            return
        _, revision = self._connection.changes.wait(self._revision, timeout)
        if revision != self._revision:
            self._revision, self._changed_at = revision, time.monotonic()

    def _await_idle(self, connection: IndiConnection, device: str) -> None:
        """Wait until the driver has closed the last exposure.

        libindi sends the frame first and sets CCD_EXPOSURE to Ok afterwards, from a thread of its own
        (`CCD::ExposureCompletePrivate`): an exposure that is started between the two is lost.
        """
        deadline = time.monotonic() + CLOSED_S
        while self._exposure_state(connection, device) == State.BUSY and time.monotonic() < deadline:
            self._wait_for_change(0.1)

    def _choose_switch(self, connection: IndiConnection, device: str, element: Element) -> None:
        copy = connection.get(device, element.property)
        if copy is not None and not _is_on(copy.switches, element.element):
            connection.set_switch(device, element.property, element.element)

    def _set(self, connection: IndiConnection, device: str, element: Element, value: float) -> None:
        """Send a number where the driver has it and it differs, within the driver's own bounds."""
        number = _number(connection, device, element)
        if number is None:
            return
        value = min(max(value, number.minimum), number.maximum) if number.maximum > number.minimum else value
        if value != number.value:
            connection.set_numbers(device, element.property, {element.element: value})

    def _set_gain(self, connection: IndiConnection, device: str, gain: float) -> None:
        if self._dialect.gain is not None:
            self._set(connection, device, self._dialect.gain, gain)
        elif self._dialect.iso is not None:
            copy = connection.get(device, self._dialect.iso)
            steps = {name: float(c.label) for name, c in copy.switches.items() if c.label.isdecimal()} if copy else {}
            if steps:
                nearest = min(steps, key=lambda name: abs(steps[name] - gain))
                self._choose_switch(connection, device, Element(self._dialect.iso, nearest))

    def _limits(self) -> CameraLimits:
        if self._connection is None or self._device is None:
            return CameraLimits()
        duration = _number(self._connection, self._device, Element("CCD_EXPOSURE", "CCD_EXPOSURE_VALUE"))
        binning = _number(self._connection, self._device, Element("CCD_BINNING", "HOR_BIN"))
        gain_min, gain_max = self._gain_bounds(self._connection, self._device)
        limits = CameraLimits(gain_min=gain_min, gain_max=gain_max, gain_unit=self._dialect.gain_unit)
        return CameraLimits(
            duration_min_s=max(0.0, duration.minimum) if duration else limits.duration_min_s,
            duration_max_s=duration.maximum if duration and duration.maximum > 0 else limits.duration_max_s,
            gain_min=gain_min,
            gain_max=gain_max,
            binning_max=max(1, int(binning.maximum)) if binning else 1,
            gain_unit=self._dialect.gain_unit if gain_max > gain_min else GainUnit.NONE,
        )

    def _gain_bounds(self, connection: IndiConnection, device: str) -> tuple[float, float]:
        if self._dialect.iso is not None:
            copy = connection.get(device, self._dialect.iso)
            steps = [float(c.label) for c in copy.switches.values() if c.label.isdecimal()] if copy else []
            return (min(steps), max(steps)) if steps else (0.0, 0.0)
        number = _number(connection, device, self._dialect.gain) if self._dialect.gain is not None else None
        return (number.minimum, number.maximum) if number is not None else (0.0, 0.0)

    @staticmethod
    def _exposure_state(connection: IndiConnection, device: str) -> State | None:
        copy = connection.get(device, "CCD_EXPOSURE")
        return None if copy is None else copy.state

    def _decode(self, blob: Blob, exposure: Exposure, started_at: datetime) -> RawFrame:
        """Return the frame that the bytes hold; they are trusted in nothing."""
        if blob.fault:
            raise FitsError(blob.fault)
        if blob.format not in (".fits", ".fit", ".fts"):
            raise FitsError(f"the driver sent {blob.format[:12]!r}, not FITS")
        frame = fits.decode(blob.untrusted)
        self._check_size(frame.pixels)
        pixels = _full_range(frame.pixels, self._dialect)
        return RawFrame(pixels, exposure, started_at, frame.bayer, frame.temperature_c)

    def _check_size(self, pixels: Pixels) -> None:
        """Refuse a frame that is larger than the announced sensor, or much smaller than the announced frame."""
        connection, device = self._ready()
        height, width = pixels.shape
        for axis, name, size in (("CCD_MAX_X", "WIDTH", width), ("CCD_MAX_Y", "HEIGHT", height)):
            sensor = _number(connection, device, Element("CCD_INFO", axis))
            frame = _number(connection, device, Element("CCD_FRAME", name))
            binning = _number(connection, device, Element("CCD_BINNING", "HOR_BIN"))
            if sensor is not None and 0 < sensor.value < size:
                raise FitsError(f"{width} x {height} pixels, but the sensor has {axis} {sensor.value:.0f}")
            if (
                frame is not None
                and frame.value > 0
                and size < 0.9 * frame.value / (max(1.0, binning.value) if binning else 1) - 8
            ):
                raise FitsError(f"{width} x {height} pixels, but the driver announced {name} {frame.value:.0f}")


def _full_range(pixels: Pixels, dialect: Dialect) -> Pixels:
    """Shift pixels up to the full 16 bit where the driver leaves them at the low end."""
    shift = 16 - dialect.bits
    if shift == 0 or int(pixels.max()) >> dialect.bits:
        return pixels
    shifted = np.left_shift(pixels, shift)
    shifted.setflags(write=False)
    return shifted


def _is_on(switches: object, element: str) -> bool:
    choice = switches.get(element) if isinstance(switches, dict) else None
    return choice is not None and choice.is_on


def _number(connection: IndiConnection, device: str, element: Element) -> Number | None:
    copy = connection.get(device, element.property)
    return None if copy is None else copy.numbers.get(element.element)
