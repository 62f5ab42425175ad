"""A machine whose services are values in memory: what tests of the panel set, and what the panel set."""

from dataclasses import dataclass, field
from datetime import datetime

from appliance.domain.errors import InputError, MachineError


@dataclass(frozen=True)
class FakeClockState:
    """How the made-up machine keeps its time."""

    timezone: str = "Europe/Berlin"
    ntp_enabled: bool = True
    ntp_synchronised: bool = True
    can_ntp: bool = True


@dataclass
class FakeTimeAndDate:
    """A clock that nobody's time hangs on."""

    now: FakeClockState = field(default_factory=FakeClockState)
    error: MachineError | None = None
    """What every call fails with."""
    done: list[object] = field(default_factory=list)

    def state(self) -> FakeClockState:
        self._fail()
        return self.now

    def set_time(self, when: datetime) -> None:
        self._fail()
        self.done.append(when)
        self.now = FakeClockState(self.now.timezone, ntp_enabled=False, ntp_synchronised=False)

    def set_timezone(self, name: str) -> None:
        self._fail()
        self.done.append(name)
        self.now = FakeClockState(name, self.now.ntp_enabled, self.now.ntp_synchronised)

    def set_ntp(self, is_on: bool) -> None:
        self._fail()
        self.done.append(is_on)
        self.now = FakeClockState(self.now.timezone, is_on, is_on and self.now.ntp_synchronised)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class FakeHostName:
    """A name that nobody is called by."""

    now: str = "nightjar"
    error: MachineError | InputError | None = None

    def name(self) -> str:
        if isinstance(self.error, MachineError):
            raise self.error
        return self.now

    def set_name(self, name: str) -> None:
        if self.error is not None:
            raise self.error
        self.now = name
