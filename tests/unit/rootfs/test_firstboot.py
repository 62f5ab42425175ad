"""What `nightjar-firstboot` takes from the owner's files, what it refuses, and what it leaves on the card."""

import contextlib
import hashlib
import json
import os
import pwd
import re
import struct
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.security.tokens import device_id_of
from tests.unit.rootfs import scripts

firstboot = scripts.load("nightjar-firstboot")
ROOT = Path(__file__).parents[3]
MACHINE_ID = b"0123456789abcdef0123456789abcdef\n"
DEVICE_ID = device_id_of(MACHINE_ID)

IMAGER = """\
config_version = "1.1"

[system]
hostname = "Roof"

[user]
name = "alice"
password = "changeme"

[ssh]
enabled = true
authorized_keys = ["ssh-ed25519 AAAA alice@laptop"]

[wlan]
ssid = "IEEE"
password = "password"   # the printer knows it, too
password_encrypted = false
country = "at"

[locale]
keymap = "gb"
timezone = "Europe/Vienna"

[time]
ntp = ["time.example.org", "192.0.2.1"]

[packages]
install = ["vim"]

[runcmd]
late = ["touch /etc/owned"]
"""
KEY = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
"""Of the network IEEE with the password `password`: the first test vector of IEEE 802.11, annex J."""


