"""Names in the appliance's own Wi-Fi network: the real dnsmasq with our file for it."""

import re
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from appliance.housekeeping.ownpoint import ADDRESS
from tests.integration.host.busroom import OVERLAY, START_S, wait_for

pytestmark = pytest.mark.needs("dnsmasq")
FOLDER = OVERLAY / "etc/NetworkManager/dnsmasq-shared.d"
A, AAAA = 1, 28


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def port() -> Iterator[int]:
    """Start it with what NetworkManager would say of names (nm-dnsmasq-manager.c), on a port of its own."""
    number = free_port()
    command = ["dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--keep-in-foreground", "--bind-interfaces", "--no-resolv"]
    command += ["--listen-address=127.0.0.1", f"--port={number}", f"--conf-dir={FOLDER}", "--user=", "--pid-file"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: answer(number, "nightjar.local", A) is not None or server.poll() is not None, "dnsmasq")
            yield number
        finally:
            server.kill()


def answer(port: int, name: str, kind: int) -> bytes | None:
    """Return what a name server says; None where nobody is there yet."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(START_S)
        client.connect(("127.0.0.1", port))
        try:
            client.send(struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1))
            return client.recv(512)
        except ConnectionRefusedError:
            return None


def addresses(told: bytes | None) -> list[str]:
    assert told is not None
    return [
        ".".join(str(part) for part in found) for found in re.findall(rb"\x00\x01\x00\x01....\x00\x04(....)", told, re.DOTALL)
    ]


def test_every_name_leads_to_the_panel(port: int) -> None:
    for name in ("connectivitycheck.gstatic.com", "captive.apple.com", "nightjar.local"):
        assert addresses(answer(port, name, A)) == [ADDRESS]
        assert addresses(answer(port, name, AAAA)) == []
