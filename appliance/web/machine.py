"""The machine as the panel knows it: read again and again beside the pages, so that no page waits for D-Bus."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.errors import MachineError
from appliance.web.ports import ClockState, HostName, TimeAndDate

T = TypeVar("T")

READ_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """What a service of the machine said last: a value, or why there is none."""

    value: T | None
    reason: str = ""


class _Reading(Generic[T]):
    """One service's state, with the moment at which it was read."""

    def __init__(self, read: Callable[[], T], monotonic: Callable[[], float]) -> None:
        self._read, self._monotonic = read, monotonic
        self.told: Told[T] = Told(None, "not asked yet")
        self.read_at_s = float("-inf")

    def refresh(self) -> None:
        """Ask the service; no answer is told as one."""
        try:
            self.told = Told(self._read())
        except MachineError as error:
            self.told = Told(None, str(error))
        self.read_at_s = self._monotonic()


class MachineKeeper:
    """Reads the machine's services, one at each step of the web service, and carries out what an admin asks of them.

    Setting something raises MachineError where the machine does not do it, and InputError for a value that cannot be used.
    """

    def __init__(self, time_and_date: TimeAndDate, host_name: HostName, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()  # never the accelerated one of a simulated sky: this is about the machine's own
        self._time_and_date, self._host_name = time_and_date, host_name
        self._time = _Reading(time_and_date.state, self._clock.monotonic)
        self._name = _Reading(host_name.name, self._clock.monotonic)
        self._readings: tuple[_Reading[ClockState] | _Reading[str], ...] = (self._time, self._name)

    def step(self) -> None:
        """Read the service that was not read for the longest time, if that is long enough."""
        oldest = min(self._readings, key=lambda one: one.read_at_s)
        if self._clock.monotonic() - oldest.read_at_s >= READ_EVERY_S:
            oldest.refresh()

    @property
    def now(self) -> datetime:
        """The machine's time, UTC."""
        return self._clock.now()

    @property
    def time(self) -> Told[ClockState]:
        """How the machine keeps its time."""
        return self._time.told

    @property
    def name(self) -> Told[str]:
        """What the machine is called."""
        return self._name.told

    def set_time(self, when: datetime) -> None:
        """Set the machine's clock; network time is off from then on."""
        self._time_and_date.set_time(when.astimezone(UTC))
        self._time.refresh()

    def set_zone(self, name: str) -> None:
        """Set the machine's time zone."""
        self._time_and_date.set_timezone(name)
        self._time.refresh()

    def set_network_time(self, *, is_on: bool) -> None:
        """Take the time from the network, or not."""
        self._time_and_date.set_ntp(is_on)
        self._time.refresh()

    def set_name(self, name: str) -> None:
        """Give the machine another name."""
        self._host_name.set_name(name)
        self._name.refresh()
