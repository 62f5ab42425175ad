"""The owner's files on the card: what Imager and an editor wrote before power-on is taken over once, and no more than that."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image import partition
from tests.image.card import COMMANDS, Card
from tests.image.setuptext import setup_code, setup_text
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS, *partition.COMMANDS), pytest.mark.timeout(3600)]

PASSPHRASE, ACCOUNT = "a lake in winter", "a key to the house"
KEY = "171c1b9f37d3fbdaa835e82431ec5459fac908d309166edb280be272535c20c4"
"""Of the network with that passphrase (IEEE 802.11, annex J)."""
IMAGER = f"""\
# Written by Raspberry Pi Imager
config_version = "1.1"

[system]
hostname = "Hut"

[user]
name = "ada"
password = "{ACCOUNT}"
password_encrypted = false

[ssh]
enabled = true
password_authentication = true
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIOf7gkYQx0d2D5yHkqm0SmsPYvRj2wFfUmDW8b0bqkM ada@desk"]

[wlan]
ssid = "Lake house"
password = "{PASSPHRASE}"   # the guests know it, too
password_encrypted = false
hidden = true
country = "at"

[locale]
keymap = "de"
timezone = "Europe/Vienna"

[time]
ntp = ["192.0.2.123", "time.example.net"]

[runcmd]
late = ["touch /data/owned /etc/owned"]
"""
OURS = """\
[site]
name = "Hut on the hill"
latitude_deg = 47.5
longitude_deg = 13.25
timezone = "Europe/Vienna"

[camera]
driver = "indi_simulator_ccd"
"""
DAMAGED = """\
[system]
hostname = "other
"""
WIFI = "/data/persist/connections/nightjar-owner.nmconnection"
AVAHI = ("busctl", "--json=short", "call", "org.freedesktop.Avahi", "/", "org.freedesktop.Avahi.Server", "GetHostNameFqdn")
TIMESYNC = (
    "busctl", "--json=short", "get-property", "org.freedesktop.timesync1", "/org/freedesktop/timesync1",
    "org.freedesktop.timesync1.Manager", "SystemNTPServers",
)  # fmt: skip
ACCOUNTS = """
import pathlib
answer = [line.split(":")[0] for line in pathlib.Path("/etc/passwd").read_text().splitlines()]
answer += [str(path) for top in ("/root", "/home", "/etc/ssh") for path in pathlib.Path(top).rglob("*")]
"""
HOLDS = """
import os, stat
answer = []
for top in ("/data", "/etc", "/run", "/var"):
    for folder, _, names in os.walk(top):
        for path in (os.path.join(folder, name) for name in names):
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    held = file.read()
                answer += [path for text in given if text.encode() in held]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owner")


@pytest.fixture(scope="module")
def card(image: Path, u_boot: Path, folder: Path, *, is_busy: bool) -> Iterator[Card]:
    """Return a card that its owner had in a computer before the first start."""
    made = Card(image, u_boot, folder, is_counted=is_busy)
    partition.put(made.card, folder, {"rpi-preseed.toml": IMAGER.encode(), "nightjar.toml": OURS.encode()})
    with made:
        yield made


@pytest.fixture(scope="module")
def panel(card: Card) -> Panel:
    """Return the panel, claimed by whoever has SETUP.TXT."""
    made = Panel(card, "hut.local")
    made.meet(card, 1500)
    made.claim_with(setup_code(card))
    return made


def asked(card: Card, words: tuple[str, ...]) -> Any:  # noqa: ANN401 - what the bus says has any form
    return json.loads(card.must(*words))["data"]


def test_the_machine_has_the_name_and_the_time_zone(card: Card, panel: Panel) -> None:
    assert card.must("cat", "/proc/sys/kernel/hostname", "/etc/hostname", "/data/persist/hostname").split() == ["hut"] * 3
    assert card.must("readlink", "/etc/localtime").strip() == "/usr/share/zoneinfo/Europe/Vienna"
    assert card.must("date", "--date=2026-07-01T00:00:00Z", "+%Z").strip() == "CEST"
    assert wait_for(lambda: asked(card, AVAHI), "the name in the network") == ["hut.local"]
    assert panel.get("/healthz").status == 200, "and the certificate is for that name"


