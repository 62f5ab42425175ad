"""SERVICE: lets the machine go only when the running frame is stored, whoever asked it to go.

It holds a delay inhibitor of logind from its start. An order of the panel is carried out once nothing is on its way any
more; when somebody else has asked (a power button, `systemctl reboot`), the inhibitor is given back at that moment.
"""

import logging
from dataclasses import replace
from typing import Protocol

from appliance.domain.clock import Clock
from appliance.domain.commands import CameraCommand, PauseCapture, PowerCommand, Reboot, ResumeCapture
from appliance.domain.errors import MachineError, UnavailableError
from appliance.domain.frame import CameraStatus, RawFrame
from appliance.domain.health import Severity
from appliance.domain.power import PowerPhase, PowerState
from appliance.housekeeping.every import Every
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat

log = logging.getLogger(__name__)

WHY = "storing the running frame"
MARGIN_S = 30.0
"""For reading the frame out and storing it, beyond the exposure itself."""
GONE_AFTER_S = 120.0
"""A machine that still runs so long after it was let go is not going."""
HOLD_AGAIN_EVERY_S = 10.0
TOLD_FOR_S = 3600.0
"""How long is said why the machine is still here."""
_WAIT_S = 0.25
_REFUSED, _UNHELD = "power.refused", "power.inhibit"


class Inhibitor(Protocol):
    """A lock of logind's: the machine does not go while somebody holds it."""

    def close(self) -> None:
        """Give it back."""
        ...


class ShutdownWatch(Protocol):
    """What logind says of a shutdown, as it comes."""

    def take(self, timeout_s: float, /) -> object:
        """Return True when the machine is about to go, False when that was called off, None when nothing was said.

        Anything else: the connection to the bus was made anew, and what was said meanwhile is lost.
        """
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class Power(Protocol):
    """The machine's power (login1), as `host/power.py` gives it; every method may raise MachineError."""

    def power_off(self) -> None:
        """Switch off."""
        ...

    def reboot(self) -> None:
        """Start anew."""
        ...

    def inhibit(self, why: str, /) -> Inhibitor:
        """Delay every shutdown until the lock is given back."""
        ...

    def watch_shutdown(self) -> ShutdownWatch:
        """Listen for a shutdown."""
        ...


