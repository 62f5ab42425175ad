"""The same card in an emulated Raspberry Pi 3: its U-Boot, device tree, card slot and USB network, and nothing of QEMU's own."""

import contextlib
import hashlib
import http.client
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import partition
from tests.image.card import CARD_SIZE
from tests.image.setuptext import CODE
from tests.integration.guest.machine import free_ports, wait_for

pytestmark = [pytest.mark.needs("qemu-system-aarch64", *partition.COMMANDS), pytest.mark.timeout(3600)]

U_BOOT, DEVICE_TREE = "u-boot.bin", "bcm2837-rpi-3-b.dtb"
"""What a Pi's own processor loads from the first partition; QEMU has no such processor, and is given both."""
WATCHDOG, NO_WATCHDOG = (b"brcm,bcm2835-%b\0brcm,bcm2835-%b-wdt\0" % (name, name) for name in (b"pm", b"no"))
"""QEMU's watchdog of a Pi bites as soon as it is armed: the device tree that it is given has none."""
OWNER = b"[network]\nallow_usb_network = true\n"
"""The only network that QEMU gives a Pi 3 hangs on USB."""
ANSWERS_S = 2400.0
WRITTEN_S = 60.0
"""For SETUP.TXT to be there: what tells it to root is written as the panel opens."""


class Pi:
    """An emulated Pi 3 with a card."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.card, self.folder = folder / "card.qcow2", folder
        form = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.resolve()), "-F", "raw", str(self.card), CARD_SIZE]
        subprocess.run(form, check=True, timeout=60)
        for name in (U_BOOT, DEVICE_TREE):
            (folder / name).write_bytes(partition.get(self.card, folder, name))
        tree = (folder / DEVICE_TREE).read_bytes()
        assert tree.count(WATCHDOG) == 1
        (folder / DEVICE_TREE).write_bytes(tree.replace(WATCHDOG, NO_WATCHDOG))
        partition.put(self.card, folder, {"nightjar.toml": OWNER})
        (self.port,) = free_ports(1)

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Switch it on, and take its power away in the end."""
        command = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-aarch64", "-no-user-config", "-display", "none", "-M", "raspi3b",
            "-kernel", str(self.folder / U_BOOT), "-dtb", str(self.folder / DEVICE_TREE),
            "-drive", f"if=sd,format=qcow2,file={self.card},cache=unsafe",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:443", "-device", "usb-net,netdev=net",
            "-serial", f"file:{self.folder / 'first.txt'}", "-serial", f"file:{self.folder / 'second.txt'}", "-monitor", "none",
        ]  # fmt: skip
        with (self.folder / "qemu.txt").open("wb") as said:
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/")
        with running:
            try:
                yield
            finally:
                running.kill()

    def console(self) -> str:
        """Return what it says on its two serial ports, which U-Boot uses one after the other."""
        return "".join((self.folder / name).read_text(errors="replace") for name in ("first.txt", "second.txt"))

    def authority(self) -> bytes:
        """Return the certificate authority that the panel offers, as DER; nothing while it does not answer."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared with what stands on the card
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/certificate/nightjar-ca.crt")
                answer = connection.getresponse()
                return answer.read() if answer.status == 200 else b""
            except (OSError, http.client.HTTPException):
                return b""


@pytest.fixture(scope="module")
def pi(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Pi:
    return Pi(image, tmp_path_factory.mktemp("pi"))


def test_a_pi_starts_from_the_card_and_its_panel_waits_to_be_claimed(pi: Pi) -> None:
    with pi.on():
        began_s = time.monotonic()
        authority = wait_for(pi.authority, "the panel of a Pi 3", ANSWERS_S, 5)
        print(f"image: {time.monotonic() - began_s:.0f} s from power-on of a Pi 3 to its panel")
        time.sleep(WRITTEN_S)
    assert "RPI 3 Model B" in pi.console()
    assert "nightjar: starting system A, attempts left: A 2, B 0" in pi.console()
    told = partition.get(pi.card, pi.folder, "SETUP.TXT").decode()
    assert CODE.search(told), told
    assert hashlib.sha256(authority).hexdigest() in told.replace(":", "").replace("\n  ", "").lower()
