"""What goes wrong on a roof, and a device that is given away: one card goes through all of it, one thing after the other.

The tests of this file build on one another and run in its order.
"""

import mmap
import random
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.image import partition
from tests.image.card import COMMANDS, Card
from tests.image.setuptext import setup_code, setup_text
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel
from tests.unit.web.world import ADMIN, PASSWORD

pytestmark = [pytest.mark.needs(*COMMANDS, *partition.COMMANDS), pytest.mark.timeout(7200)]

LONG_AGO = ("-rtc", "base=2003-03-03T03:03:03,clock=vm")
"""As a clock without a battery says it."""
START_S = 1800.0
BLOCK, GROUP = 4096, 32768 * 4096
KEYS = """
import os
answer = {}
for top in ("/data/nightjar/keys", "/data/nightjar-ca", "/data/nightjar-tls", "/data/persist/connections"):
    for folder, _, names in os.walk(top):
        for path in (os.path.join(folder, name) for name in names):
            with open(path, "rb") as file:
                if len(content := file.read()) >= 16:
                    answer[path] = content.hex()
"""
PICTURES = """
import hashlib, os
answer = {}
for folder, _, names in os.walk("/data/nightjar/nights"):
    for name in names:
        if os.path.basename(folder) == "frames" and name.endswith(".jpg"):
            with open(os.path.join(folder, name), "rb") as file:
                answer[name] = hashlib.sha256(file.read()).hexdigest()
"""
INTEGRITY = """
import sqlite3
with sqlite3.connect("file:/data/nightjar/nightjar.db?mode=ro", uri=True) as database:
    answer = database.execute("pragma integrity_check").fetchone()[0]
"""
CONNECTION = "/data/persist/connections/hut.nmconnection"
NETWORK = """\
[connection]
id=Hut
type=wifi
[wifi]
ssid=Hut
mode=infrastructure
[wifi-security]
key-mgmt=wpa-psk
psk=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
"""


@dataclass(frozen=True)
class Former:
    """What a device has, to be compared with what it has later."""

    machine: str
    keys: dict[str, str]
    """In hexadecimal digits, by the path of the file."""
    pictures: dict[str, str]
    """Their sums, by name."""


def former(card: Card) -> Former:
    """Look at a device."""
    return Former(card.must("cat", "/etc/machine-id").strip(), card.python(KEYS), card.python(PICTURES))


def restarted_by(card: Card, act: Callable[[], object]) -> None:
    """Do what restarts the machine, and wait until it waits to be claimed."""
    before = card.monitor
    after = len(before.events)
    act()
    card.monitor.wait_for_event("RESET", after=after if card.monitor is before else 0, timeout_s=START_S)
    card.wait_until_booted()
    setup_code(card, START_S)
    Panel(card).meet(card, START_S)


def assert_another(old: Former, new: Former) -> None:
    """Assert that nothing is left of what a device was known by."""
    assert new.machine != old.machine
    assert old.keys
    assert not set(new.keys.values()) & set(old.keys.values())
    assert CONNECTION not in new.keys


def assert_gone(card: Card, folder: Path, old: Former) -> None:
    """Assert that no block of the data partition holds what opened or proved something."""
    with (
        partition.partition(card.card, partition.DATA, folder) as data,
        data.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held,
    ):
        assert [path for path, key in old.keys.items() if held.find(bytes.fromhex(key)) >= 0] == []
        assert held.find(b"nightjar") >= 0, "else nothing was looked through"


def issues(panel: Panel) -> dict[str, str]:
    """Return the titles of what the panel has to complain of, by their keys."""
    return {one["key"]: one["title"] for one in panel.get("/api/v1/system").json()["issues"]}


def claimed(card: Card) -> Panel:
    """Claim a card, and have it take pictures."""
    panel = Panel(card)
    panel.meet(card, START_S)
    panel.claim_with(setup_code(card))
    panel.set("camera", driver='"nightjar-sky"', period_s="2", duration_max_s="0.5")
    wait_for(lambda: panel.latest_id() > 2, "frames", START_S, 3)
    return panel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accidents")


@pytest.fixture(scope="module")
def card(image: Path, u_boot: Path, folder: Path, *, is_busy: bool) -> Iterator[Card]:
    """Return a card in a machine whose clock has no battery."""
    made = Card(image, u_boot, folder, is_counted=is_busy, options=LONG_AGO)
    with made:
        yield made


@pytest.fixture(scope="module")
def owned(card: Card) -> Panel:
    """Return the panel of somebody who has claimed the card and has pictures on it."""
    return claimed(card)


def time_in(card: Card) -> datetime:
    return datetime.fromtimestamp(int(card.must("date", "+%s")), UTC)


def test_no_start_is_before_the_image_nor_before_what_the_clock_knew(card: Card, owned: Panel) -> None:
    made = datetime.fromtimestamp(int(card.must("stat", "--format=%Y", "/usr/lib/clock-epoch")), UTC)
    assert made <= time_in(card) < made + timedelta(days=1)
    later = time_in(card) + timedelta(minutes=30)  # less than what a certificate of then begins before then
    card.must("touch", f"--date={later.isoformat()}", "/var/lib/systemd/timesync/clock")  # as timesyncd notes what it hears
    certificate = ssl.get_server_certificate(("127.0.0.1", card.port), timeout=60)
    card.restart()
    assert later <= time_in(card) < later + timedelta(minutes=20)
    owned.meet(card, START_S)
    assert ssl.get_server_certificate(("127.0.0.1", card.port), timeout=60) == certificate, "nothing has changed"
    assert "2003-03-03" in card.must("cat", "/sys/class/rtc/rtc0/date"), "else there was nothing to mend"


