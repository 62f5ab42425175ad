"""A machine whose services are values in memory: what tests of the panel set, and what the panel set."""

from dataclasses import dataclass, field
from datetime import datetime

from appliance.domain.driver import CameraDriver, PluggedCamera
from appliance.domain.errors import InputError, MachineError
from appliance.domain.update import Records


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


@dataclass
class FakeFactoryReset:
    """A reset after which everything is still there."""

    is_available: bool = True
    error: MachineError | None = None
    done: list[bool] = field(default_factory=list)
    """For each order, whether pictures are kept."""

    def begin(self, *, keep_pictures: bool) -> None:
        if self.error is not None:
            raise self.error
        self.done.append(keep_pictures)


@dataclass
class FakeRadioCountry:
    """Radios that follow nobody's rules."""

    is_available: bool = True
    orders: list[str] = field(default_factory=list)

    def order(self, untrusted_code: str) -> str:
        if len(untrusted_code) != 2:
            raise InputError("Write the country as two letters, for instance AT.")
        self.orders.append(untrusted_code)
        return untrusted_code


@dataclass
class FakeCameraDrivers:
    """Two drivers, and what a test plugs in."""

    is_followed: bool = True
    cameras: tuple[PluggedCamera, ...] = ()

    def installed(self) -> tuple[CameraDriver, ...]:
        return (CameraDriver("indi_asi_ccd", ("ZWO CCD",)), CameraDriver("indi_simulator_ccd", ("CCD Simulator",)))

    def plugged(self) -> tuple[PluggedCamera, ...]:
        return self.cameras


@dataclass(frozen=True)
class FakeLink:
    """A card of the made-up machine."""

    name: str = "eth0"
    kind: str = "cable"
    state: str = "connected"
    is_connected: bool = True
    addresses: tuple[str, ...] = ("192.0.2.20/24", "2001:db8::20/64")
    hardware_address: str = "02:00:00:00:00:01"
    speed_mbit_s: int = 1000
    wifi_name: str = ""
    signal_percent: int | None = None


@dataclass(frozen=True)
class FakeNetworkState:
    """How the made-up machine is connected."""

    internet: str = "reached"
    links: tuple[FakeLink, ...] = (FakeLink(),)


@dataclass
class FakeNetwork:
    """Connections that lead nowhere."""

    now: FakeNetworkState = field(default_factory=FakeNetworkState)
    error: MachineError | None = None

    def state(self) -> FakeNetworkState:
        if self.error is not None:
            raise self.error
        return self.now


@dataclass(frozen=True)
class FakeSlot:
    """Half of a card."""

    name: str
    is_booted: bool = False
    is_good: bool | None = None
    version: str = ""


@dataclass(frozen=True)
class FakeSlots:
    """A card."""

    slots: tuple[FakeSlot, ...] = (FakeSlot("A", is_booted=True, is_good=True, version="1.2.0"), FakeSlot("B", is_good=False))
    operation: str = "idle"


@dataclass
class FakeUpdates:
    """An updater that updates nothing."""

    now: FakeSlots = field(default_factory=FakeSlots)
    error: MachineError | None = None
    asked: int = 0

    def state(self) -> FakeSlots:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.now


@dataclass
class FakeUpdateRecords:
    """What a root that is none has written down."""

    now: Records = field(default_factory=Records)

    def read(self) -> Records:
        return self.now
