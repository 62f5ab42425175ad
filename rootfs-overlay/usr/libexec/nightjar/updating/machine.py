"""What of the machine an update depends on: its network, its power, and whether a place on the card holds a system."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")
"""In the kernel's table of routes: an address of this machine."""
_UP, _REJECT = 0x1, 0x200
"""linux/route.h: RTF_UP, RTF_REJECT."""
_SQUASHFS, _FAT_END, _FAT_END_AT = b"hsqs", b"\x55\xaa", 510
_UNDER_VOLTAGE = 1
"""The lowest bit of what a Pi's firmware complains about."""


@dataclass(frozen=True)
class Network:
    """How far this machine reaches."""

    route: bool
    """Whether there is a way to everywhere."""
    address: bool
    """Whether it has an address that others can reach."""

    def is_worse_than(self, before: "Network") -> bool:
        """Say whether something is missing that was there."""
        return (before.route and not self.route) or (before.address and not self.address)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def network(root: Path = ROOT) -> Network:
    """Look into the kernel's tables."""
    tables = root / "proc/net"
    return Network(_has_route(tables), _has_address(tables))


def _has_route(tables: Path) -> bool:
    for line in _text(tables / "route").splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == words[7] == "00000000" and int(words[3], 16) & _UP and not int(words[3], 16) & _REJECT:
            return True
    for line in _text(tables / "ipv6_route").splitlines():
        words = line.split()
        if (
            len(words) == 10
            and words[0] == "0" * 32
            and words[1] == "00"
            and words[9] != "lo"
            and not int(words[8], 16) & _REJECT
        ):
            return True
    return False


def _has_address(tables: Path) -> bool:
    if any(not address.startswith(("127.", "169.254.")) for address in _LOCAL.findall(_text(tables / "fib_trie"))):
        return True
    words = (line.split() for line in _text(tables / "if_inet6").splitlines())
    return any(len(one) == 6 and one[3] == "00" for one in words)


def is_under_voltage(root: Path = ROOT) -> bool:
    """Say whether the power is too weak at this moment; where nothing measures it, it is not."""
    for sensor in (root / "sys/class/hwmon").glob("*"):
        if _text(sensor / "name").strip() == "rpi_volt" and _text(sensor / "in0_lcrit_alarm").strip() == "1":
            return True
    for told in (root / "sys/devices/platform").glob("soc*/*:firmware/get_throttled"):
        bits = _text(told).strip()
        if re.fullmatch(r"(0x)?[0-9a-f]{1,8}", bits) and int(bits, 16) & _UNDER_VOLTAGE:
            return True
    return False


def holds_system(name: str, devices: Path) -> bool:
    """Say whether both partitions of a system hold file systems of the kinds that they should.

    Raises
    ------
    OSError
        If they cannot be read.
    """
    with (devices / f"root_{name.lower()}").open("rb") as root, (devices / f"boot_{name.lower()}").open("rb") as boot:
        return root.read(len(_SQUASHFS)) == _SQUASHFS and boot.read(512)[_FAT_END_AT:] == _FAT_END
