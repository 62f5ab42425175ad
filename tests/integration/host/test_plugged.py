"""What may be plugged in: the real udev gives a camera to the INDI server alone, and takes keyboards and network cards away."""

import os
from pathlib import Path

import pytest

from tests.integration.host.plugs import COMMANDS, GROUP, Device, Tree, usb_device, usb_interface

pytestmark = [
    pytest.mark.needs(*COMMANDS),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a name space with a /sys of its own"),
]

SOCKET = "pci0000:00/usb1/1-1"
GIVEN = ("0", str(GROUP), "0660")
PTP, PRINTER, STORAGE, KEYBOARD = "060101", "070102", "080650", "030101"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("vendor", "product", "interfaces"),
    [
        ("03c3", "120a", "ff0000"), ("a0a0", "1781", "ff0000"), ("1278", "0517", "ff0000"), ("0d97", "0101", "ff0000"),
        ("0f18", "000a", "ff0000"), ("125c", "0010", "ff0000"), ("1887", "0003", "ff0000"), ("156c", "0101", "ff0000"),
        ("19b4", "0002", "ff0000"), ("07ee", "0500", "ff0000"), ("04a9", "3218", PTP), ("04b0", "0429", f"ff0000 {PTP}"),
        ("054c", "079b", PTP), ("04cb", "02c8", PTP), ("0a17", "0093", PTP), ("25fb", "0102", PTP),
    ],
)  # fmt: skip
def test_a_camera_is_the_indi_servers_and_nobody_elses(tree: Tree, vendor: str, product: str, interfaces: str) -> None:
    tree.add(*usb_device(SOCKET, vendor, product, interfaces))
    plugged = tree.plug(SOCKET)
    assert plugged.complaints == []
    assert plugged.node == GIVEN, "also after a package's rule that gives it to everybody"


@pytest.mark.parametrize(
    ("vendor", "product", "interfaces"),
    [
        ("0781", "5581", STORAGE), ("1887", "0001", "ff0000"), ("156c", "0100", "ff0000"), ("04a9", "1234", PRINTER),
        ("054c", "05c4", KEYBOARD), ("18d1", "4ee2", PTP), ("04a9", "0000", "060102"), ("1618", "0901", "ff0000"),
        ("03c3", "120a", "ff0000"),
    ],
)  # fmt: skip
def test_what_is_no_camera_of_an_installed_driver_is_not_given(tree: Tree, vendor: str, product: str, interfaces: str) -> None:
    device, *parts = usb_device(SOCKET, vendor, product, interfaces)
    tree.add(device, *parts)
    place = parts[0].place if vendor == "03c3" else SOCKET  # a part of a camera has no node
    assert str(GROUP) not in tree.plug(place).node


@pytest.mark.parametrize("interfaces", [KEYBOARD, "030102", "030000", f"{STORAGE} {KEYBOARD}"])
def test_a_keyboard_gets_no_driver_and_what_it_is_part_of_keeps_its_own(tree: Tree, interfaces: str) -> None:
    device, *parts = usb_device(SOCKET, "1234", "5678", interfaces)
    tree.add(device, *parts)
    for part, digits in zip(parts, interfaces.split(), strict=True):
        assert tree.plug(part.place).complaints == []
        assert tree.is_authorized(part.place) == (not digits.startswith("03"))


def test_a_camera_keeps_its_driver(tree: Tree) -> None:
    device, part = usb_device(SOCKET, "03c3", "120a", "ff0000")
    tree.add(device, part)
    tree.plug(SOCKET)
    tree.plug(part.place)
    assert tree.is_authorized(part.place)


@pytest.mark.parametrize("driver", ["asix", "r8152", "cdc_ether", "rndis_host", "rtl8xxxu", "smsc95xx_like", "smsc75xx"])
def test_a_network_card_on_usb_is_taken_from_its_driver_unless_the_owner_allows_it(tree: Tree, driver: str) -> None:
    tree.add(*usb_device(SOCKET, "0b95", "1790"))
    card = tree.add_network_card(SOCKET, driver)
    interface = usb_interface(SOCKET, 0, "ff0000").place
    allowed = tree.root / "run/nightjar-boot/allow-usb-network"
    allowed.parent.mkdir()
    allowed.touch()
    tree.plug(card)
    assert tree.is_authorized(interface)

    allowed.unlink()
    assert tree.plug(card).complaints == []
    assert not tree.is_authorized(interface)


@pytest.mark.parametrize("driver", ["smsc95xx", "lan78xx"])
def test_the_network_card_that_is_soldered_on_a_pi_stays(tree: Tree, driver: str) -> None:
    tree.add(*usb_device(SOCKET, "0424", "ec00"))
    card = tree.add_network_card(SOCKET, driver)
    tree.plug(card)
    assert tree.is_authorized(usb_interface(SOCKET, 0, "ff0000").place)


def test_what_the_panel_can_write_allows_nothing(tree: Tree) -> None:
    (tree.root / "run/nightjar").mkdir()
    (tree.root / "run/nightjar/allow-usb-network").touch()
    tree.add(*usb_device(SOCKET, "0b95", "1790"))
    tree.plug(tree.add_network_card(SOCKET, "asix"))
    assert not tree.is_authorized(usb_interface(SOCKET, 0, "ff0000").place)


def test_a_card_that_is_not_on_usb_stays(tree: Tree) -> None:

    tree.add(Device("platform/fd580000.ethernet", "bus/platform", attributes={"authorized": "1"}))
    tree.add(Device("platform/fd580000.ethernet/net/eth0", "class/net", event=("INTERFACE=eth0", "IFINDEX=2")))
    (tree.root / "sys/devices/platform/fd580000.ethernet/net/eth0/device").symlink_to("../../../fd580000.ethernet")
    assert tree.plug("platform/fd580000.ethernet/net/eth0").complaints == []
    assert tree.is_authorized("platform/fd580000.ethernet")


def test_a_mistake_in_a_rule_is_noticed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.add(*usb_device(SOCKET, "03c3", "120a"))
    monkeypatch.setattr("tests.integration.host.plugs.PACKAGE_RULES", 'SUBSYSTEM=="usb", GROUP="nightjar-nobody"\n')
    assert tree.plug(SOCKET).complaints