@dataclass
class Card:
    """A made-up device in a folder, and what was asked of its kernel."""

    folder: Path
    names: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = firstboot.Places(
            **{name: self.folder / name for name in ("firmware", "etc", "zones", "persist", "handed", "shown", "boot", "usb")},
            timesyncd=self.folder / "timesyncd",
            screen=self.folder / "tty1",
            user=pwd.getpwuid(os.getuid()).pw_name,
        )
        for name in ("firmware", "etc", "persist/connections", "handed", "shown", "boot", "timesyncd"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "zones/Europe").mkdir(parents=True)
        (self.folder / "zones/Europe/Vienna").write_bytes(b"TZif")
        (self.folder / "etc/machine-id").write_bytes(MACHINE_ID)

    def put(self, name: str, content: str | bytes) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        (self.folder / "firmware" / name).write_bytes(data)

    def start(self, code: int = 0) -> None:
        machine = firstboot.Machine(self.names.append, self.countries.append)
        assert firstboot.main([], self.places, machine) == code

    def show(self, setup: str = "Setup code: AAAA-BBBB-CCCC", screen: str = "https://nightjar.local") -> None:
        (self.folder / "shown/show.json").write_text(json.dumps({"setup": setup, "screen": screen}))

    def read(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()

    @property
    def owner(self) -> dict[str, object]:
        found = json.loads(self.read("handed/owner.json"))
        assert isinstance(found, dict)
        return found

    @property
    def connection(self) -> Path:
        return self.folder / "persist/connections/nightjar-owner.nmconnection"


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


# Taking over


def test_imagers_file_sets_name_zone_network_and_servers(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.start()
    assert (card.read("etc/hostname"), card.names) == ("roof\n", ["roof"])
    assert (card.folder / "etc/localtime").readlink() == card.places.zones / "Europe/Vienna"
    assert (card.read("persist/wifi-country"), card.countries) == ("AT\n", ["AT"])
    assert card.read("timesyncd/nightjar-owner.conf") == "[Time]\nNTP=time.example.org 192.0.2.1\n"
    assert card.connection.stat().st_mode & 0o777 == 0o600
    assert f"\nssid=73;69;69;69;\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={KEY}\n" in card.connection.read_text()
    assert card.owner["settings"] == {"site.timezone": "Europe/Vienna"}
    assert card.owner["origins"] == {"site.timezone": "rpi-preseed.toml, locale.timezone"}


def test_what_would_make_an_account_or_run_a_program_is_refused_and_told_and_the_rest_is_done(card: Card) -> None:
    card.put(
        "rpi-preseed.toml", IMAGER + '[boot]\ncmdline_txt = "init=/bin/sh"\n[mounts]\nfstab = ["x"]\n[connect]\nenabled = true\n'
    )
    card.put("firstrun.sh", "touch /etc/owned")
    before = set((card.folder / "etc").rglob("*"))
    card.start()
    refused = {line.partition(":")[0].partition("[")[2].rstrip("]") for line in card.owner["told"] if "[" in str(line)}  # type: ignore[attr-defined]
    assert refused == {"user", "ssh", "packages", "runcmd", "boot", "mounts", "connect"}
    assert "firstrun.sh: not read; use nightjar.toml or Raspberry Pi Imager" in card.owner["told"]  # type: ignore[operator]
    made = {path.name for path in set((card.folder / "etc").rglob("*")) - before}
    assert made == {"hostname", "localtime"}


def test_our_file_counts_where_both_say_something(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.put("custom.toml", 'config_version = 1\n[system]\nhostname = "old"\n')
    card.put(
        "nightjar.toml",
        '[network]\nhostname = "dome"\nallow_usb_network = true\ncountry = "DE"\n'
        '[site]\nname = "My roof"\nlatitude_deg = 48\nlongitude_deg = 16.4\n[camera]\ndriver = "indi_asi_ccd"\n',
    )
    card.start()
    assert card.names == ["dome"]
    assert card.countries == ["DE"]
    assert (card.folder / "boot/allow-usb-network").exists()
    assert card.owner["settings"] == {
        "site.timezone": "Europe/Vienna",
        "site.name": "My roof",
        "site.latitude_deg": 48.0,
        "site.longitude_deg": 16.4,
        "camera.driver": "indi_asi_ccd",
    }


def test_the_template_on_the_card_asks_for_nothing_and_filled_in_for_everything(card: Card) -> None:
    template = (ROOT / "firmware-config/nightjar.toml").read_text()
    card.put("nightjar.toml", template)
    card.start()
    assert (card.owner["settings"], card.owner["told"], card.names) == ({}, [], [])
    filled = re.sub(r"^# (?=\[|[a-z_]+ = )", "", template, flags=re.MULTILINE).replace('"..."', '"longer than 8"')
    (card.folder / "zones/Europe/Berlin").write_bytes(b"TZif")
    card.put("nightjar.toml", filled)
    card.start()
    assert card.owner["told"] == []
    assert len(tomllib.loads(filled)["network"]) == 7
    assert len(card.owner["settings"]) == 5  # type: ignore[arg-type]
    assert card.connection.exists()
    assert "longer than 8" not in card.read("firmware/nightjar.toml")


def test_the_same_files_are_taken_over_once(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.start()
    (card.folder / "etc/hostname").write_text("changed-in-the-panel\n")
    card.connection.write_text("changed in the panel")
    card.start()
    assert card.names == ["roof"]
    assert card.read("etc/hostname") == "changed-in-the-panel\n"
    assert card.connection.read_text() == "changed in the panel"
    assert card.countries == ["AT", "AT"], "the kernel forgets it at each start"
    card.put("rpi-preseed.toml", card.read("firmware/rpi-preseed.toml").replace("Roof", "attic"))
    card.start()
    assert card.names == ["roof", "attic"]
    assert card.connection.read_text() == "changed in the panel", "the password is not known any more"


def test_a_password_that_was_written_anew_is_taken_over_again(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.start()
    card.put("rpi-preseed.toml", IMAGER.replace('"password"', '"another one"'))
    card.start()
    key = hashlib.pbkdf2_hmac("sha1", b"another one", b"IEEE", 4096, 32).hex()
    assert f"psk={key}" in card.connection.read_text()


def test_after_a_reset_the_missing_password_is_asked_for(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.start()
    card.connection.unlink()
    (card.folder / "persist/owner-files").unlink()
    card.start()
    assert not card.connection.exists()
    assert any("write it into the file again" in line for line in card.owner["told"])  # type: ignore[attr-defined]


def test_what_fails_is_tried_again_and_keeps_nothing_else_from_being_done(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.show()
    connections = card.folder / "persist/connections"
    connections.rmdir()
    card.start(code=1)
    assert 'password = "password"' in card.read("firmware/rpi-preseed.toml"), "it is needed yet"
    assert "failed" in card.read("firmware/SETUP.TXT")
    connections.mkdir()
    card.start()
    assert card.connection.exists()


def test_arguments_are_refused(card: Card) -> None:
    assert firstboot.main(["--firmware", "/"], card.places) == 2


# Values


REFUSED_ENTRIES = [
    '[network]\nhostname = "-roof"\n',
    '[network]\nhostname = "localhost"\n',
    '[network]\nhostname = "a.b"\n',
    f'[network]\nhostname = "{"a" * 64}"\n',
    "[network]\nhostname = 5\n",
    '[network]\ncountry = "AUT"\n',
    '[network]\ncountry = "A\\n"\n',
    '[network]\ntime_servers = ["a b"]\n',
    '[network]\ntime_servers = ["a\\nFallbackNTP=b"]\n',
    "[network]\ntime_servers = 3\n",
    '[network]\nallow_usb_network = "yes"\n',
    '[network]\nwifi_name = ""\nwifi_password = "long enough"\n',
    f'[network]\nwifi_name = "{"x" * 33}"\nwifi_password = "long enough"\n',
    '[network]\nwifi_name = "x"\nwifi_password = "short"\n',
    '[network]\nwifi_name = "x"\nwifi_password = "schlüssel"\n',
    f'[network]\nwifi_name = "x"\nwifi_password = "{"x" * 65}"\n',
    '[network]\nwifi_name = "x"\nwifi_password = 12345678\n',
    '[network]\nwifi_name = ["x"]\nwifi_password = "long enough"\n',
    '[network]\nwifi_name = "x"\nwifi_password = "long enough"\nwifi_hidden = "no"\n',
    '[site]\ntimezone = "Europe/Nowhere"\n',
    '[site]\ntimezone = "../etc/machine-id"\n',
    '[site]\ntimezone = "Europe"\n',
    '[site]\nlatitude_deg = "48"\n',
    "[site]\nlatitude_deg = true\n",
    "[site]\nlatitude_deg = nan\n",
    "[site]\nname = 5\n",
    '[site]\nname = "a\\nb"\n',
    '[camera]\ndriver = "/bin/sh"\n',
    '[camera]\ndriver = "indi_asi_ccd; reboot"\n',
]


@pytest.mark.parametrize("content", REFUSED_ENTRIES)
def test_a_value_of_another_form_is_refused_by_its_entry_and_the_rest_is_taken(card: Card, content: str) -> None:
    card.put("nightjar.toml", content)
    card.put("rpi-preseed.toml", '[system]\nhostname = "roof"\n')
    card.start()
    told = card.owner["told"]
    assert isinstance(told, list)
    assert len(told) == 1
    assert re.match(r"nightjar\.toml, (Wi-Fi|[a-z]+\.[a-z_]+): refused: ", told[0])
    assert card.owner["settings"] == {}
    assert card.names == ["roof"]
    assert not card.connection.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[network\n", "cannot be read"),
        (b"\xff\xfe[\0", "is not plain text in UTF-8"),
        (b"x = " + b"[" * 3000, "nested too deeply|cannot be read"),
        (b"#" * (64 << 10) + b"\n", "is larger than 65536 bytes"),
        ("\n".join(f"a{n} = 1" for n in range(201)).encode(), "has more than 200 entries"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_left_alone(card: Card, content: bytes, told: str) -> None:
    card.put("nightjar.toml", content)
    card.start()
    assert [line for line in card.owner["told"] if re.search(told, str(line))]  # type: ignore[attr-defined]
    assert (card.folder / "firmware/nightjar.toml").read_bytes() == content


def test_a_link_or_a_pipe_in_the_place_of_a_file_is_not_followed(card: Card) -> None:
    (card.folder / "secret").write_text('[network]\nhostname = "followed"\n')
    (card.folder / "firmware/nightjar.toml").symlink_to(card.folder / "secret")
    os.mkfifo(card.folder / "firmware/rpi-preseed.toml")
    card.start()
    assert card.names == []
    assert len(card.owner["told"]) == 2  # type: ignore[arg-type]


def test_what_is_unknown_is_told_in_words_that_can_be_shown(card: Card) -> None:
    card.put("nightjar.toml", '"\\u001b[31m" = 1\n"network.hostname" = "quoted"\n[netwrok]\nhostname = "roof"\n')
    card.start()
    assert card.owner["told"] == [
        'nightjar.toml, "?[31m": has no effect here',
        'nightjar.toml, "network.hostname": has no effect here',
        "nightjar.toml, netwrok.hostname: has no effect here",
    ]
    assert card.names == []


# Wi-Fi


@pytest.mark.parametrize(
    ("password", "ssid", "key"),
    [  # IEEE 802.11, annex J.4.2: three vectors
        ("password", b"IEEE", KEY),
        ("ThisIsAPassword", b"ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
        ("a" * 32, b"Z" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_the_key_is_that_of_the_standard(password: str, ssid: bytes, key: str) -> None:
    assert firstboot.wifi_key(ssid, password) == key
    assert firstboot.wifi_key(ssid, key.upper()) == key, "one that was derived already is taken as it is"


WIFI = [
    ('ssid = "Open"', "[wifi]\nmode=infrastructure\nssid=79;112;101;110;\n\n[ipv4]"),
    ('ssid = "Open"\nkey_mgmt = "owe"', "[wifi-security]\nkey-mgmt=owe\n\n[ipv4]"),
    (f'ssid = "x"\npassword = "{KEY}"\npassword_encrypted = true', f"120;\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={KEY}\n"),
    ('ssid = "x"\npassword = "long enough"\nhidden = true', "ssid=120;\nhidden=true\n\n[wifi-security]\n"),
    ('ssid_hex = "ff00"\npassword = "long enough"', "ssid=255;0;\n"),
    ('ssid = "a\\n[wifi-security]"', "ssid=97;10;91;"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), WIFI)
def test_a_network_becomes_a_connection(card: Card, content: str, expected: str) -> None:
    card.put("rpi-preseed.toml", f"[wlan]\n{content}\n")
    card.start()
    assert expected in card.connection.read_text()


@pytest.mark.needs("nmcli")
@pytest.mark.parametrize(
    "content", ['ssid = "é;=#x"\npassword = "long enough"', 'ssid = "Open"', 'ssid_hex = "ff"\nhidden = true']
)
def test_networkmanager_reads_it_as_it_was_meant(card: Card, content: str) -> None:
    card.put("rpi-preseed.toml", f"[wlan]\n{content}\n")
    card.start()
    command = ["nmcli", "--offline", "connection", "modify", "connection.autoconnect-priority", "7"]
    ended = subprocess.run(command, input=card.connection.read_bytes(), capture_output=True, check=True)
    again = ended.stdout.decode()
    assert "\nautoconnect-priority=7\n" in again
    if "password" in content:
        assert re.search(r"\nkey-mgmt=wpa-psk\npsk=[0-9a-f]{64}\n", again)
    assert ("\nhidden=true\n" in again) == ("hidden" in content)
    assert re.search(r"\nssid=(195;169;59;61;35;120;|é;=#x|é\\;=#x|Open|255;)\n", again), again


def test_wpa3_is_joined_as_wpa2_and_told(card: Card) -> None:
    card.put("rpi-preseed.toml", '[wlan]\nssid = "IEEE"\npassword = "password"\nkey_mgmt = "sae"\n')
    card.start()
    assert f"key-mgmt=wpa-psk\npsk={KEY}" in card.connection.read_text()
    assert "joined as WPA2" in str(card.owner["told"])


@pytest.mark.parametrize(
    "content", ['ssid = "x"\npassword = "long enough"\nkey_mgmt = "none"', 'ssid = "x"\nkey_mgmt = "wpa-eap"']
)
def test_a_kind_that_does_not_fit_is_refused(card: Card, content: str) -> None:
    card.put("rpi-preseed.toml", f"[wlan]\n{content}\n")
    card.start()
    assert not card.connection.exists()
    assert "refused" in str(card.owner["told"])


# Secrets


FORMS = [
    '[wlan]\nssid = "x"\npassword = "S3cret word"\n',
    "[wlan]\nssid = 'x'\npassword='S3cret word' # S3cret comment \"\n[other]\nx = 1\n",
    'wlan.ssid = "x"\nwlan."password" = """S3cret word"""\n',
    'wlan = { ssid = "x", password = "S3cret word" }\n',
    '# "quoted"\r\n[system]\r\nhostname = "S3cret word"\r\n[wlan]\r\nssid = "S3cret word"\r\npassword = "S3cret word"\r\n',
    '\ufeff[wlan]\nssid = "x"\npassword = "\\u00533cret word"\n',
]


@pytest.mark.parametrize("content", FORMS)
def test_the_password_is_taken_out_and_every_other_byte_stays(content: str) -> None:
    before = content.encode()
    table = firstboot.table_of(before)
    after = firstboot.redacted(before, table)
    assert firstboot.table_of(after) == {**table, "wlan": {**table["wlan"], "password": "***"}}
    head, tail = after.split(b'"***"')
    assert before.startswith(head)
    assert before.endswith(tail)
    middle = before[len(head) : len(before) - len(tail)]
    assert re.fullmatch(rb"(\"\"\"|\"|')(S|\\u0053)3cret word(\"\"\"|\"|')", middle)
    assert firstboot.redacted(after, firstboot.table_of(after)) == after


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(password=TEXTS, others=st.lists(TEXTS, max_size=3), comment=TEXTS)
def test_any_password_is_taken_out(password: str, others: list[str], comment: str) -> None:
    quoted = [json.dumps(text, ensure_ascii=False) for text in (password, *others)]
    remark = "".join(letter for letter in comment if letter.isprintable())
    content = f"# {remark}\n[wlan]\nhidden = false # {remark}\npassword = {quoted[0]}\n[other]\nall = [{', '.join(quoted[1:])}]\n"
    content = content.replace("\x7f", "\\u007f")
    before = content.encode()
    table = firstboot.table_of(before)
    after = firstboot.redacted(before, table)
    taken = password not in ("", "***")
    assert firstboot.table_of(after) == ({**table, "wlan": {**table["wlan"], "password": "***"}} if taken else table)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_refusal(untrusted: bytes) -> None:
    with contextlib.suppress(firstboot.Refusal):
        table = firstboot.table_of(untrusted)
        firstboot.understand("nightjar.toml", table, firstboot.Wishes(), Path("/nonexistent"))
        firstboot.redacted(untrusted, table)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6)
NAMES = [
    ("network", n)
    for n in ("hostname", "country", "wifi_name", "wifi_password", "wifi_hidden", "time_servers", "allow_usb_network")
]
NAMES += [("site", n) for n in ("name", "latitude_deg", "longitude_deg", "timezone")] + [("camera", "driver")]


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_no_value_raises_anything_and_what_is_taken_can_be_handed_over(values: dict[tuple[str, str], object]) -> None:
    table: dict[str, dict[str, object]] = {}
    for (section, key), value in values.items():
        table.setdefault(section, {})[key] = value
    wishes = firstboot.Wishes()
    firstboot.understand("nightjar.toml", table, wishes, Path("/usr/share/zoneinfo"))
    assert json.loads(json.dumps(wishes.settings, allow_nan=False)) == wishes.settings
    assert all(line.isprintable() for line in wishes.told)


def test_passwords_of_refused_sections_do_not_stay_either(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER + '[connect]\nenabled = true\ntoken = "rpuak_abc"\n')
    card.start()
    after = card.read("firmware/rpi-preseed.toml")
    assert after == (IMAGER + '[connect]\nenabled = true\ntoken = "***"\n').replace('"changeme"', '"***"').replace(
        'password = "password"', 'password = "***"'
    )


def test_what_the_old_file_held_is_written_over(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    os.link(card.folder / "firmware/rpi-preseed.toml", card.folder / "old")
    card.start()
    assert (card.folder / "old").read_bytes() == b"\0" * len(IMAGER)
    assert sorted(path.name for path in card.places.firmware.iterdir()) == ["SETUP.TXT", "rpi-preseed.toml"]


def test_no_secret_is_told_or_logged(card: Card, capfd: pytest.CaptureFixture[str]) -> None:
    card.put("rpi-preseed.toml", IMAGER.replace('"password"', '"S3cret word"').replace("changeme", "0ther secret"))
    card.show()
    card.start()
    said = "".join(capfd.readouterr())
    everything = said + card.read("handed/owner.json") + card.read("firmware/SETUP.TXT") + card.read("firmware/rpi-preseed.toml")
    assert "S3cret" not in everything
    assert "0ther" not in everything
    assert "AAAA-BBBB" not in said, "the setup code is not for the journal"


# Network cards on USB, radios


def test_cards_that_udev_refused_before_are_let_in_and_keyboards_are_not(card: Card) -> None:
    made = {"1-1:1.0": ("0", "ff"), "1-2:1.0": ("0", "03"), "1-3:1.0": ("1", "02")}
    for name, (authorized, kind) in made.items():
        (card.folder / "usb/devices" / name).mkdir(parents=True)
        (card.folder / "usb/devices" / name / "authorized").write_text(f"{authorized}\n")
        (card.folder / "usb/devices" / name / "bInterfaceClass").write_text(f"{kind}\n")
    card.start()
    assert card.read("usb/devices/1-1:1.0/authorized") == "0\n", "not without the owner's word"
    card.put("nightjar.toml", "[network]\nallow_usb_network = true\n")
    card.start()
    found = {name: card.read(f"usb/devices/{name}/authorized").strip() for name in made}
    assert found == {"1-1:1.0": "1", "1-2:1.0": "0", "1-3:1.0": "1"}
    assert card.read("usb/drivers_probe") == "1-1:1.0"


def test_the_country_that_the_panel_orders_is_kept_set_and_told(card: Card) -> None:
    card.put("nightjar.toml", '[network]\ncountry = "DE"\n')
    card.start()
    (card.folder / "shown/wifi-country").write_text("AT\n")
    card.start()
    assert (card.read("persist/wifi-country"), card.countries) == ("AT\n", ["DE", "AT"])
    assert card.read("handed/wifi-country") == "AT\n"
    (card.folder / "shown/wifi-country").unlink()
    card.start()
    assert card.countries == ["DE", "AT", "AT"], "the owner's file is taken over once, the panel's word stays"


@pytest.mark.parametrize("order", ["AUT", "A1", "A\n/etc/passwd", "", "ÄT"])
def test_an_order_that_is_no_country_changes_nothing(card: Card, order: str) -> None:
    (card.folder / "shown/wifi-country").write_text(order)
    card.start(2)
    assert not (card.folder / "persist/wifi-country").exists()
    assert card.countries == []


def test_a_link_in_the_place_of_an_order_is_not_followed(card: Card) -> None:
    (card.folder / "secret").write_text("AT")
    (card.folder / "shown/wifi-country").symlink_to(card.folder / "secret")
    card.start(2)
    assert not (card.folder / "persist/wifi-country").exists()


def test_a_machine_without_a_radio_starts_all_the_same(card: Card) -> None:
    def none(_: str) -> None:
        raise OSError(2, "No such file or directory")

    card.put("nightjar.toml", '[network]\ncountry = "AT"\n')
    assert firstboot.main([], card.places, firstboot.Machine(card.names.append, none)) == 0


def test_the_kernel_is_asked_in_its_own_words() -> None:
    asked = firstboot.genl(28, 27, firstboot.attr(33, b"AT\0"))
    assert asked == struct.pack("=IHHII", 28, 28, 5, 1, 0) + b"\x1b\x01\0\0" + struct.pack("=HH", 7, 33) + b"AT\0\0"
    assert firstboot.genl_answer(struct.pack("=IHHIIi", 36, 2, 0, 1, 0, 0) + bytes(16)) == {}
    with pytest.raises(OSError, match="No such file"):
        firstboot.genl_answer(struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -2) + bytes(16))
    answer = (
        struct.pack("=IHHII", 0, 16, 0, 1, 0) + b"\x01\x02\0\0" + firstboot.attr(2, b"nl80211\0") + firstboot.attr(1, b"\x1c\0")
    )
    assert firstboot.genl_answer(answer) == {2: b"nl80211\0", 1: b"\x1c\0"}


def test_the_real_kernel_understands_the_question() -> None:
    with firstboot.socket.socket(firstboot.socket.AF_NETLINK, firstboot.socket.SOCK_RAW, 16) as kernel:
        kernel.settimeout(10)
        kernel.send(firstboot.genl(16, 3, firstboot.attr(2, b"nlctrl\0")))
        assert firstboot.genl_answer(kernel.recv(1 << 16))[1] == struct.pack("=H", 16)


# Orders


def test_the_device_id_is_the_panels() -> None:
    for machine_id in (MACHINE_ID, b"f" * 32, hashlib.md5(b"x").hexdigest().encode()):  # noqa: S324 - any 32 digits
        assert firstboot.device_id_of(machine_id) == device_id_of(machine_id)
    with pytest.raises(firstboot.Refusal):
        firstboot.device_id_of(b"uninitialized\n")


def test_a_recovery_file_goes_to_the_panel_and_off_the_card(card: Card) -> None:
    card.put("RECOVERY.TXT", f"reset-admin {DEVICE_ID}\r\n")
    card.start()
    handed = json.loads(card.read("handed/recovery.json"))
    assert firstboot.base64.b64decode(handed["text"]) == f"reset-admin {DEVICE_ID}\r\n".encode()
    assert re.fullmatch(r"[0-9a-f]{32}", handed["id"])
    assert not (card.folder / "firmware/RECOVERY.TXT").exists()


def test_a_recovery_file_that_is_too_large_is_told(card: Card) -> None:
    card.put("RECOVERY.TXT", b"x" * 1025)
    card.show()
    card.start()
    assert "RECOVERY.TXT: is larger than 1024 bytes" in card.read("firmware/SETUP.TXT")
    assert not (card.folder / "handed/recovery.json").exists()


@pytest.mark.parametrize(
    ("content", "order"),
    [
        (f"factory-reset {DEVICE_ID}\r\n", "everything\n"),
        (f"\ufeff# please\nFactory-Reset {DEVICE_ID[:4].lower()}-{DEVICE_ID[4:]}\n\nkeep-pictures\n", "keep-pictures\n"),
    ],
)
def test_a_factory_reset_is_ordered_by_a_file_that_names_the_device(card: Card, content: str, order: str) -> None:
    card.put("FACTORY-RESET.TXT", content)
    card.start()
    assert card.read("persist/factory-reset") == order
    assert not (card.folder / "firmware/FACTORY-RESET.TXT").exists()


@pytest.mark.parametrize(
    "content",
    [
        "", "factory-reset", "factory-reset 00000000", f"reset {DEVICE_ID}", f"factory-reset {DEVICE_ID} x", "factory-reset ÀÉ",
        f"factory-reset {DEVICE_ID}\nkeep\n", f"factory-reset {DEVICE_ID}\nkeep-pictures\nfactory-reset {DEVICE_ID}",
    ],
)  # fmt: skip
def test_any_other_file_resets_nothing_and_is_told(card: Card, content: str) -> None:
    card.put("FACTORY-RESET.TXT", content)
    card.show()
    card.start()
    assert not (card.folder / "persist/factory-reset").exists()
    assert (card.folder / "firmware/FACTORY-RESET.TXT").exists()
    assert "  FACTORY-RESET.TXT: " in card.read("firmware/SETUP.TXT")


@given(st.binary(max_size=200))
def test_no_bytes_order_a_reset_without_the_device_id(untrusted: bytes) -> None:
    with pytest.raises(firstboot.Refusal):
        firstboot.reset_order(untrusted, DEVICE_ID)


# Showing


def test_setup_txt_holds_what_the_panel_says_and_what_became_of_the_files(card: Card) -> None:
    card.put("rpi-preseed.toml", IMAGER)
    card.show("Nightjar 7K3M9QXZ\nSetup code: AAAA-BBBB-CCCC")
    card.start()
    told = card.read("firmware/SETUP.TXT")
    assert told.startswith("Nightjar 7K3M9QXZ\r\nSetup code: AAAA-BBBB-CCCC\r\n\r\nTaken over from the files")
    for line in (
        "  Host name: roof",
        "  Wi-Fi network: IEEE",
        "  rpi-preseed.toml, [ssh]: refused: there is no SSH on this appliance",
    ):
        assert line in told.split("\r\n")


def test_the_screen_gets_the_text_and_nothing_that_commands_it(card: Card) -> None:
    (card.folder / "tty1").write_bytes(b"")
    card.show(screen="█▀▄ \x1b]0;evil\x07\x9b31m\u202e\nhttps://nightjar.local")
    card.start()
    head, _, rest = card.read("tty1").partition("\033[2J")
    assert head == "\033[9;0]\033[H"
    assert rest == "█▀▄ ?]0;evil??31m?\r\nhttps://nightjar.local\r\n"


def test_what_was_said_before_stays_until_there_is_something_new(card: Card) -> None:
    card.put("SETUP.TXT", "from the start before")
    card.start()
    assert card.read("firmware/SETUP.TXT") == "from the start before"
    card.show("claimed", "")
    card.start()
    before = (card.folder / "firmware/SETUP.TXT").stat().st_ino
    card.start()
    assert (card.folder / "firmware/SETUP.TXT").stat().st_ino == before, "the same is not written again"
    assert "AAAA" not in card.read("firmware/SETUP.TXT")


def test_what_was_refused_is_told_whether_the_panel_starts_or_not(card: Card) -> None:
    card.put("nightjar.toml", "[network\n")
    card.start()
    assert "nightjar.toml: cannot be read" in card.read("firmware/SETUP.TXT")


def _link(card: Card) -> None:
    (card.folder / "secret").write_text('{"setup": "root\'s secret", "screen": ""}')
    (card.folder / "shown/show.json").symlink_to(card.folder / "secret")


def _linked_folder(card: Card) -> None:
    (card.folder / "elsewhere").mkdir()
    (card.folder / "elsewhere/show.json").write_text('{"setup": "root\'s secret", "screen": ""}')
    (card.folder / "shown").rmdir()
    (card.folder / "shown").symlink_to(card.folder / "elsewhere")


def _text(content: str) -> Callable[[Card], None]:
    def put(card: Card) -> None:
        (card.folder / "shown/show.json").write_text(content)

    return put


@pytest.mark.parametrize(
    "put",
    [
        _link,
        _linked_folder,
        _text("no JSON"),
        _text("[]"),
        _text('{"setup": "x"}'),
        _text('{"setup": "x", "screen": 5}'),
        _text('{"setup": "x", "screen": "", "more": ""}'),
        _text("[" * 20000),
        _text(json.dumps({"setup": "x" * 50000, "screen": ""})),
    ],
)
def test_what_the_panel_may_not_show_is_not_shown(card: Card, put: Callable[[Card], None]) -> None:
    put(card)
    card.start(code=2)
    assert not (card.folder / "firmware/SETUP.TXT").exists()


def test_what_another_user_shows_is_not_shown(card: Card) -> None:
    card.show()
    with pytest.raises(firstboot.Refusal, match="of whom it should belong to"):
        firstboot.read_shown(card.places.shown, os.getuid() + 1)


@given(st.text())
def test_lines_hold_only_what_can_be_printed(untrusted: str) -> None:
    lines = firstboot.lines_of(untrusted)
    assert len(lines) <= 120
    assert all(line.isprintable() and len(line) <= 160 for line in lines)
