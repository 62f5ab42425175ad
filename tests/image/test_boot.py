"""The image from power-on to the panel, and what it is like inside: exact lists, so that an addition fails a test."""

import contextlib
import http.client
import re
import socket
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.image import questions
from tests.image.card import COMMANDS, Card
from tests.image.conftest import results_file
from tests.image.cuts import write_down
from tests.image.partition import made_at
from tests.integration.guest.machine import wait_for

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(1800)]

OPEN = {("tcp6", "::", 443), ("tcp6", "::", 80), ("tcp", "0.0.0.0", 7624)}
"""The panel's ports answer IPv4 as well; the firewall keeps the camera's for the machine itself."""
MDNS = {("udp", "0.0.0.0", 5353), ("udp6", "::", 5353)}
ENABLED = {
    "NetworkManager.service", "NetworkManager-dispatcher.service", "NetworkManager-wait-online.service",
    "avahi-daemon.service", "avahi-daemon.socket", "systemd-remount-fs.service",
    "nftables.service", "systemd-timesyncd.service", "udisks2.service", "wpa_supplicant.service",
    "nightjar-ca.path", "nightjar-ca.service", "nightjar-ca.timer", "nightjar-data.service", "nightjar-factory-reset.path",
    "nightjar-firstboot.path", "nightjar-firstboot.service", "nightjar-indi.service", "nightjar-persist.path",
    "nightjar-persist.service", "nightjar-slot-health.service", "nightjar-trust.path", "nightjar-trust.service",
    "nightjar.service", "nightjar.socket",
}  # fmt: skip
ACTIVATED = {
    "nightjar-ca.path", "nightjar-ca.timer", "nightjar-factory-reset.path", "nightjar-firstboot.path", "nightjar-persist.path",
    "nightjar-trust.path", "nightjar.socket", "avahi-daemon.socket", "dbus.socket", "systemd-creds.socket",
    "systemd-hostnamed.socket", "systemd-initctl.socket", "systemd-journald-dev-log.socket", "systemd-journald.socket",
    "systemd-rfkill.socket", "systemd-sysext.socket", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
    "systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-tmpfiles-clean.timer",
}  # fmt: skip
"""What waits for an event and then starts something."""
WRITABLE = {
    "/tmp", "/var/tmp", "/tmp/.font-unix", "/tmp/.XIM-unix", "/tmp/.ICE-unix", "/tmp/.X11-unix", "/dev/shm", "/run/lock",
    "/run/dbus/system_bus_socket", "/run/avahi-daemon/socket", "/run/systemd/io.systemd.Hostname",
    "/run/systemd/io.systemd.Credentials", "/run/systemd/io.systemd.ManagedOOM", "/run/systemd/notify",
    "/run/systemd/journal/stdout", "/run/systemd/journal/socket", "/run/systemd/journal/dev-log",
    "/run/systemd/userdb/io.systemd.DynamicUser",
    "/dev/ptmx", "/dev/fuse", "/dev/tty", "/dev/urandom", "/dev/random", "/dev/full", "/dev/zero", "/dev/null",
}  # fmt: skip
"""Folders with the sticky bit, sockets of services that look at who asks, and devices that are nobody's."""
PRIVATE = re.compile(r"/(var/)?tmp/systemd-private-[0-9a-f]{32}-[a-z-]+\.service-[A-Za-z0-9]{6}/tmp\Z")
"""A service's own, in a folder that only root may enter."""
OF_OURS = {"nightjar": 801, "nightjar-indi": 802, "nightjar-ca": 803}
USERS = {
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list",
    "irc", "_apt", "nobody", "systemd-network", "systemd-timesync", "messagebus", "dnsmasq", "avahi", "polkitd", *OF_OURS,
}  # fmt: skip
GROUPS = {
    "root", "daemon", "bin", "sys", "adm", "tty", "disk", "lp", "mail", "news", "uucp", "man", "proxy", "kmem", "dialout", "fax",
    "voice", "cdrom", "floppy", "tape", "sudo", "audio", "dip", "www-data", "backup", "operator", "list", "irc", "src", "shadow",
    "utmp", "video", "sasl", "plugdev", "staff", "games", "users", "nogroup", "systemd-journal", "systemd-network",
    "systemd-timesync", "messagebus", "input", "sgx", "clock", "kvm", "render", "netdev", "avahi", "polkitd", *OF_OURS,
}  # fmt: skip
MEMORY_AT_REST_MB = 350
ADDRESSES = ("ip", "-6", "-brief", "address", "show", "scope", "link")
MEMBERS = {"dialout": ["nightjar-indi"], "video": ["nightjar-indi"]}
RISKY = re.compile(r"(usbhid|hid_generic|usbkbd|usbmouse|bluetooth|nfs|cifs|btrfs|xfs|ntfs3?|sctp|dccp|rds|tipc|firewire_core)\Z")


