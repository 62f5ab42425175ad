"""The network as NetworkManager tells of it: devices of python-dbusmock's and of a stand-in's, and the real one in a room."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection

from appliance.domain.errors import UnavailableError
from appliance.host.bus import Bus
from appliance.host.network import ROOT, SERVICE, Link, Network, NetworkState
from tests.integration.host.busroom import BELOW, COMMANDS, Refused, bus_room, missing_right, wait_for
from tests.integration.host.mockbus import PYTHON
from tests.integration.host.standin import START_S, Interfaces, StandIn, bare_bus

MANAGER = f"{ROOT}/NetworkManager"
DEVICE, WIRED, WIRELESS = (f"{SERVICE}.Device{kind}" for kind in ("", ".Wired", ".Wireless"))


def device(kind: int, state: int, name: str, **more: str) -> Interfaces:
    """Return what NetworkManager tells of a device; `more` are the paths of its addresses."""
    told = {
        "Interface": ("s", name),
        "DeviceType": ("u", kind),
        "State": ("u", state),
        "HwAddress": ("s", f"02:00:00:00:00:{kind:02d}"),
    }
    return {DEVICE: {**told, **{name: ("o", path) for name, path in more.items()}}}


def addresses(version: int, *found: tuple[str, int]) -> Interfaces:
    """Return what it tells of a device's addresses."""
    told = [{"address": ("s", address), "prefix": ("u", prefix)} for address, prefix in found]
    return {f"{SERVICE}.IP{version}Config": {"AddressData": ("aa{sv}", told)}}


OBJECTS: dict[str, Interfaces] = {
    MANAGER: {SERVICE: {"Connectivity": ("u", 4), "State": ("u", 70)}},
    f"{MANAGER}/Devices/1": device(32, 100, "lo", Ip4Config=f"{MANAGER}/IP4Config/1"),
    f"{MANAGER}/Devices/2": {
        **device(2, 100, "wlan0", Ip4Config=f"{MANAGER}/IP4Config/2", Ip6Config=f"{MANAGER}/IP6Config/2"),
        WIRELESS: {"Bitrate": ("u", 72200), "ActiveAccessPoint": ("o", f"{MANAGER}/AccessPoint/7")},
    },
    f"{MANAGER}/Devices/3": {**device(1, 20, "eth0", Ip4Config="/", Ip6Config="/"), WIRED: {"Speed": ("u", 0)}},
    f"{MANAGER}/Devices/4": {**device(2, 30, "wlan1"), WIRELESS: {"Bitrate": ("u", 0), "ActiveAccessPoint": ("o", "/")}},
    f"{MANAGER}/Devices/5": {**device(1, 120, "eth1"), WIRED: {"Speed": ("u", 100)}},
    f"{MANAGER}/IP4Config/1": addresses(4, ("127.0.0.1", 8)),
    f"{MANAGER}/IP4Config/2": addresses(4, ("192.0.2.20", 24), ("198.51.100.7", 32)),
    f"{MANAGER}/IP6Config/2": addresses(6, ("2001:db8::20", 64)),
    f"{MANAGER}/AccessPoint/7": {f"{SERVICE}.AccessPoint": {"Ssid": ("ay", b"D\xc3\xb6me\x00\xff\n"), "Strength": ("y", 63)}},
}


@contextmanager
def stand_in(address: str, objects: dict[str, Interfaces]) -> Iterator[Network]:
    service = StandIn(address, SERVICE, ROOT, objects)
    try:
        yield Network(Bus(address))
    finally:
        service.leave()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with bare_bus(tmp_path) as address:
        yield address


