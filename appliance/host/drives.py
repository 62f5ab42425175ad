"""The machine's drives and what is on them (udisks2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.errors import MachineError, ServiceError
from appliance.host.bus import Bus, Watch

SERVICE, ROOT = "org.freedesktop.UDisks2", "/org/freedesktop/UDisks2"
_BLOCK, _FILE_SYSTEM, _DRIVE = (f"{SERVICE}.{name}" for name in ("Block", "Filesystem", "Drive"))
_LOOP, _TABLE, _PARTITION = (f"{SERVICE}.{name}" for name in ("Loop", "PartitionTable", "Partition"))
LIST_S = 10.0
MOUNT_S = 25.0
"""For mounting, unmounting and switching off: a slow stick takes seconds, and whoever waits must beat every 30."""
_ALONE = {"auth.no_user_interaction": ("b", True)}
"""Nobody sits at this machine who could type a password."""
_REFUSALS = {
    "AlreadyMounted": "it is mounted already",
    "DeviceBusy": "something on this machine still uses it",
    "Timedout": "it took too long",
}

Properties = Mapping[str, object]
Interfaces = Mapping[str, Properties]


@dataclass(frozen=True, slots=True)
class Volume:
    """A block device that holds, or could hold, a file system; the texts are the device's own words and not to be trusted."""

    object_path: str
    device: str
    """For instance `/dev/sda1`; for logs."""
    drive_path: str
    """`/` where it is on no drive."""
    fs_type: str
    label: str
    uuid: str
    size_bytes: int
    is_removable: bool
    connection_bus: str
    is_read_only: bool
    is_system_hint: bool
    mount_points: tuple[str, ...]
    model: str


class Drives:
    """Lists volumes, mounts and lets go; every method raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def volumes(self) -> tuple[Volume, ...]:
        """Return every volume, in the order of their names; what udisks2 is told to ignore, is left out."""
        (objects,) = self._bus.call(SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", timeout_s=LIST_S)
        if not isinstance(objects, dict):
            raise MachineError("udisks2 answered with something that is no list of drives")
        return tuple(_volume(path, objects[path], objects) for path in sorted(objects) if _is_volume(objects[path]))

    def mount(self, volume: Volume, options: tuple[str, ...], /) -> Path:
        """Mount a volume and return where."""
        asked = {**_ALONE, "options": ("s", ",".join(options))}
        match self._ask(volume.object_path, _FILE_SYSTEM, "Mount", asked):
            case (str() as where,) if where.startswith("/"):
                return Path(where)
        raise MachineError("udisks2 did not say where it is mounted")

    def unmount(self, volume: Volume, /, *, force: bool = False) -> None:
        """Unmount a volume; by force also one that is in use."""
        self._ask(volume.object_path, _FILE_SYSTEM, "Unmount", {**_ALONE, "force": ("b", True)} if force else _ALONE)

    def power_off(self, volume: Volume, /) -> None:
        """Write out what a volume's drive still holds in its memory, and switch the drive off."""
        self._ask(volume.drive_path, _DRIVE, "PowerOff", _ALONE)

    def watch(self) -> Watch:
        """Tell from now on when a drive or a volume comes, goes or changes."""
        return self._bus.watch(SERVICE, ROOT)

    def _ask(self, path: str, interface: str, method: str, options: Mapping[str, tuple[str, object]]) -> tuple[object, ...]:
        try:
            return self._bus.call(SERVICE, path, interface, method, "a{sv}", (dict(options),), timeout_s=MOUNT_S)
        except ServiceError as error:
            kind = error.name.rpartition(".")[2]
            raise ServiceError(error.name, _REFUSALS.get(kind, str(error))) from error


def _is_volume(interfaces: Interfaces) -> bool:
    """Return whether an object is a block device that can hold a file system: of a drive, or a loop device."""
    block = interfaces.get(_BLOCK)
    if block is None or _truth(block, "HintIgnore") or not _number(block, "Size"):
        return False
    if _TABLE in interfaces or _truth(interfaces.get(_PARTITION, {}), "IsContainer"):
        return False
    return _text(block, "Drive") != "/" or _LOOP in interfaces


def _volume(path: str, interfaces: Interfaces, objects: Mapping[str, Interfaces]) -> Volume:
    block, system = interfaces[_BLOCK], interfaces.get(_FILE_SYSTEM, {})
    drive_path = _text(block, "Drive") or "/"
    drive = objects.get(drive_path, {}).get(_DRIVE, {})
    mounts = system.get("MountPoints")
    return Volume(
        object_path=path,
        device=_path(block.get("Device")),
        drive_path=drive_path,
        fs_type=_text(block, "IdType"),
        label=_text(block, "IdLabel"),
        uuid=_text(block, "IdUUID"),
        size_bytes=_number(block, "Size"),
        is_removable=_truth(drive, "Removable"),
        connection_bus=_text(drive, "ConnectionBus"),
        is_read_only=_truth(block, "ReadOnly"),
        is_system_hint=_truth(block, "HintSystem"),
        mount_points=tuple(_path(mount) for mount in mounts) if isinstance(mounts, list) else (),
        model=f"{_text(drive, 'Vendor')} {_text(drive, 'Model')}".strip(),
    )


def _path(raw: object) -> str:
    """Return a path, which comes as bytes with a zero at its end."""
    return raw.rstrip(b"\0").decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else ""


def _text(properties: Properties, name: str) -> str:
    value = properties.get(name)
    return value if isinstance(value, str) else ""


def _truth(properties: Properties, name: str) -> bool:
    return properties.get(name) is True


def _number(properties: Properties, name: str) -> int:
    value = properties.get(name)
    return value if isinstance(value, int) else 0
