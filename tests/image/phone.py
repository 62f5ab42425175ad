"""A phone beside the machine, on the air: made-up radios of the kernel's, one of which lives in a room of its own in the machine.

The image has neither such radios nor the kernel's software for them: both are handed in from the kernel package that the image
was made from, and the image's own bytes stay as they are.
"""

import base64
import hashlib
import io
import lzma
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from imagebuild import lock
from imagebuild.cache import Cache
from tests.image import outside
from tests.image.card import Card
from tests.integration.guest import agent
from tests.integration.guest.machine import wait_for
from tests.integration.process.appliance import Answer, Appliance

ROOT = Path(__file__).parents[2]
MODULES = ("libarc4", "mac80211", "mac80211_hwsim")
"""In the order in which they are loaded."""
HOME, ROOM, RADIO = "/run/phone", "phone", "wlan1"
PROBE = f"{HOME}/probe"
MOVE = """
import os, socket, struct
def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\\0" * (-len(value) % 4)
def ask(family, command, *attributes):
    content = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    kernel.send(struct.pack("=IHHII", 16 + len(content), family, 5, 1, 0) + content)
    said = kernel.recv(1 << 16)
    if struct.unpack_from("=H", said, 4)[0] == 2 and (code := struct.unpack_from("=i", said, 16)[0]):
        raise OSError(-code, os.strerror(-code))
    return said
radio, room = given
with open(f"/sys/class/net/{radio}/phy80211/index") as file:
    index = int(file.read())
room = os.open(f"/run/netns/{room}", os.O_RDONLY)
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as kernel:
    said = ask(16, 3, attribute(2, b"nl80211\\0"))
    at = 20
    while struct.unpack_from("=HH", said, at)[1] != 1:
        at += struct.unpack_from("=H", said, at)[0] + 3 & ~3
    family = struct.unpack_from("=H", said, at + 4)[0]
    kernel.recv(1 << 16)
    ask(family, 49, attribute(1, struct.pack("=I", index)), attribute(219, struct.pack("=I", room)))
os.close(room)
"""
"""Moves a radio into a room (linux/nl80211.h: NL80211_CMD_SET_WIPHY_NETNS, NL80211_ATTR_WIPHY, NL80211_ATTR_NETNS_FD)."""
XZ, PIECE = b"\xfd7zXZ\0", 1 << 17
"""How a packed file begins, and how much of one is handed in at once: the port into the machine is narrow."""
APPEND = """
import base64
path, piece = given
with open(path, "ab") as file:
    file.write(base64.b64decode(piece))
"""
UNPACK = """
import lzma, os
with lzma.open(given + ".xz") as packed, open(given, "wb") as file:
    file.write(packed.read())
os.chmod(given, 0o755)
os.unlink(given + ".xz")
"""
LEASE = f"""\
#!/bin/sh
case $1 in
    bound) /usr/sbin/ip address add "$ip/$mask" dev "$interface"; printf '%s\\n' "$ip" "$router" "$dns" >{HOME}/lease ;;
esac
"""


def parts(package: str, *endings: str) -> dict[str, bytes]:
    """Return files of a package that the image was made from, by the end of their path."""
    (wanted,) = [
        one for one in lock.read(ROOT / "image-build/packages.lock") if one.name.startswith(package) and one.use == "parts"
    ]
    file = Cache().pool / wanted.file
    assert file.is_file(), f"{wanted.file} is where ./build.sh image was run on this computer"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == wanted.sha256
    packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], check=True, capture_output=True, timeout=300).stdout
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            for ending in endings:
                if member.isfile() and member.name.endswith(ending) and (content := archive.extractfile(member)):
                    found[ending] = content.read()
    assert set(found) == set(endings)
    return found