@pytest.fixture(scope="module")
def panel(card: Card) -> float:
    """Wait for the panel; return how long it took from power-on."""
    wait_for(lambda: ask(card, "/healthz") == 200, "the panel to answer", 600)
    return time.monotonic() - card.began_s


def ask(card: Card, path: str) -> int:
    """Return the status of a page, over HTTPS by the device's own authority; 0 where nobody answers yet."""
    authority = card.run("cat", "/data/nightjar-tls/ca.pem").out
    if not authority:
        return 0
    context = ssl.create_default_context(cadata=authority)
    with contextlib.closing(http.client.HTTPSConnection("nightjar.local", timeout=60)) as connection:
        try:
            plain = socket.create_connection(("127.0.0.1", card.port), timeout=60)
            connection.sock = context.wrap_socket(plain, server_hostname="nightjar.local")
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


def test_the_panel_answers_and_waits_to_be_claimed(card: Card, panel: float, image: Path, pytestconfig: pytest.Config) -> None:
    print(f"image: power-on to root's hand {card.booted_s:.0f} s, to a healthy panel {panel:.0f} s")
    taken = {"image": made_at(image).isoformat(), "to_hand_s": round(card.booted_s, 1), "to_panel_s": round(panel, 1)}
    write_down(results_file("starts.jsonl", pytestconfig), taken)
    assert ask(card, "/healthz") == 200
    assert ask(card, "/claim") == 200
    assert ask(card, "/api/v1/system") in {401, 403, 404}


def test_the_system_is_read_only_and_the_data_take_the_rest_of_the_card(card: Card, panel: float) -> None:
    mounts = {line.split()[1]: line.split() for line in card.must("cat", "/proc/mounts").splitlines()}
    assert mounts["/"][2] == "squashfs"
    assert "ro" in mounts["/"][3].split(",")
    assert {place: mounts[place][2] for place in ("/etc", "/var", "/data")} == {
        "/etc": "overlay",
        "/var": "overlay",
        "/data": "ext4",
    }
    assert {"nodev", "nosuid", "noexec"} <= set(mounts["/data"][3].split(","))
    size = int(card.must("df", "--output=size", "--block-size=1M", "/data").split()[1])
    assert 2000 < size < 2700, "what the partitions before leave of 4 GiB"
    room = card.python("import os; room = os.statvfs('/data'); answer = (room.f_bfree - room.f_bavail) / room.f_blocks")
    assert 0.005 < room < 0.02, "what is for root and for the file system itself"


def test_the_slot_is_the_one_that_u_boot_chose(card: Card, panel: float) -> None:
    line = card.must("cat", "/proc/cmdline").split()
    assert "rauc.slot=A" in line
    assert {"ro", "panic=10"} <= set(line)
    assert "starting system A" in card.console.read_text(errors="replace")


def test_exactly_these_sockets_listen(card: Card, panel: float) -> None:
    found = {tuple(one) for one in card.python(questions.LISTENING)}
    # The answers to avahi's own questions come back to a port of the kernel's choice, and the firewall lets in answers only.
    low = {one for one in found if one[2] < 32768}
    assert low == OPEN | MDNS
    assert {one[0].rstrip("6") for one in found - low} <= {"udp"}


def test_from_outside_only_the_panel_is_reached(card: Card, panel: float) -> None:
    assert ask(card, "/healthz") == 200
    for port, is_open in ((card.plain_port, True), (card.indi_port, False), (card.other_port, False)):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as outside:
            outside.settimeout(8)
            outside.sendall(b"GET / HTTP/1.1\r\nHost: nightjar.local\r\n\r\n")
            try:
                heard = outside.recv(64)
            except (TimeoutError, ConnectionResetError):
                heard = b""
        assert bool(heard) is is_open, port


def test_nothing_can_become_somebody_else_and_nothing_is_everybodys(card: Card, panel: float) -> None:
    tops = ["/", "/etc", "/var", "/data", "/run", "/run/lock", "/dev", "/dev/shm", "/dev/pts", "/tmp", "/media"]
    found = card.python(questions.FILES, tops, timeout_s=900)
    assert found["rights"] == []
    assert found["capabilities"] == []
    assert {path for path in found["writable"] if not PRIVATE.match(path)} == WRITABLE


