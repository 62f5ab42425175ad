"""The machine's own sensors: `/proc` and `/sys` below a root, read into values; no service, no right of anybody, no policy."""

import re
from datetime import datetime
from pathlib import Path

from appliance.domain.machine import Interface, Memory, Reading, Strain
from appliance.host.diskfiles import read_disk
from appliance.host.kernelfiles import KernelFiles, between, decimal, whole

_THERMAL, _HWMON, _NET, _PLATFORM = "sys/class/thermal", "sys/class/hwmon", "sys/class/net", "sys/devices/platform"
_PROCESSOR = re.compile(r"cpu|soc|x86_pkg|bcm2|coretemp|k10temp|zenpower|acpitz")
"""In the names of sensors that measure the processor; those of Wi-Fi, battery and graphics have others."""
_UP = 1
"""IFF_UP in the flags of an interface."""
_COLDEST_C, _HOTTEST_C = -60.0, 150.0
_STALLED = re.compile(r"^full avg10=\S+ avg60=(\d{1,3}\.\d\d) ", re.MULTILINE)
_PROCESSORS = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


class Sensors:
    """Reads the machine; each call opens a few dozen small files and closes them again."""

    def __init__(self, data: Path, root: Path = Path("/")) -> None:
        self._data, self._files = data, KernelFiles(root)

    def read(self, at: datetime) -> Reading:
        """Return everything that can be known at this moment."""
        loads = (self._files.text("proc/loadavg") or "").split()[:3]
        one, _, fifteen = (between(decimal(word), 0, 1e6) for word in (loads if len(loads) == 3 else [""] * 3))
        now, since_start = self.read_strain()
        return Reading(
            at=at,
            uptime_s=between(decimal(next(iter((self._files.text("proc/uptime") or "").split()), None)), 0, 1e10),
            temperature_c=self._temperature(),
            now=now,
            since_start=since_start,
            load=one,
            load_15min=fifteen,
            processors=self._processors(),
            memory=self._memory(),
            disk=read_disk(self._files, self._data, self._stalled("io")),
            interfaces=self._interfaces(),
        )

    def read_strain(self) -> tuple[Strain, Strain]:
        """Return what a Raspberry Pi's firmware complains about: at this moment, and at times before.

        Its kernel asks the firmware every two seconds and clears the older complaints by that, so that who wants to
        miss none asks as often, and remembers.
        """
        bits = self._firmware_bits()
        alarm = self._voltage_alarm()
        now, before = (Strain(), Strain()) if bits is None else (_strain(bits), _strain(bits >> 16))
        return now.or_else(Strain(under_voltage=alarm)), before.or_else(now).or_else(Strain(under_voltage=alarm))

    def _firmware_bits(self) -> int | None:
        for soc in self._files.names(_PLATFORM):
            if not soc.startswith("soc"):
                continue
            for part in self._files.names(f"{_PLATFORM}/{soc}"):
                text = self._files.text(f"{_PLATFORM}/{soc}/{part}/get_throttled") if part.endswith(":firmware") else None
                if text is not None and re.fullmatch(r"(0x)?[0-9a-f]{1,8}", text):
                    return int(text, 16)
        return None

    def _voltage_alarm(self) -> bool | None:
        for name in self._files.names(_HWMON):
            if self._files.text(f"{_HWMON}/{name}/name") == "rpi_volt":
                return self._files.flag(f"{_HWMON}/{name}/in0_lcrit_alarm")
        return None

    def _temperature(self) -> float | None:
        """Return the hottest place of the processor."""
        zones = self._named(_THERMAL, "thermal_zone", "type", ("temp",))
        chips = zones or self._named(_HWMON, "hwmon", "name", tuple(f"temp{number}_input" for number in range(1, 9)))
        return max(chips, default=None)

    def _named(self, folder: str, start: str, title: str, values: tuple[str, ...]) -> list[float]:
        """Return what the sensors of the processor in a folder measure, in degrees."""
        found = []
        for name in self._files.names(folder):
            if not name.startswith(start) or not _PROCESSOR.search((self._files.text(f"{folder}/{name}/{title}") or "").lower()):
                continue
            for value in values:
                milli = self._files.number(f"{folder}/{name}/{value}")
                degrees = between(None if milli is None else milli / 1000, _COLDEST_C, _HOTTEST_C)
                found += [] if degrees is None else [degrees]
        return found

    def _processors(self) -> int | None:
        """Return how many processors are switched on: the kernel writes `0-3` or `0,2-3`."""
        count = 0
        for part in (self._files.text("sys/devices/system/cpu/online") or "").split(","):
            match = _PROCESSORS.fullmatch(part)
            if match is None:
                return None
            first, last = int(match[1]), int(match[2] or match[1])
            count += max(0, last - first + 1)
        return count or None

    def _memory(self) -> Memory:
        lines = (line.partition(":") for line in (self._files.text("proc/meminfo") or "").splitlines())
        sizes = {name: whole(rest.strip().removesuffix(" kB")) for name, _, rest in lines if rest.endswith(" kB")}
        total, available = sizes.get("MemTotal"), sizes.get("MemAvailable")
        if not total or total < 0:
            return Memory(stalled_percent=self._stalled("memory"))
        is_known = available is not None and 0 <= available <= total
        return Memory(
            total_bytes=total * 1024,
            available_bytes=available * 1024 if available is not None and is_known else None,
            stalled_percent=self._stalled("memory"),
        )

    def _stalled(self, what: str) -> float | None:
        """Return the share of the last minute in which everything waited for memory or disks, where the kernel counts it."""
        match = _STALLED.search(self._files.text(f"proc/pressure/{what}") or "")
        return between(float(match[1]), 0, 100) if match else None

    def _interfaces(self) -> tuple[Interface, ...]:
        signals = self._signals()
        names = [name for name in self._files.names(_NET) if self._files.has(f"{_NET}/{name}/device")]
        return tuple(self._interface(name, signals.get(name)) for name in names)

    def _interface(self, name: str, signal_dbm: float | None) -> Interface:
        folder = f"{_NET}/{name}"
        flags = self._files.text(f"{folder}/flags") or ""
        is_up = bool(int(flags, 16) & _UP) if re.fullmatch(r"0x[0-9a-f]{1,8}", flags) else None
        return Interface(
            name=name,
            is_wireless=self._files.has(f"{folder}/wireless") or self._files.has(f"{folder}/phy80211"),
            is_up=is_up,
            has_carrier=False if is_up is False else self._files.flag(f"{folder}/carrier"),
            received_bytes=self._files.count(f"{folder}/statistics/rx_bytes"),
            sent_bytes=self._files.count(f"{folder}/statistics/tx_bytes"),
            signal_dbm=signal_dbm,
        )

    def _signals(self) -> dict[str, float]:
        """Return the signal of each Wi-Fi interface that is connected, in dBm."""
        found = {}
        for line in (self._files.text("proc/net/wireless") or "").splitlines()[2:]:
            name, _, rest = line.partition(":")
            words = rest.split()
            level = decimal(words[2].rstrip(".")) if len(words) > 2 else None
            if level is not None and 128 <= level <= 255:
                level -= 256  # drivers of old write the same byte without its sign
            signal = between(level, -120, -1)
            if signal is not None:
                found[name.strip()] = signal
        return found


def _strain(bits: int) -> Strain:
    """Return the four lower bits as Raspberry Pi names them."""
    return Strain(bool(bits & 1), bool(bits & 2), bool(bits & 4), bool(bits & 8))