def test_the_wi_fi_network_is_one_of_root_s_alone(card: Card, panel: Panel) -> None:
    assert card.must("stat", "--format=%a %U %G", WIFI).strip() == "600 root root"
    wanted = "802-11-wireless.ssid,802-11-wireless.hidden,802-11-wireless-security.key-mgmt,802-11-wireless-security.psk"
    told = card.must("nmcli", "--show-secrets", "--get-values", wanted, "connection", "show", "Wi-Fi of the owner's file")
    assert told.splitlines() == ["Lake house", "yes", "wpa-psk", KEY]
    assert card.must("cat", "/data/persist/wifi-country", "/run/nightjar-firstboot/wifi-country").split() == ["AT", "AT"]


def test_the_time_comes_from_the_owner_s_servers(card: Card, panel: Panel) -> None:
    assert asked(card, TIMESYNC) == ["192.0.2.123", "time.example.net"]


def test_the_panel_has_site_and_camera(card: Card, panel: Panel) -> None:
    settings = panel.get("/api/v1/settings").json()
    site = {name: settings["site"][name] for name in ("name", "latitude_deg", "longitude_deg", "timezone")}
    assert site == {"name": "Hut on the hill", "latitude_deg": 47.5, "longitude_deg": 13.25, "timezone": "Europe/Vienna"}
    assert settings["camera"]["driver"] == "indi_simulator_ccd"
    assert b"Hut on the hill" in panel.get("/").body
    assert "owner's file" in html.unescape(panel.get("/settings/revisions").body.decode())


def test_what_would_open_the_machine_is_refused_and_told(card: Card, panel: Panel) -> None:
    refused = {
        "rpi-preseed.toml, [user]: refused: nobody can log in on this appliance",
        "rpi-preseed.toml, [ssh]: refused: there is no SSH on this appliance",
        "rpi-preseed.toml, [runcmd]: refused: no commands are run",
    }
    (issue,) = [one for one in panel.get("/api/v1/system").json()["issues"] if one["key"] == "owner.refused"]
    shown, logged = setup_text(card), card.must("journalctl", "--boot", "--unit=nightjar-firstboot", "--output=cat")
    for line in refused:
        assert line in issue["advice"]
        assert line in shown
        assert f"nightjar-firstboot: {line}" in logged
    assert card.run("ls", "/data/owned", "/etc/owned").out == ""
    assert "ada" not in card.python(ACCOUNTS)
    assert not [name for name in card.python(ACCOUNTS) if "/" in name and "authorized_keys" in name]


def test_no_password_of_the_owner_s_is_left_anywhere(card: Card, panel: Panel) -> None:
    card.must("sync")
    assert card.python(HOLDS, [PASSPHRASE, ACCOUNT]) == []
    assert KEY in card.must("cat", WIFI), "else what was looked for could not be found"


def test_the_owner_finds_the_files_without_the_passwords_and_a_damaged_one_changes_nothing(
    card: Card, panel: Panel, folder: Path
) -> None:
    card.switch_off()
    left = partition.get(card.card, folder, "rpi-preseed.toml").decode()
    assert left == IMAGER.replace(f'"{PASSPHRASE}"', '"***"').replace(f'"{ACCOUNT}"', '"***"')
    assert partition.get(card.card, folder, "nightjar.toml").decode() == OURS
    with partition.partition(card.card, partition.FIRMWARE, folder) as firmware:
        held = firmware.read_bytes()
    assert PASSPHRASE.encode() not in held
    assert ACCOUNT.encode() not in held

    partition.put(card.card, folder, {"rpi-preseed.toml": DAMAGED.encode()})
    card.start()
    panel.meet(card, 1500)
    told = wait_for(
        lambda: "Not taken over" in (text := setup_text(card)) and "hut.local" in text and text, "SETUP.TXT to tell", 600, 3
    )
    assert "rpi-preseed.toml: cannot be read: Illegal character" in told
    assert card.must("cat", "/proc/sys/kernel/hostname").strip() == "hut"
    assert panel.get("/api/v1/settings").json()["site"]["name"] == "Hut on the hill"
