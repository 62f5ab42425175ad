"""A reading of the machine in words for people; what this machine does not tell is said to be not known."""

from dataclasses import dataclass

from appliance.domain.machine import Disk, Interface, Reading
from appliance.web import words
from appliance.web.pages.details import Detail

UNKNOWN = "not known here"


@dataclass(frozen=True, slots=True)
class InterfaceWords:
    """One network interface in words."""

    name: str
    kind: str
    state: str
    received: str
    sent: str
    signal: str


def told(reading: Reading) -> tuple[Detail, ...]:
    """Return what there is to tell of a reading, network apart."""
    memory, disk = reading.memory, reading.disk
    return (
        Detail("temperature", "Processor", _number(reading.temperature_c, 1, "°C")),
        Detail("load", "Load", _load(reading)),
        Detail("memory", "Memory free", _share(memory.available_bytes, memory.total_bytes)),
        Detail("disk", "Disk free", _share(disk.free_bytes, disk.total_bytes)),
        Detail(
            "supply", "Power supply", _state(reading.now.under_voltage, reading.since_start.under_voltage, "good", "too weak")
        ),
        Detail("speed", "Speed of the processor", _speed(reading)),
        Detail("device", "Disk", _disk(disk)),
        Detail("wear", "Life of the card used", _wear(disk)),
        Detail("errors", "File system errors", _number(disk.file_system_errors)),
        Detail("io", "Failed disk commands", _number(disk.io_errors)),
        Detail("stalled", "Waiting for the disk", _number(disk.stalled_percent, 0, "%")),
        Detail("uptime", "Running for", UNKNOWN if reading.uptime_s is None else words.duration(reading.uptime_s)),
    )


def interfaces_of(reading: Reading) -> tuple[InterfaceWords, ...]:
    """Return the network interfaces in words."""
    return tuple(
        InterfaceWords(
            name=one.name,
            kind="Wi-Fi" if one.is_wireless else "cable",
            state=_connection(one),
            received=UNKNOWN if one.received_bytes is None else words.size(one.received_bytes),
            sent=UNKNOWN if one.sent_bytes is None else words.size(one.sent_bytes),
            signal=words.number(one.signal_dbm, 0, "dBm"),
        )
        for one in reading.interfaces
    )


def _number(value: float | None, digits: int = 0, unit: str = "") -> str:
    return UNKNOWN if value is None else words.number(value, digits, unit)


def _state(now: bool | None, ever: bool | None, good: str, bad: str) -> str:
    if now is None and ever is None:
        return UNKNOWN
    return f"{bad} now" if now else f"{good} now, {bad} at a time since the start" if ever else good


def _speed(reading: Reading) -> str:
    now, ever = reading.now, reading.since_start
    if now.is_near_limit and not now.is_slowed:
        return "a little lower: near its limit of temperature"
    return _state(now.is_slowed, ever.is_slowed, "full", "slowed down")


def _load(reading: Reading) -> str:
    if reading.load is None:
        return UNKNOWN
    return f"{reading.load:.2f}" + (f" on {words.plural(reading.processors, 'processor')}" if reading.processors else "")


def _share(free: int | None, total: int | None) -> str:
    if free is None:
        return UNKNOWN
    return words.size(free) if total is None else f"{words.size(free)} of {words.size(total)}"


def _disk(disk: Disk) -> str:
    if disk.device is None:
        return UNKNOWN
    kind = {"SD": "SD card", "MMC": "eMMC"}.get(disk.kind or "", disk.device)
    about = f"{kind} {disk.model}" if disk.model else kind
    made = f"{about}, made {disk.made}" if disk.made else about
    return f"{made}, takes no writing" if disk.is_read_only else made


def _wear(disk: Disk) -> str:
    if disk.worn_percent is None and disk.spare_blocks is None:
        return UNKNOWN
    used = "" if disk.worn_percent is None else "all of it" if disk.worn_percent > 100 else f"at most {disk.worn_percent} %"
    spare = "" if disk.spare_blocks is None else f"spare blocks {disk.spare_blocks}"
    return ", ".join(part for part in (used, spare) if part)


def _connection(one: Interface) -> str:
    if one.is_up is False:
        return "switched off"
    return {True: "connected", False: "not connected", None: UNKNOWN}[one.has_carrier]
