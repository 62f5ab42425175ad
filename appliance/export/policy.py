"""Which volumes are sticks that may be used, and how they are mounted; pure, and the only place that decides it."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from appliance.domain.stick import is_fs_id
from appliance.export.ports import Volume

FILE_SYSTEMS = ("vfat", "exfat", "ext4")
LABEL = "NIGHTJAR"
_OPTIONS = ("noexec", "nosuid", "nodev", "nosymfollow", "noatime")
_FORMAT = "Format it as exFAT."


def refusal(volume: Volume, volumes: Iterable[Volume], ours: AbstractSet[str]) -> str | None:
    """Return why a volume is not used, for people, or None where it may be.

    Parameters
    ----------
    volume : Volume
    volumes : iterable of Volume
        All that are there now.
    ours : set of str
        Object paths of the volumes that this service has mounted itself.
    """
    others = [other for other in volumes if other.object_path != volume.object_path]
    if found := _alone(volume, others, ours):
        return found
    twins = [other for other in others if other.uuid.casefold() == volume.uuid.casefold() and not _alone(other, volumes, ours)]
    if twins:
        return "Another stick with the same file-system id is plugged in. Pull one of them out, or format one afresh."
    return None


def is_shown(volume: Volume) -> bool:
    """Return whether a volume is told about: what the machine itself is made of, is not."""
    return not volume.is_system_hint or volume.connection_bus == "usb" or volume.drive_path in {"", "/"}


def is_labelled(volume: Volume) -> bool:
    """Return whether a stick's label asks for an export."""
    return volume.label.upper().startswith(LABEL)


def mount_options(fs_type: str, *, is_look_only: bool) -> tuple[str, ...]:
    """Return how a stick is mounted: nothing on it is run, owned, opened as a device or followed.

    A file system may ask, in its own superblock, to end the machine when it meets an error (`errors=panic` of ext4): it is
    told otherwise.
    """
    options: tuple[str, ...] = _OPTIONS
    if fs_type == "ext4":
        options += ("errors=remount-ro",)
    return (*options, "ro") if is_look_only else options


def _alone(volume: Volume, others: Iterable[Volume], ours: AbstractSet[str]) -> str | None:
    """Return why a volume is not used, whatever its id."""
    drive = [volume, *(other for other in others if other.drive_path == volume.drive_path)]
    if volume.connection_bus != "usb" or volume.drive_path in {"", "/"}:
        return "It is not on USB. Only USB sticks are used."
    if not volume.is_removable:
        return "The machine takes this drive for a built-in one. Only removable USB sticks are used."
    if volume.is_system_hint or any(other.mount_points and other.object_path not in ours for other in drive):
        return "This drive is in use on this machine already. If it should not be, pull it out and plug it in again."
    if volume.fs_type not in FILE_SYSTEMS:
        return f"{_file_system(volume.fs_type)} Sticks with exFAT, FAT32 and ext4 are used. {_FORMAT}"
    if volume.is_read_only:
        return "It is write-protected. Look for a switch on it."
    if not is_fs_id(volume.uuid):
        return f"Its file system has no id by which it could be known again. {_FORMAT}"
    return None


def _file_system(untrusted_type: str) -> str:
    if not untrusted_type:
        return "It holds no file system that is known here."
    if untrusted_type == "crypto_LUKS":
        return "It is encrypted."
    plain = "".join(letter for letter in untrusted_type if letter.isascii() and (letter.isalnum() or letter in "_-"))[:20]
    return f"Its file system is {plain}."
