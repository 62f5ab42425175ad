"""A network as the panel is told of it: two cards, some Wi-Fi networks around, connections that are kept."""

from ipaddress import IPv4Address, ip_interface

from appliance.domain.network import (
    AUTOMATIC,
    Addressing,
    Card,
    Heard,
    NetworkSituation,
    OwnPoint,
    Saved,
    Security,
)
from appliance.domain.secret import Secret

PATH = "/org/freedesktop/NetworkManager"
STATIC = Addressing(ip_interface("192.0.2.20/24"), IPv4Address("192.0.2.1"), (IPv4Address("192.0.2.1"),))
HOME, CABLE_UUID, WIFI_UUID = b"Home", "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


def card(name: str, number: int, *, is_wifi: bool, is_connected: bool, connection: str = "", ssid: bytes = b"") -> Card:
    active = f"{PATH}/ActiveConnection/{number}" if connection else ""
    return Card(
        f"{PATH}/Devices/{number}", name, is_wifi, is_connected, is_point=False, connection=connection, active=active, ssid=ssid,
        can_be_point=is_wifi,
    )  # fmt: skip


CABLE = Saved(CABLE_UUID, f"{PATH}/Settings/1", "Cable eth0", False, b"", False, "eth0", STATIC, AUTOMATIC)
WIFI = Saved(WIFI_UUID, f"{PATH}/Settings/2", "Home", True, HOME, False, "", AUTOMATIC, AUTOMATIC)
HEARD = (
    Heard(HOME, Security.MIXED, 78, ("2.4 GHz", "5 GHz")),
    Heard("Café <b>".encode(), Security.OPEN, 61, ("2.4 GHz",)),
    Heard(b"Neighbour", Security.PERSONAL, 55, ("2.4 GHz",)),
    Heard(b"Newest", Security.SAE, 41, ("6 GHz",)),
    Heard(b"Old", Security.OUTDATED, 38, ("2.4 GHz",)),
    Heard(b"Office", Security.COMPANY, 22, ("5 GHz",)),
    Heard(b"\x01\x02", Security.PERSONAL, 12, ()),
)
SITUATION = NetworkSituation(
    cards=(
        card("eth0", 1, is_wifi=False, is_connected=True, connection=CABLE.path),
        card("wlan0", 2, is_wifi=True, is_connected=True, connection=WIFI.path, ssid=HOME),
    ),
    heard=HEARD,
    saved=(CABLE, WIFI),
    country="AT",
    unavailable="",
)
POINT = OwnPoint("Nightjar-7Q2M", Secret("0123456789AB"), "10.42.0.1")
