"""Names on the stick: built from ids, plain enough for FAT, and never two that differ in letter case only."""

import re

from appliance.domain.errors import InputError
from appliance.domain.stick import is_backup_name
from appliance.store.products import NAMES

TOP = "nightjar"
BACKUPS = "backups"
"""The folder beside the nights."""
MANIFEST = "SHA256SUMS"
PART = "copying.part"
"""The one temporary file, in the device's folder; what a pull left under this name is known without looking around."""
REQUEST = "nightjar-export.toml"
BUNDLE = "nightjar-update.raucb"
"""An update that its owner has put there, at the top of the stick; it is taken when an admin says so, and never by itself."""
LARGEST_ON_FAT = (4 << 30) - 1
_PICTURE = re.compile(r"\d{8}T(\d{2})\d{4}Z-\d{1,15}\.jpg\Z")
_DEVICE_ID = re.compile(r"[0-9A-Za-z]{1,32}\Z")

Place = tuple[str, ...]
"""Where a file lies in the folder of its night: its folders and its name."""


def device_folder(untrusted_host_name: str, device_id: str) -> str:
    """Return the name of this device's folder: host name and id, for instance `roof-7K3M9QXD`.

    The host name is a person's word: what is not a small letter, a digit or a hyphen becomes a hyphen, and it is
    cut. The id keeps the name apart from DOS devices (CON, NUL) and from trailing dots, which FAT cannot hold.

    Raises
    ------
    InputError
        If the id is none.
    """
    if not _DEVICE_ID.match(device_id):
        raise InputError(f"not a device id: {device_id[:40]!r}")
    host = re.sub(r"[^a-z0-9]+", "-", untrusted_host_name.partition(".")[0].lower())[:63].strip("-")
    return f"{host or 'nightjar'}-{device_id}"


def place_of_picture(name: str) -> Place:
    """Return where a picture lies: by its hour in UTC, because a folder on FAT32 ends at 16,384 names as long as these."""
    found = _PICTURE.match(name)
    if found is None:
        raise InputError(f"not the name of a picture: {name[:80]!r}")
    return ("frames", found[1], name)


def place_of_product(name: str) -> Place:
    """Return where a product lies."""
    return ("products", name)


def place_of_backup(name: str) -> Place:
    """Return where a backup lies in its folder."""
    if not is_backup_name(name):
        raise InputError(f"not the name of a backup: {name[:80]!r}")
    return (name,)


def place_of_line(untrusted_path: str) -> Place | None:
    """Return the place that a line of a manifest names, or None where that is none of ours."""
    *folders, name = untrusted_path.split("/")
    if folders == ["products"] and name in NAMES:
        return place_of_product(name)
    if not folders and is_backup_name(name):
        return place_of_backup(name)
    if _PICTURE.match(name) and place_of_picture(name) == (*folders, name):
        return (*folders, name)
    return None
