"""The real udev with our rules on a made-up `/sys`: what it gives a device, or takes from it, without a device.

`udevadm test` reads rules and applies them as the daemon does. In a name space of its own it sees our rules, those of a
driver's package, our group, and a tree of devices that a test has made up.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
RULES = ROOT / "rootfs-overlay/usr/lib/udev/rules.d"
GROUP = 61997
COMMANDS = ("unshare", "mount", "udevadm")

SCRIPT = """
tree=$1 rules=$2 place=$3 action=$4
cp -a "$rules" "$tree/rules"
printf '%s' "$PACKAGE_RULES" >"$tree/rules/99-of-a-package.rules"
mkdir -p "$tree/empty"
mount -t tmpfs tmpfs /dev/shm
mount --bind "$tree/rules" /usr/lib/udev/rules.d
mount --bind "$tree/empty" /etc/udev
mount --bind "$tree/group" /etc/group
mount --bind "$tree/sys" /sys
mount -t tmpfs tmpfs /run
cp -a "$tree/run/." /run/
mount -t tmpfs tmpfs /dev
exec udevadm test --action="$action" "/sys/$place"
"""
PACKAGE_RULES = 'SUBSYSTEMS=="usb", MODE="0666", GROUP="root"\n'
"""As the rules of camera drivers do, and read after ours."""


@dataclass
class Device:
    """One device of the tree: its folder below `/sys/devices`, and what the kernel says of it."""

    place: str
    subsystem: str
    driver: str = ""
    event: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)


def usb_device(place: str, vendor: str, product: str, interfaces: str = "ff0000") -> tuple[Device, ...]:
    """Return a USB device with interfaces, each of six digits: class, subclass, protocol."""
    top = Device(
        place, "bus/usb", "usb",
        ("DEVTYPE=usb_device", "DRIVER=usb", "MAJOR=189", "MINOR=5", "DEVNAME=bus/usb/001/006", "BUSNUM=001", "DEVNUM=006"),
        {"idVendor": vendor, "idProduct": product, "bDeviceClass": "00", "descriptors": descriptors(interfaces.split())},
    )  # fmt: skip
    return (top, *(usb_interface(place, number, digits) for number, digits in enumerate(interfaces.split())))


def usb_interface(parent: str, number: int, digits: str, driver: str = "") -> Device:
    """Return one interface of a USB device."""
    place = f"{parent}/{parent.rpartition('/')[2]}:1.{number}"
    return Device(
        place, "bus/usb", driver, ("DEVTYPE=usb_interface", *([f"DRIVER={driver}"] if driver else [])),
        {"bInterfaceClass": digits[:2], "bInterfaceSubClass": digits[2:4], "bInterfaceProtocol": digits[4:], "authorized": "1"},
    )  # fmt: skip


def descriptors(interfaces: list[str]) -> str:
    """Return what udev reads of a device's interfaces: an interface and its endpoint each (USB 2.0, 9.6.5, 9.6.6)."""
    heads = [
        bytes([9, 4, number, 0, 1, *bytes.fromhex(digits), 0, 7, 5, 0x81, 2, 0, 2, 0]) for number, digits in enumerate(interfaces)
    ]
    return (bytes([18, 1]) + bytes(16) + bytes([9, 2]) + bytes(7) + b"".join(heads)).decode("latin-1")


@dataclass
class Tree:
    """A made-up machine below a folder."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "run").mkdir()
        (self.root / "group").write_text(f"root:x:0:\nnightjar-indi:x:{GROUP}:\n")

    def add(self, *devices: Device) -> None:
        """Lay devices as the kernel would."""
        for device in devices:
            folder = self.root / "sys/devices" / device.place
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "uevent").write_text("".join(f"{line}\n" for line in device.event))
            for name, value in device.attributes.items():
                (folder / name).write_bytes(value.encode("latin-1") if name == "descriptors" else f"{value}\n".encode())
            self._link(folder / "subsystem", device.subsystem)
            if device.driver:
                self._link(folder / "driver", f"bus/usb/drivers/{device.driver}")

    def add_network_card(self, device: str, driver: str) -> str:
        """Lay a network card under the first interface of a USB device, and return its place."""
        self.add(interface := usb_interface(device, 0, "ff0000", driver))
        place = f"{interface.place}/net/eth9"
        self.add(Device(place, "class/net", event=("INTERFACE=eth9", "IFINDEX=99")))
        (self.root / "sys/devices" / place / "device").symlink_to(f"../../../{interface.place.rpartition('/')[2]}")
        return place

    def plug(self, place: str, action: str = "add") -> "Plugged":
        """Have udev apply the rules to one device."""
        ended = subprocess.run(
            ["unshare", "--mount", "sh", "-euc", SCRIPT, "sh", self.root, RULES, f"devices/{place}", action],
            capture_output=True, text=True, check=False, timeout=60,
            env={"PATH": os.environ["PATH"], "SYSTEMD_DEVICE_VERIFY_SYSFS": "0", "PACKAGE_RULES": PACKAGE_RULES},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return Plugged(ended.stderr)

    def is_authorized(self, interface: str) -> bool:
        """Return whether an interface may have a driver."""
        return (self.root / "sys/devices" / interface / "authorized").read_text().strip() == "1"

    def _link(self, link: Path, target: str) -> None:
        (self.root / "sys" / target).mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(self.root / "sys" / target, link.parent))


@dataclass(frozen=True)
class Plugged:
    """What udev said."""

    said: str

    @property
    def node(self) -> tuple[str, str, str]:
        """Return owner, group and mode of the node, as set last by a rule."""
        last = dict(re.findall(r" (OWNER|GROUP|MODE) (\d+)$", self.said, re.MULTILINE))
        return last.get("OWNER", ""), last.get("GROUP", ""), last.get("MODE", "")

    @property
    def complaints(self) -> list[str]:
        """Return what udev did not understand of our rules or could not do."""
        return [line for line in self.said.splitlines() if re.search(r"nightjar.*(nvalid|nknown|ailed|ignoring)", line)]
