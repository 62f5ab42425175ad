"""What Raspberry Pi Imager needs to list the image: a file of the form of its os-list-schema.json."""

import json
from datetime import UTC, datetime
from pathlib import Path


def entry(packed: Path, *, version: str, epoch: int, size: int, sha256: str, address: str) -> str:
    """Return the list with one entry.

    Parameters
    ----------
    packed : Path
        The download.
    version : str
    epoch : int
        Date of the image.
    size, sha256 : int, str
        Of the image when it is unpacked.
    address : str
        Folder from which image and icon will be fetched, with a slash at its end; empty for beside this file.
    """
    listed = {
        "name": f"Nightjar {version}",
        "description": "All-sky camera appliance for Raspberry Pi 3, 4 and Zero 2 W",
        "icon": f"{address}nightjar.svg",
        "url": f"{address}{packed.name}",
        "extract_size": size,
        "extract_sha256": sha256,
        "image_download_size": packed.stat().st_size,
        # Its settings come as a file that is read, not as a script that runs as root: nightjar-firstboot takes it over.
        "init_format": "rpi-preseed",
        "release_date": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d"),
    }
    return json.dumps({"os_list": [listed]}, indent=1) + "\n"