@pytest.mark.needs("dbus-daemon")
def test_cards_are_told_of_with_addresses_and_wifi(address: str) -> None:
    with stand_in(address, OBJECTS) as network:
        state = network.state()
    hardware = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert state == NetworkState(
        "reached",
        (
            Link("eth0", "cable", "no cable, or switched off", False, (), hardware[0], 0, "", None),
            Link("eth1", "cable", "failed", False, (), hardware[0], 100, "", None),
            Link(
                "wlan0", "Wi-Fi", "connected", True, ("192.0.2.20/24", "198.51.100.7/32", "2001:db8::20/64"), hardware[1], 72,
                "Döme\N{REPLACEMENT CHARACTER}", 63,
            ),
            Link("wlan1", "Wi-Fi", "not connected", False, (), hardware[1], 0, "", None),
        ),
    )  # fmt: skip


@pytest.mark.needs("dbus-daemon")
def test_what_is_missing_or_of_another_shape_is_not_known(address: str) -> None:
    odd: Interfaces = {DEVICE: {"DeviceType": ("u", 2), "Interface": ("u", 3), "Ip4Config": ("o", f"{MANAGER}/IP4Config/9")}}
    config: Interfaces = {f"{SERVICE}.IP4Config": {"AddressData": ("aa{sv}", [{"address": ("s", "192.0.2.1")}])}}
    with stand_in(address, {f"{MANAGER}/Devices/1": odd, f"{MANAGER}/IP4Config/9": config}) as network:
        assert network.state() == NetworkState("not known", (Link("", "Wi-Fi", "not managed", False, (), "", 0, "", None),))


@pytest.mark.needs("dbus-daemon")
def test_the_devices_of_dbusmock_are_understood_and_its_end_is_a_state(address: str) -> None:
    network = Network(Bus(address))
    with pytest.raises(UnavailableError, match=r"not available on this machine: NetworkManager$"):
        network.state()
    command = [PYTHON, "-m", "dbusmock", "--template", "networkmanager"]
    environment = {"PATH": "/usr/bin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": address}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as mock, open_dbus_connection(address) as client:

        def make(method: str, signature: str, *body: object) -> None:
            where = DBusAddress(MANAGER, SERVICE, "org.freedesktop.DBus.Mock")
            reply = client.send_and_get_reply(new_method_call(where, method, signature, body), timeout=START_S)
            assert reply.header.message_type is not MessageType.error, reply.body

        try:
            wait_for(lambda: has_manager(network), "the mock")
            make("AddEthernetDevice", "ssi", "cable", "eth0", 30)
            make("AddWiFiDevice", "ssi", "radio", "wlan0", 100)
            wired, wireless = "78:DD:08:D2:3D:43", "11:22:33:44:55:66"
            assert network.state().links == (
                Link("eth0", "cable", "not connected", False, (), wired, 0, "", None),
                Link("wlan0", "Wi-Fi", "connected", True, (), wireless, 5, "", None),
            )
        finally:
            mock.kill()


def has_manager(network: Network) -> bool:
    try:
        return network.state().internet == "reached"
    except UnavailableError:
        return False


@pytest.mark.needs(*COMMANDS, "NetworkManager", "ip")
@pytest.mark.skipif(missing_right() != "", reason=missing_right())
def test_the_real_networkmanager_is_understood(tmp_path: Path) -> None:
    with bus_room(tmp_path / "logs") as room:
        room.must(
            "sh", "-euc", "mkdir -p /var/lib/NetworkManager /run/NetworkManager; ip link add veth0 type veth peer name veth1"
        )
        (room.inside / "nm.conf").write_text(
            "[main]\nplugins=keyfile\ndns=none\nauth-polkit=false\n[connectivity]\nenabled=false\n"
        )
        room.serve(SERVICE, "NetworkManager", "--no-daemon", f"--config=/{BELOW}/nm.conf", "--config-dir=/nonexistent")

        def devices() -> list[object]:
            try:
                [found] = room.client.call(SERVICE, MANAGER, SERVICE, "GetDevices")
            except Refused:  # it has its name before it has its objects
                return []
            assert isinstance(found, list)
            return found

        wait_for(lambda: len(devices()) >= 2, "NetworkManager to see both ends of the cable")
        state = Network(Bus(room.address)).state()
        assert state == NetworkState(state.internet, ()), "a pair of ends of a cable that is none is no network card"
        assert state.internet in {"not known", "no network", "local network only"}
