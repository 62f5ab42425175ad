"""The machine below the program, as read from its kernel: heat, supply, load, memory, disk, network; None is "not known here"."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Strain:
    """What the machine suffers from, as its firmware tells it."""

    under_voltage: bool | None = None
    is_capped: bool | None = None
    """The processor's frequency is held down."""
    is_throttled: bool | None = None
    """The processor is slowed down, because it is hot or because the supply is weak."""
    is_near_limit: bool | None = None
    """The soft temperature limit of some boards is reached: slower, but as their makers mean it."""

    @property
    def is_slowed(self) -> bool | None:
        """Whether the processor works slower than it could, for whatever reason."""
        return _either(self.is_capped, self.is_throttled)

    def or_else(self, other: "Strain") -> "Strain":
        """Return what either of two moments suffered from; what neither knows stays unknown."""
        return Strain(
            _either(self.under_voltage, other.under_voltage),
            _either(self.is_capped, other.is_capped),
            _either(self.is_throttled, other.is_throttled),
            _either(self.is_near_limit, other.is_near_limit),
        )


def _either(one: bool | None, other: bool | None) -> bool | None:
    return other if one is None else one if other is None else one or other


@dataclass(frozen=True, slots=True)
class Memory:
    """The machine's memory."""

    total_bytes: int | None = None
    available_bytes: int | None = None
    """What programs can still have without anything being written out."""
    stalled_percent: float | None = None
    """Share of the last minute in which everything waited for memory."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that holds the data folder: card, eMMC or another."""

    device: str | None = None
    """The kernel's name of the whole disk, for instance `mmcblk0`."""
    model: str | None = None
    kind: str | None = None
    """For cards what they say of themselves: `SD` or `MMC`."""
    made: str | None = None
    """Month in which a card was made, as it says: `08/2024`."""
    worn_percent: int | None = None
    """How much of its life an eMMC has used, in steps of ten; above 100: more than it was made for."""
    spare_blocks: str | None = None
    """`normal`, `low` or `nearly gone`, as an eMMC tells it."""
    file_system_errors: int | None = None
    """How many errors ext4 has noted since the file system was last repaired."""
    io_errors: int | None = None
    """How many commands to a disk on USB or SATA failed since it was plugged in."""
    stalled_percent: float | None = None
    """Share of the last minute in which everything waited for a disk, any disk."""
    is_read_only: bool | None = None
    """It takes no more writes: mounted so, or stopped by the kernel after an error."""
    free_bytes: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface that is made of hardware."""

    name: str
    is_wireless: bool
    is_up: bool | None
    has_carrier: bool | None
    received_bytes: int | None
    sent_bytes: int | None
    signal_dbm: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment."""

    at: datetime
    uptime_s: float | None = None
    temperature_c: float | None = None
    """Of the processor."""
    now: Strain = Strain()
    """At this moment, or since the reading before."""
    since_start: Strain = Strain()
    """At any moment since the machine or this program was started."""
    load: float | None = None
    """How many threads worked or wanted to, on average over a minute."""
    load_15min: float | None = None
    processors: int | None = None
    memory: Memory = Memory()
    disk: Disk = Disk()
    interfaces: tuple[Interface, ...] = ()

    @property
    def signal_dbm(self) -> float | None:
        """The strongest Wi-Fi signal."""
        return max((one.signal_dbm for one in self.interfaces if one.signal_dbm is not None), default=None)


@dataclass(frozen=True, slots=True)
class StoredReading:
    """What is kept of a reading, for charts."""

    id: int
    at: datetime
    temperature_c: float | None
    load: float | None
    memory_available_bytes: int | None
    disk_free_bytes: int | None
    signal_dbm: float | None
