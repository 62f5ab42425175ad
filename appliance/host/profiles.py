"""Connections in NetworkManager's words: made of our values, and read into them. Nothing here talks to anybody.

https://networkmanager.dev/docs/api/latest/ref-settings.html
"""

import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from appliance.domain.network import AUTOMATIC, Addressing, OwnPoint, Saved, WifiKey, shown_name

CABLE, WIFI, WIFI_SECURITY = "802-3-ethernet", "802-11-wireless", "802-11-wireless-security"
PREFERRED = 10
"""Of the connections that could be used, NetworkManager takes the one with the greatest number; others have 0."""
_NO_PMF = 1
"""Some chips of the Raspberry Pi open no access point with protected management frames."""

Value = tuple[str, object]
"""With its type before it, as it travels."""
Profile = dict[str, dict[str, Value]]


def wifi_profile(uuid: str, ssid: bytes, key: WifiKey | None, *, is_hidden: bool) -> Profile:
    """Return a connection to a Wi-Fi network that gets its addresses from there."""
    profile: Profile = {
        "connection": _head(uuid, shown_name(ssid) or "Wi-Fi", WIFI),
        WIFI: {"ssid": ("ay", ssid), "mode": ("s", "infrastructure"), "hidden": ("b", is_hidden)},
        "ipv4": {"method": ("s", "auto")},
        "ipv6": {"method": ("s", "auto")},
    }
    if key is not None:
        management = "sae" if key.is_passphrase else "wpa-psk"
        profile[WIFI_SECURITY] = {"key-mgmt": ("s", management), "psk": ("s", key.value.reveal())}
    return profile


def cable_profile(uuid: str, card: str, ipv4: Addressing, ipv6: Addressing) -> Profile:
    """Return a connection for one card with a cable."""
    head = {**_head(uuid, f"Cable {card}", CABLE), "interface-name": ("s", card), "autoconnect-priority": ("i", PREFERRED)}
    return {"connection": head, CABLE: {}, "ipv4": addresses_4(ipv4), "ipv6": addresses_6(ipv6)}


def point_profile(uuid: str, card: str, point: OwnPoint) -> Profile:
    """Return an access point of the machine's own, on 2.4 GHz, which hands out addresses and never opens by itself."""
    head = {**_head(uuid, point.name, WIFI), "interface-name": ("s", card), "autoconnect": ("b", False)}
    key: dict[str, Value] = {
        "key-mgmt": ("s", "wpa-psk"),
        "psk": ("s", point.key.reveal()),
        "proto": ("as", ["rsn"]),
        "pairwise": ("as", ["ccmp"]),
        "group": ("as", ["ccmp"]),
        "pmf": ("i", _NO_PMF),
    }
    return {
        "connection": head,
        WIFI: {"ssid": ("ay", point.name.encode()), "mode": ("s", "ap"), "band": ("s", "bg")},
        WIFI_SECURITY: key,
        "ipv4": {
            "method": ("s", "shared"),
            "address-data": ("aa{sv}", [{"address": ("s", point.address), "prefix": ("u", 24)}]),
        },
        "ipv6": {"method": ("s", "link-local")},
    }


def addresses_4(wanted: Addressing) -> dict[str, Value]:
    """Return NetworkManager's words for addresses of version 4."""
    servers = [int.from_bytes(server.packed, sys.byteorder) for server in wanted.dns]
    return {**_addresses(wanted), "dns": ("au", servers)}


def addresses_6(wanted: Addressing) -> dict[str, Value]:
    """Return NetworkManager's words for addresses of version 6."""
    return {**_addresses(wanted), "dns": ("aay", [server.packed for server in wanted.dns])}


def with_addresses(told: Mapping[str, Mapping[str, object]], ipv4: Addressing, ipv6: Addressing) -> Profile:
    """Return a connection as it is told, with other addresses, and without what only other kinds have.

    The keys are not told, and NetworkManager keeps those it has if none come.
    """
    kept: Profile = {
        section: {name: (kind, told[section][name]) for name, kind in names.items() if name in told.get(section, {})}
        for section, names in _KEPT.items()
        if section in told
    }
    return {**kept, "ipv4": addresses_4(ipv4), "ipv6": addresses_6(ipv6)}


_KEPT: Mapping[str, Mapping[str, str]] = {
    "connection": {
        "id": "s", "uuid": "s", "type": "s", "interface-name": "s", "autoconnect": "b", "autoconnect-priority": "i",
        "timestamp": "t",
    },
    CABLE: {"mac-address": "ay", "mtu": "u"},
    WIFI: {"ssid": "ay", "mode": "s", "hidden": "b", "band": "s", "bssid": "ay", "mac-address": "ay", "mtu": "u"},
    WIFI_SECURITY: {"key-mgmt": "s", "pmf": "i", "proto": "as", "pairwise": "as", "group": "as"},
}  # fmt: skip


def saved_of(path: str, told: Mapping[str, Mapping[str, object]]) -> Saved | None:
    """Return a connection as NetworkManager tells it; None for what is neither a cable nor Wi-Fi."""
    head, wifi = told.get("connection", {}), told.get(WIFI, {})
    kind, ssid = head.get("type"), wifi.get("ssid")
    if kind not in (CABLE, WIFI):
        return None
    return Saved(
        uuid=_text(head, "uuid"),
        path=path,
        name="".join(letter for letter in _text(head, "id") if letter.isprintable()),
        is_wifi=kind == WIFI,
        ssid=ssid if isinstance(ssid, bytes) else b"",
        is_own_point=wifi.get("mode") == "ap",
        card=_text(head, "interface-name"),
        ipv4=_read(told.get("ipv4", {}), 4),
        ipv6=_read(told.get("ipv6", {}), 6),
    )


def _head(uuid: str, name: str, kind: str) -> dict[str, Value]:
    return {"id": ("s", name), "uuid": ("s", uuid), "type": ("s", kind), "autoconnect": ("b", True)}


def _addresses(wanted: Addressing) -> dict[str, Value]:
    if wanted.address is None:
        return {"method": ("s", "auto")}
    of = {"address": ("s", str(wanted.address.ip)), "prefix": ("u", wanted.address.network.prefixlen)}
    told: dict[str, Value] = {"method": ("s", "manual"), "address-data": ("aa{sv}", [of])}
    return told if wanted.gateway is None else {**told, "gateway": ("s", str(wanted.gateway))}


def _read(told: Mapping[str, object], version: int) -> Addressing:
    """Return the addresses of a connection; several of them, or none that can be read, count as those of the network."""
    match told.get("method"), told.get("address-data"):
        case "manual", [{"address": str() as address, "prefix": int() as prefix}]:
            try:
                read = Addressing(
                    ip_interface(f"{address}/{prefix}"), _address(told.get("gateway")), _servers(told.get("dns"), version)
                )
            except ValueError:
                return AUTOMATIC
            return read if read.address is not None and read.address.version == version else AUTOMATIC
    return AUTOMATIC


def _servers(told: object, version: int) -> tuple[IPv4Address | IPv6Address, ...]:
    found = told if isinstance(told, list) else []
    if version == 4:
        return tuple(IPv4Address(one.to_bytes(4, sys.byteorder)) for one in found if isinstance(one, int))
    return tuple(IPv6Address(one) for one in found if isinstance(one, bytes))


def _address(told: object) -> IPv4Address | IPv6Address | None:
    return ip_address(told) if isinstance(told, str) and told else None


def _text(of: Mapping[str, object], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""