class Phone:
    """Joins the machine's own network, and looks at it from there."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def appear(self) -> None:
        """Bring two radios into the machine, of which the second is the phone's."""
        card = self._card
        card.must("mkdir", HOME)
        endings = {name: f"/{name}.ko.xz" for name in MODULES}
        found = parts("linux-image-", *endings.values())
        for name in MODULES:
            self._hand_in(f"{name}.ko", found[endings[name]])
        self._hand_in("busybox", parts("busybox-static", "bin/busybox")["bin/busybox"])
        self._hand_in("agent", Path(str(agent.__file__)).read_bytes())
        self._hand_in("lease.sh", LEASE.encode())
        card.must("modprobe", "cfg80211")
        for name in MODULES:
            card.must("insmod", f"{HOME}/{name}.ko", *(("radios=2",) if name == MODULES[-1] else ()))
        card.must("ip", "netns", "add", ROOM)
        card.python(MOVE, [RADIO, ROOM])
        self._start("probe", "/usr/bin/python3", "-I", f"{HOME}/agent", PROBE)
        wait_for(lambda: card.run("test", "-S", PROBE).code == 0, "the phone's hand", 120)

    def join(self, network: str, key: str) -> None:
        """Begin to join a network, and no other from now on."""
        self._card.run("systemctl", "stop", "phone-join")
        lines = ["ctrl_interface=" + HOME + "/control", "network={", f'ssid="{network}"', f'psk="{key}"', "key_mgmt=WPA-PSK", "}"]
        self._hand_in("join.conf", "\n".join(lines).encode())
        self._start("join", "/usr/sbin/wpa_supplicant", "-D", "nl80211", "-i", RADIO, "-c", f"{HOME}/join.conf")

    @property
    def is_joined(self) -> bool:
        """Whether the network has let it in."""
        return "wpa_state=COMPLETED" in self._card.run("/usr/sbin/wpa_cli", "-p", f"{HOME}/control", "-i", RADIO, "status").out

    @property
    def told(self) -> str:
        """What it has to say of joining."""
        return self._card.must("journalctl", "--boot", "--unit=phone-join", "--output=cat")

    def lease(self) -> tuple[str, str, str]:
        """Ask for an address; return it, the router's and the name server's."""
        command = ("/usr/sbin/ip", "netns", "exec", ROOM, f"{HOME}/busybox", "udhcpc", "-i", RADIO, "-n", "-q", "-f", "-t", "10")
        self._card.must(*command, "-s", f"{HOME}/lease.sh")
        address, router, server = self._card.must("cat", f"{HOME}/lease").split()
        return address, router, server

    def python(self, text: str, given: object, timeout_s: float = 300) -> Any:  # noqa: ANN401
        """Run a piece of Python where the phone is."""
        return self._card.python(text, given, timeout_s, via=PROBE)

    def _start(self, name: str, *command: str) -> None:
        room = f"--property=NetworkNamespacePath=/run/netns/{ROOM}"
        self._card.must(
            "systemd-run", "--quiet", "--collect", f"--unit=phone-{name}", room, "--property=LimitNOFILE=16384", *command
        )

    def _hand_in(self, name: str, content: bytes) -> None:
        packed = content if content.startswith(XZ) else lzma.compress(content)
        for at in range(0, len(packed), PIECE):
            self._card.python(APPEND, [f"{HOME}/{name}.xz", base64.b64encode(packed[at : at + PIECE]).decode()])
        self._card.python(UNPACK, f"{HOME}/{name}")


class PanelOnAir(Appliance):
    """The panel, as the phone's browser meets it."""

    def __init__(self, phone: Phone, place: str, authority: str, folder: Path) -> None:
        super().__init__(folder)
        self._phone, self._place, self._authority = phone, place, authority

    @property
    def origin(self) -> str:
        """Where its pages come from, as a browser says it."""
        return f"https://{self._place}"

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Make one request."""
        sent = base64.b64encode(body).decode() if body is not None else None
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        asked = [self._place, self._place, self._authority, method, path, sent, {**cookie, **headers}]
        status, answered, cookies, page = self._phone.python(outside.SECURE, asked)
        return Answer(status, answered, cookies, base64.b64decode(page))
