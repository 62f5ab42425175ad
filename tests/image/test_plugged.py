"""What is plugged into the card's USB sockets while it runs: sticks are filled, all else gets nothing that it did not have."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.image import questions
from tests.image.card import COMMANDS, Card
from tests.image.owner import owned, take_pictures
from tests.image.setuptext import ON_THE_CARD
from tests.integration.guest import sticks
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS, *sticks.COMMANDS, "grub-fstest"), pytest.mark.timeout(7200)]

EXPORT_S = 1200.0
SEEN_S = 600.0
NOTHING_IS_RUN = {"noexec", "nosuid", "nodev", "nosymfollow"}
OWNER_S = "/boot/firmware/nightjar.toml"


@pytest.fixture(scope="module")
def panel(card: Card) -> Panel:
    """Return the panel of a card that has pictures of a night, and whose camera rests."""
    panel = owned(card)
    take_pictures(panel, 3)
    return panel


def kept(card: Card) -> dict[str, dict[str, str]]:
    """Return the sums of what the card keeps of each night, by where it belongs on a stick."""
    found: dict[str, dict[str, str]] = {}
    for path, number in card.python(questions.NIGHTS).items():
        night, kind, name = path.split("/")
        place = f"frames/{name[9:11]}/{name}" if kind == "frames" else path.removeprefix(f"{night}/")
        found.setdefault(night, {})[place] = number
    return found


def copied(device: Path) -> dict[str, dict[str, str]]:
    """Return the same of what lies on a stick; every manifest must be true, and name all that is there."""
    found = {}
    for night in sorted(device.iterdir()):
        sticks.assert_manifest_true(night)
        files = {path.relative_to(night).as_posix(): path.read_bytes() for path in night.rglob("*") if path.is_file()}
        listed = files.pop("SHA256SUMS").decode().splitlines()
        assert {line.partition("  ")[2] for line in listed} == files.keys()
        found[night.name] = {place: hashlib.sha256(data).hexdigest() for place, data in files.items()}
    return found


@pytest.mark.parametrize("kind", ["vfat", "exfat", "ext4"])
def test_a_confirmed_stick_fills_itself(card: Card, panel: Panel, tmp_path: Path, kind: str) -> None:
    image = sticks.make(tmp_path / f"{kind}.img", kind, content=sticks.own_folder(tmp_path) if kind == "ext4" else None)
    sticks.confirm(card, image)
    name = card.plug(image)
    try:
        options = wait_for(lambda: sticks.mounted(card).get(kind), f"the {kind} stick to be mounted", EXPORT_S, 0.05)
        assert options >= NOTHING_IS_RUN
        sticks.wait_until_off(card, image, EXPORT_S)
    finally:
        card.pull(name)
    expected = kept(card)
    assert sum(map(len, expected.values())) >= 3, "else nothing was compared"
    assert copied(sticks.read(image, tmp_path / "read")) == expected


def test_a_stick_that_nobody_confirmed_is_left_as_it_is_until_somebody_does(card: Card, panel: Panel, tmp_path: Path) -> None:
    image = sticks.make(tmp_path / "stranger.img", "vfat")
    before = hashlib.sha256(image.read_bytes()).digest()
    name = card.plug(image)
    try:
        wait_for(lambda: state_of(panel, image) == "offered", "the panel to offer the stick", EXPORT_S, 2)
        assert sticks.jobs_of(card, image) == []
        assert sticks.mounted(card) == {}
        assert hashlib.sha256(image.read_bytes()).digest() == before
        assert panel.post("/usb/use", stick="ABCD-1234").status == 400, "of no such stick"
        assert sticks.jobs_of(card, image) == []
        assert panel.post("/usb/use", stick=sticks.fs_id(image)).status == 303
        sticks.wait_until_off(card, image, EXPORT_S)
    finally:
        card.pull(name)
    assert copied(sticks.read(image, tmp_path / "read")) == kept(card)


def state_of(panel: Panel, image: Path) -> str:
    """Return what the panel says of a stick."""
    told: list[dict[str, Any]] = panel.get("/api/v1/usb").json()["sticks"]
    return next((str(one["state"]) for one in told if one["fs_id"] == sticks.fs_id(image)), "")


@contextmanager
def plugged(card: Card, driver: str, **values: object) -> Iterator[str]:
    """Plug in a device meanwhile; give its name once udev has done with it."""
    before = devices(card)
    card.monitor.run("device_add", driver=driver, id="plugged", bus="xhci.0", **values)
    try:
        (name,) = wait_for(lambda: devices(card).keys() - before.keys(), f"{driver} to be there", SEEN_S, 1)
        card.must("udevadm", "settle", "--timeout=240")
        yield name
    finally:
        after = len(card.monitor.events)
        card.monitor.run("device_del", id="plugged")
        card.monitor.wait_for_event("DEVICE_DELETED", after=after, device="plugged")
        wait_for(lambda: devices(card).keys() == before.keys(), f"{driver} to be gone", SEEN_S, 1)


@contextmanager
def network_card(card: Card) -> Iterator[str]:
    card.monitor.run("netdev_add", type="user", id="far", restrict=True)
    try:
        with plugged(card, "usb-net", netdev="far") as device:
            yield device
    finally:
        card.monitor.run("netdev_del", id="far")


@contextmanager
def owner_s_file(card: Card, text: str) -> Iterator[None]:
    """Have the owner's file on the card's first partition say something, taken over as at a start; then nothing again."""
    before = wait_for(lambda: card.run(*ON_THE_CARD, "cat", OWNER_S).out, "the owner's file", SEEN_S, 3)
    put_and_take_over(card, text)
    try:
        yield
    finally:
        put_and_take_over(card, before)
        card.must("rm", "-f", "/run/nightjar-boot/allow-usb-network")


def put_and_take_over(card: Card, text: str) -> None:
    """Where the partition is just being let go, nothing can be written for a moment."""
    write = (*ON_THE_CARD, "tee", OWNER_S)
    wait_for(lambda: card.run(*write, stdin=text.encode()).code == 0, "the owner's file to be written", SEEN_S, 3)
    card.must("systemctl", "start", "nightjar-firstboot.service")


def devices(card: Card) -> dict[str, dict[str, dict[str, str]]]:
    """Return what hangs on USB, each with its interfaces."""
    found: dict[str, dict[str, dict[str, str]]] = card.python(questions.PLUGGED)["devices"]
    return found


def interfaces(card: Card, device: str) -> list[tuple[str, str, str]]:
    """Return class, whether it is authorized, and driver of each interface of a device."""
    return [(one["class"], one["authorized"], one["driver"]) for _, one in sorted(devices(card)[device].items())]


def connections(card: Card) -> set[str]:
    """Return the network interfaces that NetworkManager has a connection for."""
    return set(card.must("nmcli", "--terse", "--fields=DEVICE", "connection", "show").split())


@pytest.mark.parametrize("driver", ["usb-kbd", "usb-mouse", "usb-tablet", "usb-wacom-tablet"])
def test_what_one_types_or_points_with_gets_no_driver(card: Card, panel: Panel, driver: str) -> None:
    before = card.python(questions.PLUGGED)
    with plugged(card, driver) as device:
        assert set(interfaces(card, device)) == {("03", "0", "")}
        now = card.python(questions.PLUGGED)
        assert (now["inputs"], now["nodes"]) == (before["inputs"], before["nodes"])
        assert "hid" not in card.must("cat", "/proc/modules")


def test_a_network_card_is_taken_from_its_driver_until_the_owner_allows_it(card: Card, panel: Panel) -> None:
    before = set(card.python(questions.PLUGGED)["networks"])
    known = connections(card)
    with network_card(card) as device:
        wait_for(lambda: interfaces(card, device) == [("02", "0", ""), ("0a", "1", "")], "the card to be refused", SEEN_S, 1)
        assert set(card.python(questions.PLUGGED)["networks"]) == before
        assert connections(card) == known
        with owner_s_file(card, "[network]\nallow_usb_network = true\n"):
            added = wait_for(lambda: set(card.python(questions.PLUGGED)["networks"]) - before, "the card", SEEN_S, 1)
            assert interfaces(card, device) == [("02", "1", "cdc_ether"), ("0a", "1", "cdc_ether")]
            wait_for(lambda: connections(card) == known | added, "NetworkManager to use it", SEEN_S, 2)
    assert set(card.python(questions.PLUGGED)["networks"]) == before


def test_a_serial_line_is_the_cameras_and_nobody_listens_on_it(card: Card, panel: Panel) -> None:
    before = set(card.python(questions.PLUGGED)["nodes"])
    card.monitor.run("chardev-add", id="line", backend={"type": "null", "data": {}})
    try:
        with plugged(card, "usb-serial", chardev="line", **{"always-plugged": True}) as device:
            assert interfaces(card, device) == [("ff", "1", "ftdi_sio")]
            (node,) = wait_for(lambda: set(card.python(questions.PLUGGED)["nodes"]) - before, "its node", SEEN_S, 1)
            assert card.must("stat", "--format=%U %G %a", f"/dev/{node}").split() == ["root", "dialout", "660"]
            assert card.must("getent", "group", "dialout").strip().rpartition(":")[2] == "nightjar-indi"
            assert card.python(questions.OPENED, f"/dev/{node}") == []
    finally:
        card.monitor.run("chardev-remove", id="line")
