"""The camera service: takes one frame after another, at the wanted pace, and never gives up.

Every exposure that is started ends as one frame in the mailbox or as one counted drop: it starts only while the mailbox
has room. A step waits about a second at most; a long exposure is many steps.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from appliance.camera.autoexposure import gain_factor, next_exposure, night_share
from appliance.camera.ladder import Ladder, Rung, Waiting
from appliance.camera.port import Camera, CameraLimits
from appliance.camera.report import CameraReport
from appliance.domain.clock import Clock
from appliance.domain.commands import CameraCommand, PauseCapture, ReconnectCamera, ResumeCapture
from appliance.domain.errors import CameraError, CameraLostError, FitsError
from appliance.domain.frame import CameraStatus, Exposure, Measurement, RawFrame
from appliance.domain.sky import sun_altitude_deg
from appliance.host.driverhost import DriverHost
from appliance.imaging import measure
from appliance.settings.schema import Settings, Transport
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

BAD_FRAMES_MAX = 5
"""After so many frames in a row that cannot be read, the camera is set up anew."""
BAD_FRAME_PAUSE_MAX_S = 10.0
"""The pause after one grows up to this: a driver that sends nothing else is not asked without end."""
_WAIT_S = 0.5
_FAR_OFF = 2.5
"""A factor between two exposures that no sky asks for by itself: only a start, a cap or a changed setting does."""
_HUNTING_PERIOD_S = 1.0
_ANOTHER_CAMERA = ("device", "driver", "transport", "remote_host", "remote_port")
"""Settings that name another camera; all others are read at the next exposure."""


class _Phase(Enum):
    PREPARING = auto()
    READY = auto()
    EXPOSING = auto()


class CameraService:
    """Makes raw frames."""

    def __init__(
        self,
        *,
        settings: Published[Settings],
        frames: Mailbox[RawFrame],
        status: Published[CameraStatus],
        commands: Mailbox[CameraCommand],
        board: HealthBoard,
        clock: Clock,
        make_camera: Callable[[Settings], Camera],
        drivers: DriverHost,
        beat: Beat,
    ) -> None:
        self._settings, self._frames, self._commands, self._clock = settings, frames, commands, clock
        self._make_camera, self._drivers, self._beat = make_camera, drivers, beat
        self._report = CameraReport(status, board, clock)
        self._camera: Camera | None = None
        self._camera_settings = settings.value.camera
        self._is_paused = self._report.is_paused  # a service that replaces a failed one stays paused
        self._phase, self._waiting, self._ladder, self._bad_frames = _Phase.PREPARING, Waiting(0.0), Ladder(), 0
        self._exposure: Exposure | None = None
        self._last: Exposure | None = None
        self._measured: Measurement | None = None
        self._started_at, self._lasts_s, self._read_out_s = 0.0, 0.0, 0.0
        self._rhythm_at: float | None = None
        self._not_before = 0.0
        self._overhead_s = 1.0
        self._is_hunting = False

    def open(self) -> None:
        """Start the INDI server where it is ours."""
        self._tell("starting")
        if self._is_local:
            self._drivers.start()
        self._enter(_Phase.PREPARING)

    def step(self) -> None:
        """Do the next small thing: connect, start an exposure, or wait for one."""
        self._beat()
        self._drivers.tend()
        self._follow_settings()
        match self._phase:
            case _Phase.PREPARING:
                self._prepare()
            case _Phase.READY:
                self._start_or_wait()
            case _Phase.EXPOSING:
                self._expect_frame()

    def close(self) -> None:
        """Stop what runs and give the connection back; the INDI server belongs to whoever made its host."""
        self._drop_exposure("the camera service ends")
        self._drop_camera()

    # Commands and settings

    def _wait(self, timeout: float) -> None:
        """Wait, and obey a command as soon as it comes."""
        match self._commands.take(timeout):
            case PauseCapture():
                self._is_paused = True
                log.info("capture paused")
            case ResumeCapture():
                self._is_paused = False
                log.info("capture resumed")
            case ReconnectCamera():
                self._climb("a person asked for a new connection", Rung.RESTART_SERVER)
            case None:
                pass

    def _follow_settings(self) -> None:
        old, new = self._camera_settings, self._settings.value.camera
        self._camera_settings = new
        if any(getattr(old, name) != getattr(new, name) for name in _ANOTHER_CAMERA):
            self._drop_exposure("another camera was chosen")
            self._drop_camera()
            self._ladder, self._last, self._measured = Ladder(), None, None
            if self._is_local:
                self._drivers.start()
            self._enter(_Phase.PREPARING)

    @property
    def _is_local(self) -> bool:
        return self._camera_settings.transport is Transport.LOCAL

    @property
    def _period_s(self) -> float:
        """Seconds from start to start; hardly any while the right exposure is still far off, as after a start."""
        period_s = self._settings.value.camera.period_s / self._clock.rate
        return min(period_s, _HUNTING_PERIOD_S) if self._is_hunting else period_s

    # Connecting, and what to try when that fails

    def _prepare(self) -> None:
        if self._camera is None:
            self._camera = self._make_camera(self._settings.value)
        reason = self._camera.prepare(_WAIT_S)
        if reason is None:
            self._enter(_Phase.READY)
            return
        self._tell("paused" if self._is_paused else "starting", reason)
        now = self._clock.monotonic()
        self._waiting = self._waiting.on(reason, now)
        if self._is_local and not self._drivers.is_running:
            self._climb("the INDI server has ended", Rung.RESTART_SERVER)
        elif now - self._waiting.since_s > self._ladder.patience_s:
            self._climb(reason, Rung.RECONNECT)
        self._wait(0)

    def _climb(self, reason: str, at_least: Rung = Rung.ABORT) -> None:
        """Try the next thing that may bring the camera back."""
        self._drop_exposure(reason)
        self._ladder = self._ladder.up(at_least)
        rung = self._ladder.rung
        has_driver = not self._is_local or bool(self._drivers.drivers)
        following = rung.name.lower().replace("_", " ") if rung is not None and has_driver else "wait"
        log.warning("camera: %s; next: %s", reason, following)
        if rung is not Rung.ABORT:
            self._report.absent(reason, self._settings.value.camera, has_driver=has_driver)
            self._drop_camera()
            if self._is_local:
                self._restart(rung)
        self._enter(_Phase.PREPARING)

    def _restart(self, rung: Rung | None) -> None:
        """Start anew what the rung says; a server that runs and has no driver to run is left alone."""
        try:
            if not self._drivers.is_running or (rung is Rung.RESTART_SERVER and self._drivers.drivers):
                self._drivers.restart()
            elif rung is Rung.RESTART_DRIVER:
                for name in self._drivers.drivers:
                    self._drivers.stop_driver(name)
                    self._drivers.start_driver(name)
        except CameraError as error:
            log.warning("camera: %s", error)

    def _drop_camera(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    # Exposing

    def _start_or_wait(self) -> None:
        due = self._not_before if self._rhythm_at is None else max(self._rhythm_at + self._period_s, self._not_before)
        remaining = due - self._clock.monotonic()
        if self._is_paused:
            self._tell("paused", "paused")
            self._idle(1.0)
        elif remaining > 0:
            self._tell("waiting", "waiting for the next frame", remaining + self._lasts_s + self._overhead_s)
            self._idle(min(remaining, 1.0))
        elif not self._frames.has_room:
            self._tell("waiting", "waiting until the last frames are developed", self._lasts_s + self._overhead_s)
            self._idle(0.1)
        else:
            self._start()

    def _idle(self, timeout: float) -> None:
        """Wait, and notice when the connection is lost meanwhile."""
        self._wait(timeout)
        if self._phase is _Phase.READY and (self._camera is None or self._camera.prepare(0.0) is not None):
            self._enter(_Phase.PREPARING)

    def _start(self) -> None:
        if self._camera is None:
            self._enter(_Phase.PREPARING)
            return
        description = self._camera.describe()
        self._exposure = next_exposure(
            self._settings.value.camera, self._night_share(), self._last, self._measured, description.limits
        )
        self._lasts_s = self._exposure.duration_s / (self._clock.rate if description.follows_clock else 1.0)
        self._read_out_s = description.read_out_s
        self._started_at = self._clock.monotonic()
        self._keep_rhythm(self._started_at)
        self._report.count(started=1)
        try:
            self._camera.start(self._exposure)
        except CameraError as error:
            self._climb(str(error), Rung.RECONNECT)
            return
        self._enter(_Phase.EXPOSING)
        self._tell("exposing", "exposing", self._lasts_s + self._overhead_s)

    def _keep_rhythm(self, now: float) -> None:
        """Remember where the period began: a start that is a little late keeps the beat, a very late one sets it anew."""
        due = None if self._rhythm_at is None else self._rhythm_at + self._period_s
        self._rhythm_at = due if due is not None and now - due < self._period_s else now

    def _night_share(self) -> float:
        settings = self._settings.value
        latitude_deg, longitude_deg = settings.site.latitude_deg, settings.site.longitude_deg
        altitude_deg = None
        if latitude_deg is not None and longitude_deg is not None:
            altitude_deg = sun_altitude_deg(self._clock.now(), latitude_deg, longitude_deg)
        return night_share(altitude_deg, settings.night.sun_altitude_deg, self._last, settings.camera.duration_max_s)

    def _expect_frame(self) -> None:
        if self._camera is None:
            self._enter(_Phase.PREPARING)
            return
        remaining = self._started_at + self._lasts_s + self._read_out_s - self._clock.monotonic()
        try:
            frame = self._camera.poll(min(1.0, max(0.05, remaining)))
        except FitsError as error:
            self._refuse(str(error))
        except CameraLostError as error:
            self._climb(str(error), Rung.RECONNECT)
        except CameraError as error:
            self._climb(str(error))
        else:
            if frame is not None:
                self._take(frame)
            elif remaining <= 0:
                self._overdue()
        self._wait(0)

    def _take(self, frame: RawFrame) -> None:
        """Hand a good frame on, and measure it: this very frame, so that the next exposure answers to no older one."""
        image = self._settings.value.image
        sample = measure.take_sample(frame.pixels, frame.bayer, image.mask_radius)
        self._measured = Measurement(measure.mean_adu(sample, image.bias_adu), measure.saturated_fraction(sample))
        self._last, self._exposure = frame.exposure, None
        self._is_hunting = self._is_far_off(frame.exposure)
        late_s = max(0.0, self._clock.monotonic() - self._started_at - self._lasts_s)
        self._overhead_s += 0.3 * (late_s - self._overhead_s)
        self._ladder, self._bad_frames = Ladder(), 0
        self._frames.put(replace(frame, gain_factor=self._gain_factor(frame.exposure.gain)))
        self._report.count(received=1)
        self._report.well()
        self._enter(_Phase.READY)

    def _gain_factor(self, gain: float) -> float:
        """Return how much a gain amplifies against the camera's lowest."""
        limits = self._camera.describe().limits if self._camera else CameraLimits()
        return gain_factor(gain, limits.gain_unit, limits.gain_min)

    def _is_far_off(self, last: Exposure) -> bool:
        """Return whether the next exposure will be quite another than the last."""
        if self._camera is None:
            return False
        limits = self._camera.describe().limits
        wanted = next_exposure(self._settings.value.camera, self._night_share(), last, self._measured, limits)
        return not 1 / _FAR_OFF < wanted.duration_s / last.duration_s < _FAR_OFF

    def _refuse(self, reason: str) -> None:
        """Drop what is no frame, say so, and go on."""
        self._exposure = None
        self._report.count(dropped=1)
        self._report.bad_frame(reason)
        log.warning("frame refused: %s", reason)
        self._bad_frames += 1
        self._not_before = self._clock.monotonic() + min(_WAIT_S * self._bad_frames, BAD_FRAME_PAUSE_MAX_S)
        if self._bad_frames % BAD_FRAMES_MAX == 0:
            self._climb(f"{self._bad_frames} frames in a row could not be read", Rung.RECONNECT)
        else:
            self._enter(_Phase.READY)

    def _overdue(self) -> None:
        """Abort an exposure that does not end; a driver that does not even answer to that needs more."""
        self._report.hung()
        is_confirmed = False
        if self._ladder.climbed == 0 and self._camera is not None:
            try:
                is_confirmed = self._camera.abort(1.0)
            except CameraError as error:
                log.warning("camera: %s", error)
        self._climb("the exposure did not end", Rung.ABORT if is_confirmed else Rung.RECONNECT)

    def _drop_exposure(self, reason: str) -> None:
        """Count an exposure that brings no frame, and stop it if it may still run."""
        if self._exposure is None:
            return
        self._exposure = None
        self._report.count(dropped=1)
        log.info("exposure dropped: %s", reason)
        if self._camera is not None:
            try:
                self._camera.abort(0.2)
            except CameraError as error:
                log.debug("abort: %s", error)

    def _enter(self, phase: _Phase) -> None:
        self._phase, self._waiting = phase, Waiting(self._clock.monotonic())

    def _tell(self, state: str, message: str = "starting", expected_in_s: float | None = None) -> None:
        description = self._camera.describe() if self._camera else None
        exposure = self._exposure or self._last
        self._report.tell(state, message, description=description, exposure=exposure, expected_in_s=expected_in_s)
