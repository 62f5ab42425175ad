"""The machine's power (logind): switching off, starting anew, and delaying either until a lock is given back."""

import os

from appliance.domain.errors import MachineError
from appliance.host.bus import RESYNC, Bus, Resync, Watch

SERVICE, PATH, MANAGER = "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"
WHO = "nightjar"
"""Who holds the lock, as `systemd-inhibit --list` shows it."""
_ASK_S = 2.0
"""For what is asked while somebody listens."""


class Inhibitor:
    """A lock of logind's: no shutdown before it is given back, or the machine's patience has ended."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class ShutdownWatch:
    """What logind says of a shutdown, for one thread."""

    def __init__(self, bus: Bus, watch: Watch) -> None:
        self._bus, self._watch = bus, watch

    def take(self, timeout_s: float, /) -> bool | Resync | None:
        """Return True when the machine is about to go, False when that was called off, None when nothing was said.

        `RESYNC` where something may have been missed and the machine is not about to go: locks may be lost, too.
        """
        said = self._watch.take(timeout_s)
        match said:
            case None:
                return None
            case Resync():
                return True if self._is_going() else RESYNC
        match said.body:
            case (bool() as is_going,):
                return is_going
        return None

    def close(self) -> None:
        """Listen no more."""
        self._watch.close()

    def _is_going(self) -> bool:
        try:
            return self._bus.get(SERVICE, PATH, MANAGER, "PreparingForShutdown", timeout_s=_ASK_S) is True
        except MachineError:
            return False


class Power:
    """Carries out what an admin has ordered, by whichever way; asks nobody."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def power_off(self) -> None:
        """Switch the machine off; returns before it is; raises as `Bus.call` does."""
        self._bus.call(SERVICE, PATH, MANAGER, "PowerOff", "b", (False,))

    def reboot(self) -> None:
        """Start the machine anew; returns before it is; raises as `Bus.call` does."""
        self._bus.call(SERVICE, PATH, MANAGER, "Reboot", "b", (False,))

    def inhibit(self, why: str) -> Inhibitor:
        """Delay every shutdown until the lock is closed; raises as `Bus.call` does."""
        return Inhibitor(self._bus.call_for_fd(SERVICE, PATH, MANAGER, "Inhibit", "ssss", ("shutdown", WHO, why, "delay")))

    def watch_shutdown(self) -> ShutdownWatch:
        """Listen for a shutdown from now on."""
        return ShutdownWatch(self._bus, self._bus.watch(SERVICE, PATH, interface=MANAGER, member="PrepareForShutdown"))
