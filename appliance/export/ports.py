"""What the export needs of the machine's drives, as `host/drives.py` gives it."""

from pathlib import Path
from typing import Protocol, TypeVar


class Volume(Protocol):
    """A file system, or what could hold one, on a drive that the machine sees; the texts are the drive's own words."""

    @property
    def object_path(self) -> str:
        """Its name on the bus, which goes when it is pulled out."""
        ...

    @property
    def drive_path(self) -> str:
        """The drive it is on; `/` or empty where it is on none, as loop devices are."""
        ...

    @property
    def fs_type(self) -> str:
        """For instance `vfat`."""
        ...

    @property
    def label(self) -> str:
        """What its owner named it."""
        ...

    @property
    def uuid(self) -> str:
        """Id of the file system."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its size."""
        ...

    @property
    def is_removable(self) -> bool:
        """Whether the drive can be taken off."""
        ...

    @property
    def connection_bus(self) -> str:
        """How the drive is connected, for instance `usb`."""
        ...

    @property
    def is_read_only(self) -> bool:
        """Whether the device refuses writing."""
        ...

    @property
    def is_system_hint(self) -> bool:
        """Whether the machine takes it for a part of itself."""
        ...

    @property
    def mount_points(self) -> tuple[object, ...]:
        """Where it is mounted."""
        ...

    @property
    def model(self) -> str:
        """Maker and model of the drive."""
        ...


class Changes(Protocol):
    """Tells that drives came, went or changed."""

    def take(self, timeout_s: float, /) -> object | None:
        """Return a change, or None after a time without one."""
        ...

    def close(self) -> None:
        """Listen no longer."""
        ...


VolumeT = TypeVar("VolumeT", bound=Volume)


class Drives(Protocol[VolumeT]):
    """The machine's drives; every method raises MachineError."""

    def volumes(self) -> tuple[VolumeT, ...]:
        """Return every volume."""
        ...

    def mount(self, volume: VolumeT, options: tuple[str, ...], /) -> Path:
        """Mount a volume and return where."""
        ...

    def unmount(self, volume: VolumeT, /, *, force: bool = False) -> None:
        """Unmount a volume; by force also one that is in use."""
        ...

    def power_off(self, volume: VolumeT, /) -> None:
        """Switch a volume's drive off."""
        ...

    def watch(self) -> Changes:
        """Begin to listen."""
        ...
