"""The image from power-on to the panel, and what it is like inside: exact lists, so that an addition fails a test."""

import contextlib
import http.client
import re
import socket
import ssl
import time
from typing import Any

import pytest

from tests.image import questions
from tests.image.card import COMMANDS, Card
from tests.integration.guest.machine import wait_for

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(1800)]

OPEN = {("tcp6", "::", 443), ("tcp", "0.0.0.0", 443), ("tcp6", "::", 80), ("tcp", "0.0.0.0", 80), ("tcp", "0.0.0.0", 7624)}
MDNS = {("udp", "0.0.0.0", 5353), ("udp6", "::", 5353)}
ENABLED = {
    "NetworkManager.service", "NetworkManager-dispatcher.service", "avahi-daemon.service", "avahi-daemon.socket",
    "nftables.service", "systemd-timesyncd.service", "udisks2.service", "wpa_supplicant.service",
    "nightjar-ca.path", "nightjar-ca.service", "nightjar-ca.timer", "nightjar-data.service", "nightjar-factory-reset.path",
    "nightjar-firstboot.path", "nightjar-firstboot.service", "nightjar-indi.service", "nightjar-persist.path",
    "nightjar-persist.service", "nightjar-trust.path", "nightjar.service", "nightjar.socket",
}  # fmt: skip
WRITABLE = {"/var/tmp", "/run/lock", "/run/dbus/system_bus_socket"}
MEMORY_AT_REST_MB = 350
OF_OURS = {"nightjar": 801, "nightjar-indi": 802, "nightjar-ca": 803}
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


def test_the_panel_answers_and_waits_to_be_claimed(card: Card, panel: float) -> None:
    print(f"image: power-on to root's hand {card.booted_s:.0f} s, to a healthy panel {panel:.0f} s")
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


def test_the_slot_is_the_one_that_u_boot_chose(card: Card, panel: float) -> None:
    line = card.must("cat", "/proc/cmdline").split()
    assert "rauc.slot=A" in line
    assert {"ro", "panic=10"} <= set(line)
    assert "starting system A" in card.console.read_text(errors="replace")


def test_exactly_these_sockets_listen(card: Card, panel: float) -> None:
    found = {tuple(one) for one in card.python(questions.LISTENING)}
    # The answers to avahi's own questions come back to a port of the kernel's choice, and the firewall lets in answers only.
    low = {one for one in found if one[2] < 32768}
    assert low - MDNS <= OPEN, low
    assert {("tcp", 443), ("tcp", 80)} <= {(one[0].removesuffix("6"), one[2]) for one in low}
    assert MDNS & low


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
    found = card.python(questions.FILES, ["/", "/etc", "/var", "/data", "/run"], timeout_s=600)
    assert found["rights"] == []
    assert found["capabilities"] == []
    assert set(found["writable"]) == WRITABLE


def test_exactly_these_units_start_by_themselves_and_none_failed(card: Card, panel: float) -> None:
    wait_for(lambda: card.python(questions.UNITS)["state"] in {"running", "degraded"}, "the start to be over", 300)
    units: dict[str, Any] = card.python(questions.UNITS)
    assert units["failed"] == []
    assert set(units["enabled"]) == ENABLED
    assert units["state"] == "running"


def test_nobody_can_log_in(card: Card, panel: float) -> None:
    accounts = card.python(questions.ACCOUNTS)
    assert accounts["passwords"] == ["!*"]
    assert {name: accounts["numbers"][name] for name in OF_OURS} == OF_OURS, "who owns the data of a card after an update"
    assert {name for name, shell in accounts["shells"].items() if not shell.endswith(("nologin", "false", "sync"))} == {"root"}
    running = card.must("systemctl", "list-units", "--no-legend", "--plain", "--type=service", "--state=running")
    assert not re.search(r"getty|sshd?\.service|debug-shell", running)
    assert card.run("/bin/sh", "-c", "command -v sshd login agetty").out.split() in ([], ["/usr/sbin/agetty"], ["/usr/bin/login"])


def test_no_module_of_the_risky_kinds_is_loaded(card: Card, panel: float) -> None:
    loaded = [line.split()[0] for line in card.must("cat", "/proc/modules").splitlines()]
    assert [name for name in loaded if RISKY.match(name)] == []


def test_the_watchdog_of_the_machine_is_armed(card: Card, panel: float) -> None:
    assert "RuntimeWatchdogUSec=30s" in card.must("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert "active" in card.must("cat", "/sys/class/watchdog/watchdog0/state")


def test_memory_at_rest(card: Card, panel: float) -> None:
    memory = card.python(questions.MEMORY)
    used = memory["MemTotal"] - memory["MemAvailable"]
    print(f"image: {used} MB of memory used, {memory['SwapTotal']} MB of zram")
    assert used <= MEMORY_AT_REST_MB
    assert memory["SwapTotal"] > 0


def test_the_identity_and_the_name_outlive_a_restart(card: Card, panel: float) -> None:
    before = card.must("cat", "/etc/machine-id").strip()
    authority = card.must("cat", "/data/nightjar-tls/ca.pem")
    assert re.fullmatch("[0-9a-f]{32}", before)
    card.must("hostnamectl", "set-hostname", "hut")
    card.must("timedatectl", "set-timezone", "Europe/Berlin")
    wait_for(lambda: card.run("cat", "/data/persist/timezone").out.strip() == "Europe/Berlin", "the time zone to be kept")
    wait_for(lambda: card.run("cat", "/data/persist/hostname").out.strip() == "hut", "the name to be kept")
    card.restart()
    wait_for(lambda: ask(card, "/healthz") == 200, "the panel to answer again", 600)
    assert card.must("cat", "/etc/machine-id").strip() == before
    assert card.must("cat", "/data/nightjar-tls/ca.pem") == authority
    assert card.must("cat", "/proc/sys/kernel/hostname").strip() == "hut"
    assert card.must("readlink", "/etc/localtime").strip().endswith("zoneinfo/Europe/Berlin")