def test_exactly_these_units_start_by_themselves_and_none_failed(card: Card, panel: float) -> None:
    wait_for(lambda: card.python(questions.UNITS)["state"] in {"running", "degraded"}, "the start to be over", 300)
    units: dict[str, Any] = card.python(questions.UNITS)
    assert units["failed"] == []
    assert set(units["enabled"]) == ENABLED
    assert set(units["activated"]) == ACTIVATED
    assert units["state"] == "running"


def test_nobody_can_log_in(card: Card, panel: float) -> None:
    accounts = card.python(questions.ACCOUNTS)
    assert accounts["passwords"] == ["!*"]
    assert {name: accounts["numbers"][name] for name in OF_OURS} == OF_OURS, "who owns the data of a card after an update"
    assert accounts["numbers"].keys() == USERS
    assert accounts["members"].keys() == GROUPS
    assert {name: members for name, members in accounts["members"].items() if members} == MEMBERS
    assert {name for name, shell in accounts["shells"].items() if not shell.endswith(("nologin", "false", "sync"))} == {"root"}
    running = card.must("systemctl", "list-units", "--no-legend", "--plain", "--type=service", "--state=running")
    assert not re.search(r"getty|sshd?\.service|debug-shell", running)
    assert card.run("/bin/sh", "-c", "command -v sshd login agetty").out.split() in ([], ["/usr/sbin/agetty"], ["/usr/bin/login"])


def test_no_module_of_the_risky_kinds_is_loaded_or_could_be(card: Card, panel: float) -> None:
    loaded = [line.split()[0] for line in card.must("cat", "/proc/modules").splitlines()]
    there = card.must("find", "/usr/lib/modules", "-name", "*.ko*", "-printf", "%f\\n").split()
    assert {"ext4", "overlay", "virtio_blk"} <= set(loaded)
    assert len(there) > len(loaded)
    assert [name for name in (*loaded, *there) if RISKY.match(name.partition(".")[0].replace("-", "_"))] == []


def test_the_watchdog_of_the_machine_is_armed(card: Card, panel: float) -> None:
    assert "RuntimeWatchdogUSec=30s" in card.must("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert "active" in card.must("cat", "/sys/class/watchdog/watchdog0/state")


def test_memory_at_rest(card: Card, panel: float) -> None:
    memory = card.python(questions.MEMORY)
    used = memory["MemTotal"] - memory["MemAvailable"]
    print(f"image: {used} MB of memory used, {memory['SwapTotal']} MB of zram")
    assert used <= MEMORY_AT_REST_MB
    assert memory["SwapTotal"] > 0


def is_kept(card: Card, file: str, value: str) -> bool:
    """Say whether it is kept, and systemd looks for the next change again."""
    is_over = card.properties("nightjar-persist.service", "ActiveState") == {"ActiveState": "inactive"}
    return is_over and card.run("cat", f"/data/persist/{file}").out.strip() == value


def test_the_identity_and_the_name_outlive_a_restart(card: Card, panel: float) -> None:
    before = card.must("cat", "/etc/machine-id").strip()
    authority = card.must("cat", "/data/nightjar-tls/ca.pem")
    addresses = card.must(*ADDRESSES)
    assert re.fullmatch("[0-9a-f]{32}", before)
    for command, file, value in (
        (("hostnamectl", "set-hostname", "hut"), "hostname", "hut"),
        (("timedatectl", "set-timezone", "Europe/Berlin"), "timezone", "Europe/Berlin"),
        (("hostnamectl", "set-hostname", "cabin"), "hostname", "cabin"),
        (("timedatectl", "set-timezone", "Europe/Vienna"), "timezone", "Europe/Vienna"),
    ):
        card.must(*command)
        wait_for(partial(is_kept, card, file, value), f"the {file} to be kept")
    card.restart()
    wait_for(lambda: ask(card, "/healthz") == 200, "the panel to answer again", 600)
    assert card.must("cat", "/etc/machine-id").strip() == before
    assert card.must("cat", "/data/nightjar-tls/ca.pem") == authority
    assert card.must("cat", "/proc/sys/kernel/hostname").strip() == "cabin"
    assert card.must(*ADDRESSES) == addresses
    assert card.must("readlink", "/etc/localtime").strip().endswith("zoneinfo/Europe/Vienna")