class ShutdownService:
    """Waits for the camera and the pipeline, then lets the machine go; what is refused lets capture go on.

    Parameters
    ----------
    frames : Mailbox of RawFrame
        Between camera and pipeline: what it dropped, nobody has to wait for.
    developed : Published of int
        How many raw frames the pipeline has brought to an end.
    """

    def __init__(
        self,
        *,
        power: Power,
        commands: Mailbox[PowerCommand],
        state: Published[PowerState],
        camera: Published[CameraStatus],
        camera_commands: Mailbox[CameraCommand],
        frames: Mailbox[RawFrame],
        developed: Published[int],
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
    ) -> None:
        self._power, self._commands, self._state = power, commands, state
        self._camera, self._camera_commands = camera, camera_commands
        self._frames, self._developed = frames, developed
        self._board, self._clock, self._beat = board, clock, beat
        self._inhibitor: Inhibitor | None = None
        self._watch: ShutdownWatch | None = None
        self._hold_due = Every(HOLD_AGAIN_EVERY_S)
        self._order: PowerCommand | None = None
        self._deadline_s = self._told_until_s = 0.0
        self._was_paused = False

    def open(self) -> None:
        """Listen for a shutdown, and delay it from now on."""
        self._watch = self._power.watch_shutdown()
        self._tell(PowerPhase.RUNNING)
        self._hold()

    def step(self) -> None:
        """Take an order or a signal, and go on with what has begun; about half a second."""
        self._beat()
        order = self._commands.take(_WAIT_S)
        if order is not None:
            self._obey(order)
        self._listen()
        match self._state.value.phase:
            case PowerPhase.RUNNING:
                self._rest()
            case PowerPhase.STORING:
                self._store()
            case PowerPhase.GOING:
                if self._clock.monotonic() > self._deadline_s:
                    self._stay(f"{_what(self._order)} was asked for, and the machine still runs")

    def close(self) -> None:
        """Let the machine go when it wants to, and listen no more."""
        self._let_go()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    # What is asked

    def _obey(self, order: PowerCommand) -> None:
        if self._state.value.phase is PowerPhase.GOING:
            return
        log.info("power: ordered: %s", _what(order))
        self._board.clear_issue(_REFUSED)
        self._order = order
        self._wait_for_frame()

    def _listen(self) -> None:
        """Take what logind says."""
        said = self._watch.take(_WAIT_S) if self._watch is not None else None
        phase = self._state.value.phase
        if said is None:
            return
        if said is True and phase is not PowerPhase.GOING:
            log.info("power: the machine is about to go")
            self._order = None  # it goes by itself: a second order would be refused
            self._wait_for_frame()
        elif said is False and phase is not PowerPhase.RUNNING:
            self._go_on("The shutdown was called off.")
        elif said not in (True, False) and phase is not PowerPhase.GOING:
            self._hold()

    def _rest(self) -> None:
        if self._inhibitor is None and self._hold_due.is_due(self._clock.monotonic()):
            self._hold()
        if self._state.value.message and self._clock.monotonic() > self._told_until_s:
            self._board.clear_issue(_REFUSED)
            self._tell(PowerPhase.RUNNING)

    # The running frame

    def _wait_for_frame(self) -> None:
        """Stop capture after the running exposure, and set how long that may take."""
        status, is_waiting = self._camera.value, self._state.value.phase is PowerPhase.STORING
        if not is_waiting:
            self._was_paused = status.state == "paused"
            longest_s = (status.exposure.duration_s if status.exposure else 0.0) + MARGIN_S
            self._deadline_s = self._clock.monotonic() + longest_s
            self._camera_commands.put(PauseCapture())
        left_s = max(0.0, self._deadline_s - self._clock.monotonic())
        self._tell(PowerPhase.STORING, f"The running frame is stored first. That takes {left_s:.0f} s at most.")

    def _store(self) -> None:
        is_late = self._clock.monotonic() > self._deadline_s
        if not self._is_stored() and not is_late:
            return
        if is_late:
            log.warning("power: the running frame was not stored in time")
        self._go()

    def _is_stored(self) -> bool:
        """Return whether the camera rests and the pipeline has brought everything that came from it to an end."""
        status = self._camera.value
        on_the_way = status.received - self._frames.dropped - self._developed.value
        return status.state == "paused" and on_the_way <= 0

    # Going and staying

    def _go(self) -> None:
        try:
            match self._order:
                case None:
                    pass
                case Reboot():
                    self._power.reboot()
                case _:
                    self._power.power_off()
        except MachineError as error:
            self._stay(str(error))
            return
        log.info("power: everything is stored, the machine may go")
        self._deadline_s = self._clock.monotonic() + GONE_AFTER_S
        self._tell(PowerPhase.GOING, "Everything is stored.")
        self._let_go()

    def _stay(self, reason: str) -> None:
        """Say why the machine is still here, and go on."""
        done = "restarted" if isinstance(self._order, Reboot) else "switched off"
        message = f"The machine was not {done}: {reason}."
        log.warning("power: %s", reason)
        self._board.raise_issue(
            _REFUSED, Severity.WARNING, message, "Capture goes on. Pulling the plug does no harm: what is stored is safe."
        )
        self._go_on(message)

    def _go_on(self, message: str) -> None:
        """Take frames again, unless they were paused before, and delay the next shutdown."""
        if not self._was_paused:
            self._camera_commands.put(ResumeCapture())
        self._told_until_s = self._clock.monotonic() + TOLD_FOR_S
        self._tell(PowerPhase.RUNNING, message)
        self._hold()

    def _hold(self) -> None:
        """Take the inhibitor, or a fresh one: the old one is given back after that."""
        old = self._inhibitor
        try:
            self._inhibitor = self._power.inhibit(WHY)
        except UnavailableError as error:
            self._inhibitor = None
            self._say_unavailable(str(error))
        except MachineError as error:
            self._inhibitor = None
            self._say_unavailable("")
            self._board.raise_issue(
                _UNHELD, Severity.WARNING, f"A shutdown cannot be delayed: {error}",
                "The frame that is being taken may be lost when somebody else switches the machine off.",
            )  # fmt: skip
        else:
            self._say_unavailable("")
            self._board.clear_issue(_UNHELD)
        if old is not None:
            old.close()

    def _let_go(self) -> None:
        inhibitor, self._inhibitor = self._inhibitor, None
        if inhibitor is not None:
            inhibitor.close()

    def _tell(self, phase: PowerPhase, message: str = "") -> None:
        self._state.publish(PowerState(phase, self._order, message, self._state.value.unavailable))

    def _say_unavailable(self, reason: str) -> None:
        if self._state.value.unavailable != reason:
            self._state.publish(replace(self._state.value, unavailable=reason))


def _what(order: PowerCommand | None) -> str:
    match order:
        case Reboot():
            return "a restart"
        case None:
            return "a shutdown by somebody else"
        case _:
            return "switching off"
