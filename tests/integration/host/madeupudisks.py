"""A made-up udisks2 with sticks of which each is a folder: what no loop device can pretend to be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.host.drives import ROOT, SERVICE
from tests.integration.host.standin import Body, Call, Interfaces, Properties, Refusal, StandIn

BLOCK, FILE_SYSTEM, DRIVE = (f"{SERVICE}.{name}" for name in ("Block", "Filesystem", "Drive"))
STICK, STICK_DRIVE = f"{ROOT}/block_devices/sda1", f"{ROOT}/drives/Acme_Flash_1234"
OBJECTS = "org.freedesktop.DBus.ObjectManager"


def block(device: str, drive: str, *, size: int = 32 << 30, fs: tuple[str, str, str] = ("", "", ""), **more: bool) -> Properties:
    """Return what udisks2 tells of a block device; `fs` is its type, label and id."""
    truths: Properties = {name: ("b", more.get(name, False)) for name in ("ReadOnly", "HintSystem", "HintIgnore")}
    return {
        "Device": ("ay", device.encode() + b"\0"), "Drive": ("o", drive), "Size": ("t", size), "IdType": ("s", fs[0]),
        "IdLabel": ("s", fs[1]), "IdUUID": ("s", fs[2]), "CryptoBackingDevice": ("o", "/"), **truths,
    }  # fmt: skip


def drive(vendor: str, model: str, *, bus: str, removable: bool) -> Interfaces:
    """Return what udisks2 tells of a drive."""
    return {
        DRIVE: {
            "Vendor": ("s", vendor), "Model": ("s", model), "ConnectionBus": ("s", bus), "Removable": ("b", removable),
            "MediaRemovable": ("b", False),
        }
    }  # fmt: skip


def mounted(*where: str) -> Properties:
    """Return what udisks2 tells of a file system."""
    return {"MountPoints": ("aay", [place.encode() + b"\0" for place in where])}


class MadeUpUdisks(StandIn):
    """Tells of objects and does what it is asked: a mounted stick is a folder of the test's."""

    def __init__(self, address: str, folder: Path) -> None:
        self.refusal: Refusal | None = None
        """What mounting fails with."""
        self._folder = folder
        super().__init__(address, SERVICE, ROOT)

    def plug(self) -> None:
        """Plug the stick in."""
        self._add(STICK_DRIVE, drive("Acme", "Flash", bus="usb", removable=True))
        known = ("exfat", "HOLIDAY", "1234-ABCD")
        self._add(STICK, {BLOCK: block("/dev/sda1", STICK_DRIVE, fs=known), FILE_SYSTEM: mounted()})

    def pull(self) -> None:
        """Pull it out."""
        for path in (STICK, STICK_DRIVE):
            interfaces = list(self.objects.pop(path))
            self.emit(ROOT, OBJECTS, "InterfacesRemoved", "oas", (path, interfaces))

    def methods(self) -> list[str]:
        """Return what was asked for, in its order."""
        return [call.method for call in self.calls]

    def answer(self, call: Call) -> tuple[str, Body]:
        """Do what is asked."""
        if call.path not in self.objects:
            raise Refusal("Error.Failed", "no such object")
        match call.method:
            case "Mount":
                if self.refusal is not None:
                    raise self.refusal
                self.objects[call.path][FILE_SYSTEM] = mounted(str(self._folder))
                return "s", (str(self._folder),)
            case "Unmount":
                if self.objects[call.path][FILE_SYSTEM] == mounted():
                    raise Refusal("Error.NotMounted", "it is not mounted")
                self.objects[call.path][FILE_SYSTEM] = mounted()
                return "", ()
            case "PowerOff":
                self.pull()
                return "", ()
        return super().answer(call)

    def _add(self, path: str, interfaces: Interfaces) -> None:
        self.objects[path] = interfaces
        self.emit(ROOT, OBJECTS, "InterfacesAdded", "oa{sa{sv}}", (path, interfaces))


@contextmanager
def made_up_udisks(address: str, folder: Path) -> Iterator[MadeUpUdisks]:
    """Run it until the end of the block."""
    udisks = MadeUpUdisks(address, folder)
    try:
        yield udisks
    finally:
        udisks.leave()
