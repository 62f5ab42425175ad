"""What the panel asks of the machine's services, as the classes in `host/` give it.

Every method may raise UnavailableError where the machine has no such service, DeniedError where its rules say no, and
MachineError for everything else that went wrong.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from appliance.domain.driver import CameraDriver, PluggedCamera
from appliance.domain.update import Records
from appliance.domain.upload import Checked, Courier


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
        """Set the clock; network time stays as it is."""
        ...

    def set_timezone(self, name: str, /) -> None:
        """Set the zone; InputError for one that the machine does not know."""
        ...

    def set_ntp(self, is_on: bool, /) -> None:
        """Take the time from the network, or not."""
        ...


class FactoryReset(Protocol):
    """Gives up all that was set and stored, and restarts the machine."""

    @property
    def is_available(self) -> bool:
        """Whether this machine can be reset at all."""
        ...

    def begin(self, *, keep_pictures: bool) -> None:
        """Order it; where this raises, nothing has happened."""
        ...


class RadioCountry(Protocol):
    """Whose rules the radios follow."""

    @property
    def is_available(self) -> bool:
        """Whether it can be set from here."""
        ...

    def order(self, untrusted_code: str) -> str:
        """Order a country by its two letters, and return them."""
        ...


class CameraDrivers(Protocol):
    """INDI drivers of cameras, and cameras that are plugged in."""

    @property
    def is_followed(self) -> bool:
        """Whether the INDI server here runs the driver that the settings name."""
        ...

    def installed(self) -> tuple[CameraDriver, ...]:
        """Return the drivers that can be chosen."""
        ...

    def plugged(self) -> tuple[PluggedCamera, ...]:
        """Return the cameras that are plugged in."""
        ...


class HostName(Protocol):
    """The machine's name (hostname1)."""

    def name(self) -> str:
        """Ask for the name."""
        ...

    def set_name(self, name: str, /) -> None:
        """Give another name; InputError for one that cannot be used."""
        ...


class Link(Protocol):
    """A network card."""

    @property
    def name(self) -> str:
        """For instance `eth0`."""
        ...

    @property
    def kind(self) -> str:
        """`cable` or `Wi-Fi`."""
        ...

    @property
    def state(self) -> str:
        """In words for people."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether it carries the network."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """With their prefix: `192.168.1.20/24`."""
        ...

    @property
    def hardware_address(self) -> str:
        """By which a router knows it."""
        ...

    @property
    def speed_mbit_s(self) -> int:
        """0 where it is not known."""
        ...

    @property
    def wifi_name(self) -> str:
        """The name of the Wi-Fi network; somebody else's words."""
        ...

    @property
    def signal_percent(self) -> int | None:
        """How well the access point is heard."""
        ...


class NetworkState(Protocol):
    """How the machine is connected."""

    @property
    def internet(self) -> str:
        """Whether the internet is reached, in words for people."""
        ...

    @property
    def links(self) -> Sequence[Link]:
        """The network cards."""
        ...


class Network(Protocol):
    """The machine's connections (NetworkManager)."""

    def state(self) -> NetworkState:
        """Ask how the machine is connected."""
        ...


class Slot(Protocol):
    """One of the halves of the card that the system can start from."""

    @property
    def name(self) -> str:
        """As the boot loader calls it."""
        ...

    @property
    def is_booted(self) -> bool:
        """Whether the machine runs from it."""
        ...

    @property
    def is_good(self) -> bool | None:
        """Whether it has proved itself; None where nobody says."""
        ...

    @property
    def version(self) -> str:
        """Of the release in it; empty where it did not come by an update."""
        ...


class SystemSlots(Protocol):
    """What the machine can start from."""

    @property
    def slots(self) -> Sequence[Slot]:
        """The halves."""
        ...

    @property
    def operation(self) -> str:
        """`idle`, or what the updater is at."""
        ...


class Updates(Protocol):
    """The machine's updater (RAUC)."""

    def state(self) -> SystemSlots:
        """Ask for the slots, and for what the updater does."""
        ...


class UpdateRecords(Protocol):
    """What root has written down about updates; never raises."""

    def read(self) -> Records:
        """Return everything."""
        ...


class Couriers(Protocol):
    """Those who send files to targets; see `uploads/couriers.py`."""

    def courier(self, target_id: str, /) -> Courier:
        """Return what a target's worker does."""
        ...

    def retry(self, target_id: str, /) -> None:
        """Have a target tried again at once."""
        ...

    def check(self, target_id: str, /) -> None:
        """Have a target tested."""
        ...

    def checked(self, target_id: str, /) -> Checked | None:
        """Return how the last test of a target went, None where there was none."""
        ...

    def forget_check(self, target_id: str, /) -> None:
        """Forget how the last test went: it was of other settings."""
        ...
