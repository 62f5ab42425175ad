"""The machine as its neighbours in a network meet it: its name, and every port that answers.

The network is made for it: two rooms with name spaces of their own and a cable between them. In one is the plug that the
machine's network card is in, in the other a neighbour. This computer's own network is not touched; all ends with the rooms.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.image import outside, questions
from tests.image.card import COMMANDS, Cable, Card
from tests.image.setuptext import setup_text
from tests.integration.guest.machine import wait_for
from tests.integration.host import rooms

pytestmark = [
    pytest.mark.needs(*COMMANDS, *rooms.COMMANDS, "avahi-daemon", "dnsmasq"),
    pytest.mark.skipif(rooms.missing_right() != "", reason=rooms.missing_right()),
    pytest.mark.timeout(3600),
]

NEIGHBOUR, FIRST, LAST = "192.168.77.1", "192.168.77.100", "192.168.77.150"
LAN, PLUG, BRIDGE = "lan", "plug", "bridge"
ALL = list(range(1, 65536))
WAIT_S = 8.0
"""A question that was lost is asked again after 1, 3 and 7 s."""
ASK = "import json, sys; names = {'given': json.load(sys.stdin)}; exec(sys.argv[1], names); print(json.dumps(names['answer']))"
AVAHI = """\
[server]
host-name=nightjar
allow-interfaces=lan
use-ipv6=no
enable-dbus=no
[publish]
publish-aaaa-on-ipv4=no
[wide-area]
enable-wide-area=no
"""
RECEIVED = """
import glob
(name,) = [path for path in glob.glob("/sys/class/net/*") if not path.endswith("/lo")]
with open(f"{name}/statistics/rx_packets") as packets, open(f"{name}/statistics/rx_dropped") as dropped:
    answer = [int(packets.read()), int(dropped.read())]
