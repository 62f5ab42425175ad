"""The machine as the panel knows it: read again and again beside the pages, so that no page waits for D-Bus."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.errors import MachineError
from appliance.web.ports import ClockState, HostName, Network, NetworkState, SystemSlots, TimeAndDate, Updates

T_co = TypeVar("T_co", covariant=True)

READ_EVERY_S = 10.0
SLOTS_EVERY_S = 60.0
"""Of what changes seldom, and costs the machine a script each time."""


@dataclass(frozen=True, slots=True)
class Told(Generic[T_co]):
    """What a service of the machine said last: a value, or why there is none."""

    value: T_co | None
    reason: str = ""


class _Reading(Generic[T_co]):
    """One service's state, with the moment at which it is to be read again."""

    def __init__(self, read: Callable[[], T_co], monotonic: Callable[[], float], every_s: float = READ_EVERY_S) -> None:
        self._read, self._monotonic, self._every_s = read, monotonic, every_s
        self.told: Told[T_co] = Told(None, "not asked yet")
        self.due_at_s = float("-inf")

    def refresh(self) -> None:
        """Ask the service; no answer is told as one."""
        try:
            self.told = Told(self._read())
        except MachineError as error:
            self.told = Told(None, str(error))
        self.due_at_s = self._monotonic() + self._every_s


class MachineKeeper:
    """Reads the machine's services, one at each step of the web service, and carries out what an admin asks of them.

    Setting something raises MachineError where the machine does not do it, and InputError for a value that cannot be used.
    """

    def __init__(
        self, time_and_date: TimeAndDate, host_name: HostName, network: Network, updates: Updates, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()  # never the accelerated one of a simulated sky: this is about the machine's own
        self._time_and_date, self._host_name = time_and_date, host_name
        self._time = _Reading(time_and_date.state, self._clock.monotonic)
        self._name = _Reading(host_name.name, self._clock.monotonic)
        self._network = _Reading(network.state, self._clock.monotonic)
        self._slots = _Reading(updates.state, self._clock.monotonic, SLOTS_EVERY_S)

    def step(self) -> None:
        """Read the service that has waited longest, if its time has come."""
        readings: tuple[_Reading[object], ...] = (self._time, self._name, self._network, self._slots)
        first = min(readings, key=lambda one: one.due_at_s)
        if self._clock.monotonic() >= first.due_at_s:
            first.refresh()

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

    @property
    def network(self) -> Told[NetworkState]:
        """How the machine is connected."""
        return self._network.told

    @property
    def slots(self) -> Told[SystemSlots]:
        """What the machine can start from."""
        return self._slots.told

    def set_time(self, when: datetime) -> None:
        """Set the machine's clock; network time, where it is on and reached, corrects it."""
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
