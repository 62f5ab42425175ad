"""What the panel asks of the machine's services, as the classes in `host/` give it.

Every method may raise UnavailableError where the machine has no such service, DeniedError where its rules say no, and
MachineError for everything else that went wrong.
"""

from datetime import datetime
from typing import Protocol


class ClockState(Protocol):
    """How the machine keeps its time."""

    @property
    def timezone(self) -> str:
        """Its zone, for instance `Europe/Berlin`."""
        ...

    @property
    def ntp_enabled(self) -> bool:
        """Whether it takes its time from the network."""
        ...

    @property
    def ntp_synchronised(self) -> bool:
        """Whether the network's time has reached it."""
        ...

    @property
    def can_ntp(self) -> bool:
        """Whether there is a program on it that asks the network."""
        ...


class TimeAndDate(Protocol):
    """The machine's clock (timedate1)."""

    def state(self) -> ClockState:
        """Ask how the machine keeps its time."""
        ...

    def set_time(self, when: datetime, /) -> None:
        """Set the clock; network time is switched off first."""
        ...

    def set_timezone(self, name: str, /) -> None:
        """Set the zone; InputError for one that the machine does not know."""
        ...

    def set_ntp(self, is_on: bool, /) -> None:
        """Take the time from the network, or not."""
        ...


class HostName(Protocol):
    """The machine's name (hostname1)."""

    def name(self) -> str:
        """Ask for the name."""
        ...

    def set_name(self, name: str, /) -> None:
        """Give another name; InputError for one that cannot be used."""
        ...