"""


@dataclass(frozen=True)
class Neighbourhood:
    """Two rooms and the cable between them."""

    street: rooms.Room
    neighbour: rooms.Room

    @property
    def cable(self) -> Cable:
        """What the machine's network card hangs on."""
        net = f"tap,id=net,ifname={PLUG},script=no,downscript=no"
        words = ("-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile=")
        return Cable(words, ("nsenter", f"--target={self.street.holder}", "--net"))

    def python(self, text: str, *given: object, timeout_s: float = 600) -> Any:  # noqa: ANN401
        """Run a piece of Python where the neighbour is."""
        command = self.neighbour.command(sys.executable, "-I", "-c", ASK, text)
        ended = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=timeout_s)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def resolve(self, name: str) -> list[str]:
        """Return the addresses that the network has for a name."""
        return list(self.python(outside.MDNS, name, LAN, 60))

    @contextmanager
    def serving(self, folder: Path, *command: str) -> Iterator[None]:
        """Have a program run where the neighbour is."""
        with (folder / "neighbour.txt").open("ab") as said:
            ends_with_us = self.neighbour.command("setpriv", "--pdeathsig", "KILL", *command)
            running = subprocess.Popen(ends_with_us, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            try:
                yield
            finally:
                running.kill()
                running.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def neighbourhood(folder: Path) -> Iterator[Neighbourhood]:
    with rooms.room() as street, rooms.room() as neighbour:
        street.must("ip", "link", "add", BRIDGE, "type", "bridge")
        street.must("ip", "tuntap", "add", "dev", PLUG, "mode", "tap")
        street.must("ip", "link", "add", "wall", "type", "veth", "peer", "name", LAN, "netns", str(neighbour.holder))
        street.must("ip", "link", "set", PLUG, "txqueuelen", "20000")
        for name in (PLUG, "wall"):
            street.must("ip", "link", "set", name, "master", BRIDGE)
        for name in (PLUG, "wall", BRIDGE):
            street.must("ip", "link", "set", name, "up")
        neighbour.must("ip", "link", "set", LAN, "up")
        neighbour.must("ip", "address", "add", f"{NEIGHBOUR}/24", "dev", LAN)
        neighbour.must("mount", "-t", "tmpfs", "tmpfs", "/run")
        neighbour.must("mkdir", "/run/avahi-daemon")
        made = Neighbourhood(street, neighbour)
        addresses = ("--conf-file=/dev/null", "--user=root", "--port=0", f"--interface={LAN}", "--bind-interfaces")
        lease = f"--dhcp-leasefile={folder / 'leases'}"
        with made.serving(folder, "dnsmasq", "--keep-in-foreground", *addresses, lease, f"--dhcp-range={FIRST},{LAST}"):
            yield made


@pytest.fixture(scope="module")
def card(image: Path, u_boot: Path, folder: Path, neighbourhood: Neighbourhood, *, is_busy: bool) -> Iterator[Card]:
    """Return a card in a machine that hangs on that network."""
    with Card(image, u_boot, folder, is_counted=is_busy, cable=neighbourhood.cable) as made:
        yield made


@pytest.fixture(scope="module")
def addresses(card: Card, neighbourhood: Neighbourhood) -> list[str]:
    """Return the machine's addresses, as its neighbour finds them by its name, once its panel answers there."""
    found: list[str] = wait_for(lambda: of_the_lan(neighbourhood.resolve("nightjar.local")), "an address from the network", 900)
    wait_for(lambda: 443 in neighbourhood.python(outside.TCP, found[0], [443], WAIT_S)["open"], "the panel", 900)
    return found


def of_the_lan(found: list[str]) -> list[str]:
    """Return the addresses, the network's own first; none where it has not given one yet."""
    given = [one for one in found if one.startswith(NEIGHBOUR.removesuffix("1"))]
    return given + [one for one in found if one not in given] if given else []


def test_who_knows_the_name_finds_the_panel(card: Card, neighbourhood: Neighbourhood, addresses: list[str]) -> None:
    authority = wait_for(lambda: card.run("cat", "/data/nightjar-tls/ca.pem").out, "the authority", 900)
    asked = [addresses[0], "nightjar.local", authority, "GET", "/healthz", None, {}]
    assert wait_for(lambda: neighbourhood.python(outside.SECURE, *asked)[0] == 200, "the panel to be healthy", 900, 3)
    status, headers, _ = neighbourhood.python(outside.PLAIN, addresses[0], "nightjar.local", "/gallery")
    assert (status, headers["Location"]) == (308, "https://nightjar.local/gallery")


@pytest.mark.parametrize("version", [4, 6])
def test_exactly_these_ports_answer(card: Card, neighbourhood: Neighbourhood, addresses: list[str], version: int) -> None:
    place = addresses[0] if version == 4 else f"{link_local(card)}%{LAN}"
    before, _ = card.python(RECEIVED)
    assert neighbourhood.python(outside.TCP, place, ALL, WAIT_S) == {"open": [80, 443], "refused": []}
    after, dropped = card.python(RECEIVED)
    assert after - before >= len(ALL), "every question came to the machine"
    assert dropped == 0
    listening = {port for kind, _, port in card.python(questions.LISTENING) if kind.startswith("udp")}
    ports = sorted({*range(1, 1024), *range(1024, 10240), *listening})
    assert neighbourhood.python(outside.UDP, place, ports, WAIT_S) == {"answered": [5353], "refused": []}
    last, dropped = card.python(RECEIVED)
    assert (last - after >= len(ports), dropped) == (True, 0)


def link_local(card: Card) -> str:
    """Return the address that every machine with IPv6 has."""
    told = json.loads(card.must("ip", "-json", "-6", "address", "show", "scope", "link"))
    (address,) = [one["local"] for card_ in told for one in card_.get("addr_info", [])]
    return str(address)


def test_a_machine_whose_name_is_taken_gets_one_of_its_own(
    card: Card, neighbourhood: Neighbourhood, addresses: list[str], folder: Path
) -> None:
    card.must("systemctl", "stop", "avahi-daemon.socket", "avahi-daemon.service")
    (folder / "avahi.conf").write_text(AVAHI)
    squatter = ("avahi-daemon", f"--file={folder / 'avahi.conf'}", "--no-drop-root", "--no-chroot", "--no-rlimits")
    with neighbourhood.serving(folder, *squatter):
        wait_for(lambda: neighbourhood.resolve("nightjar.local") == [NEIGHBOUR], "the neighbour to have the name", 120)
        card.must("systemctl", "start", "avahi-daemon.socket", "avahi-daemon.service")
        told = wait_for(
            lambda: "https://nightjar.local" not in (text := setup_text(card)) and text, "SETUP.TXT to name another", 600, 5
        )
        (name,) = {line.partition("https://")[2].strip() for line in told.splitlines() if "https://nightjar-" in line}
        assert name.removeprefix("nightjar-").removesuffix(".local").upper() in told, "the end of the device id"
        assert addresses[0] in neighbourhood.resolve(name)
        assert neighbourhood.resolve("nightjar.local") == [NEIGHBOUR]
        authority = card.must("cat", "/data/nightjar-tls/ca.pem")
        asked = [addresses[0], name, authority, "GET", "/healthz", None, {}]
        wait_for(lambda: neighbourhood.python(outside.CERTIFIED, *asked[:3]), "a certificate for the name", 600, 3)
        assert neighbourhood.python(outside.SECURE, *asked)[0] == 200
