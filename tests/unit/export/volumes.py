"""Volumes as a machine tells of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FakeVolume:
    """By default a stick that may be used."""

    object_path: str = "/block/sda1"
    drive_path: str = "/drives/stick"
    fs_type: str = "exfat"
    label: str = "HOLIDAY"
    uuid: str = "1234-ABCD"
    size_bytes: int = 32 << 30
    is_removable: bool = True
    connection_bus: str = "usb"
    is_read_only: bool = False
    is_system_hint: bool = False
    mount_points: tuple[str, ...] = ()
    model: str = "Acme Flash"
