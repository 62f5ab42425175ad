"""The data partition that the guest begins with: a claimed panel, three nights and a certificate authority.

To make one takes an emulated processor a minute and a half; the first start of the built image is where it is seen.
"""

import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from appliance.security.names import names_for
from appliance.security.tokens import device_id_of
from appliance.store.files import DataFolder
from appliance.web.issuer import Issuer
from tests.integration.export.sky import NIGHTS, Sky
from tests.integration.guest.product import MACHINE_ID
from tests.unit.web.world import make_world

PRODUCT_BYTES = dict.fromkeys(NIGHTS, 8_000_000) | {NIGHTS[-1]: 200_000}
"""Keograms only: pictures that no row knows of are removed at the start, as a crash would have left them. The newest is small."""
SIZE = "1G"


def make_data(image: Path) -> Sky:
    """Write the image of the partition and return what is in its nights."""
    folder = image.parent / "seed"
    folder.mkdir()
    data = folder / "nightjar"
    with make_world(data) as world:
        world.claim()
    sky = Sky(data, folder)
    for night, size in PRODUCT_BYTES.items():
        sky.add(night, 0, size)
    private = folder / "nightjar-ca"
    private.mkdir(mode=0o700)
    Issuer(DataFolder(private), device_id_of(MACHINE_ID.encode())).ensure(names_for("nightjar", ()), datetime.now(UTC))
    command = ["mkfs.ext4", "-q", "-E", "root_owner=0:0", "-d", str(folder), str(image), SIZE]
    subprocess.run(command, check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    return sky