def free_kib(card: Card) -> int:
    """Return how much the program can still write."""
    return int(card.must("df", "--output=avail", "--block-size=1k", "/data").split()[1])


def fill(card: Card, name: str, *, spared_kib: int) -> None:
    """Take all room of the data partition but a little, at once."""
    card.must("fallocate", f"--length={free_kib(card) - spared_kib}KiB", f"/data/{name}")
    assert free_kib(card) <= spared_kib


def test_a_full_card_is_told_and_takes_pictures_again_when_there_is_room(card: Card, owned: Panel) -> None:
    fill(card, "filler", spared_kib=200)
    told = wait_for(lambda: {"disk.full", "disk.low"} & (found := issues(owned)).keys() and found, "the panel to tell", 900, 3)
    assert any("The disk is full" in told.get(key, "") for key in ("disk.full", "disk.low"))
    wait_for(lambda: free_kib(card) > 1000, "the room that is kept for this", 300, 3)
    owned.login(ADMIN, PASSWORD)
    assert owned.get("/").status == 200

    fill(card, "more", spared_kib=0)
    assert owned.get("/gallery").status == 200, "who is logged in gets in even then"
    card.must("rm", "/data/filler", "/data/more")
    wait_for(lambda: not {"disk.full", "disk.low"} & issues(owned).keys(), "the panel to be content again", 900, 3)
    owned.wait_for_new_frame(900)
    assert card.python(INTEGRITY) == "ok"


def test_a_damaged_data_partition_is_repaired_with_its_pictures(card: Card, owned: Panel, folder: Path) -> None:
    owned.login(ADMIN, PASSWORD)
    owned.set("site", name='"Roof of the hut"')
    owned.set("camera", period_s="600")
    before = card.python(PICTURES)
    assert len(before) > 2
    card.switch_off()
    with partition.partition(card.card, partition.DATA, folder) as data:
        overwrite(data, [block * BLOCK for block in range(3)])
    card.start()
    owned.meet(card, START_S)
    owned.login(ADMIN, PASSWORD)
    assert issues(owned)["store.partition"] == "The card's data partition was damaged and has been repaired"
    assert owned.get("/api/v1/settings").json()["site"]["name"] == "Roof of the hut"
    found = card.python(PICTURES)
    assert {name: found.get(name) for name in before} == before
    owned.set("camera", period_s="2")
    owned.wait_for_new_frame(900)


def overwrite(data: Path, places: list[int], size: int = BLOCK) -> None:
    """Write noise over a partition."""
    with data.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(random.Random(place).randbytes(size))


def test_a_reset_from_the_panel_keeps_the_pictures_and_no_key(card: Card, owned: Panel, folder: Path) -> None:
    card.must("/bin/sh", "-euc", f"cat >{CONNECTION}; chmod 600 {CONNECTION}", stdin=NETWORK.encode())
    old = former(card)
    device = owned.get("/machine/reset").body.decode().partition("type the id of this device: <strong>")[2].partition("<")[0]
    words = {"pictures": "keep", "password": PASSWORD}
    assert owned.post("/machine/reset", device_id="0000-0000", **words).status == 400
    assert owned.post("/machine/reset", device_id=device, **{**words, "password": "not-the-password"}).status in {400, 403}
    assert former(card).keys == old.keys, "nothing has happened"
    restarted_by(card, lambda: owned.post("/machine/reset", device_id=device, **words))
    new = former(card)
    assert_another(old, new)
    assert {name: new.pictures.get(name) for name in old.pictures} == old.pictures
    card.switch_off()
    assert_gone(card, folder, old)


def test_a_reset_by_file_leaves_nothing(card: Card, folder: Path) -> None:
    card.start()
    panel = claimed(card)
    old = former(card)
    (device,) = re.findall(r"Device id: +(\S+)", setup_text(card))
    card.switch_off()
    partition.put(card.card, folder, {"FACTORY-RESET.TXT": b"factory-reset 0000-0000\r\n"})
    card.start()
    panel.meet(card, START_S)
    wait_for(lambda: "FACTORY-RESET.TXT: names another device" in setup_text(card), "SETUP.TXT to tell", 300, 3)
    assert former(card).keys == old.keys
    card.switch_off()
    partition.put(card.card, folder, {"FACTORY-RESET.TXT": f"factory-reset {device}\r\n".encode()})
    restarted_by(card, card.start)
    new = former(card)
    assert_another(old, new)
    assert new.pictures == {}
    assert card.run("ls", "/boot/firmware/FACTORY-RESET.TXT").code != 0
    card.switch_off()
    assert_gone(card, folder, old)


def test_a_data_partition_beyond_repair_is_made_anew(card: Card, folder: Path) -> None:
    card.start()
    old = former(card)
    card.switch_off()
    with partition.partition(card.card, partition.DATA, folder) as data:
        overwrite(data, list(range(0, data.stat().st_size, GROUP)), size=64 * BLOCK)
        overwrite(data, [0], size=GROUP)
    card.start()
    panel = claimed(card)
    assert issues(panel)["store.partition"] == "The card's data partition was beyond repair and has been made anew"
    new = former(card)
    assert new.machine == old.machine, "the device stays the same"
    assert not set(new.keys.values()) & set(old.keys.values())
