"""The machine's clock (timedated): its time, its zone, and whether it follows the network."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.domain.errors import InputError, MachineError, ServiceError
from appliance.host.bus import Bus

SERVICE = INTERFACE = "org.freedesktop.timedate1"
PATH = "/org/freedesktop/timedate1"
SETTLE_S = 15.0
"""For the program that asks the network to end, before the clock can be set."""
_BUSY = f"{SERVICE}.AutomaticTimeSyncEnabled"
_PAUSE_S = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}\Z")


@dataclass(frozen=True, slots=True)
class ClockState:
    """How the machine keeps its time."""

    timezone: str
    ntp_enabled: bool
    ntp_synchronised: bool
    can_ntp: bool
    """There is a program on it that asks the network."""


class TimeAndDate:
    """Reads and sets the machine's clock; every method raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def state(self) -> ClockState:
        """Ask how the machine keeps its time."""
        match self._bus.get_all(SERVICE, PATH, INTERFACE):
            case {
                "Timezone": str(timezone),
                "NTP": bool(ntp_enabled),
                "NTPSynchronized": bool(ntp_synchronised),
                "CanNTP": bool(can_ntp),
            }:
                return ClockState(timezone, ntp_enabled, ntp_synchronised, can_ntp)
        raise MachineError("systemd-timedated tells its state in a way that is not understood")

    def set_time(self, when: datetime) -> None:
        """Set the clock to what `when` was at the call; network time, where it is on, lets go meanwhile.

        timedated refuses until the program that asks the network has ended: it is asked again for a while. Afterwards that
        program goes on: it alone keeps the last known time for a machine without a clock of its own, network or not.
        """
        if when.tzinfo is None:
            raise ValueError(f"a time without a zone: {when}")
        began_s = time.monotonic()
        if not self.state().ntp_enabled:
            self._set_time(when, began_s)
            return
        self.set_ntp(False)
        try:
            self._set_time(when, began_s)
        finally:
            self.set_ntp(True)

    def _set_time(self, when: datetime, began_s: float) -> None:
        while True:
            passed_s = time.monotonic() - began_s
            wanted_us = (when + timedelta(seconds=passed_s) - _EPOCH) // timedelta(microseconds=1)
            try:
                self._bus.call(SERVICE, PATH, INTERFACE, "SetTime", "xbb", (wanted_us, False, False))
            except ServiceError as error:
                if error.name != _BUSY or passed_s > SETTLE_S:
                    raise
            else:
                return
            time.sleep(_PAUSE_S)

    def set_timezone(self, name: str) -> None:
        """Set the zone; InputError for one that the machine does not know."""
        if not _ZONE.match(name) or name not in self._timezones():
            raise InputError("This machine does not know the time zone. Choose one from the list, for instance UTC.")
        self._bus.call(SERVICE, PATH, INTERFACE, "SetTimezone", "sb", (name, False))

    def set_ntp(self, is_on: bool) -> None:
        """Take the time from the network, or not."""
        self._bus.call(SERVICE, PATH, INTERFACE, "SetNTP", "bb", (is_on, False))

    def _timezones(self) -> list[object]:
        match self._bus.call(SERVICE, PATH, INTERFACE, "ListTimezones"):
            case (list() as names,):
                return names
        raise MachineError("systemd-timedated lists its time zones in a way that is not understood")
