"""What people enter about the network, taken apart: a Wi-Fi network and its key, addresses of either version."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface

from appliance.domain.errors import InputError
from appliance.domain.network import AUTOMATIC, MOST_SSID_BYTES, Addressing, Heard, JoinWifi, Security, WifiKey
from appliance.security.wifikey import checked_passphrase, derived_key

MOST_SERVERS = 3
_EXAMPLES = {4: ("192.168.1.20/24", "192.168.1.1"), 6: ("2001:db8::20/64", "2001:db8::1")}
_UNUSABLE = {
    Security.OUTDATED: "This network is protected by WEP or by the first WPA, which anybody nearby can break. "
    "Have its access point use WPA2 or WPA3.",
    Security.COMPANY: "This network asks each device for a login of its own (802.1X), which Nightjar cannot give.",
}


def chosen(heard: Sequence[Heard], query: Mapping[str, str]) -> Heard:
    """Return the network that a form means, of those that are heard; InputError where it is not heard any more."""
    for one in heard:
        if (one.ssid.hex(), one.security.name.lower()) == (query.get("network", ""), query.get("security", "")):
            return one
    raise InputError("This network is not heard any more. Look for networks again, or enter its name.")


def join_of_form(form: Mapping[str, str], heard: Sequence[Heard]) -> JoinWifi:
    """Return the wish to join a network that is heard, or, where the form names none, one whose name was typed."""
    if form.get("network"):
        one = chosen(heard, form)
        return JoinWifi(one.ssid, _key(form, one.ssid, one.security), is_hidden=False)
    ssid = form.get("name", "").encode("utf-8", "surrogatepass")
    if not 1 <= len(ssid) <= MOST_SSID_BYTES or not form["name"].isprintable():
        raise InputError(f"The name of a Wi-Fi network has 1 to {MOST_SSID_BYTES} bytes; write it exactly as it is set there.")
    kinds = {kind.name.lower(): kind for kind in (Security.PERSONAL, Security.SAE, Security.OPEN)}
    if form.get("security") not in kinds:
        raise InputError("Say how the network is protected.")
    return JoinWifi(ssid, _key(form, ssid, kinds[form["security"]]), is_hidden=True)


def _key(form: Mapping[str, str], ssid: bytes, security: Security) -> WifiKey | None:
    """Return what opens the network; of a passphrase only the key that it gives, except where WPA3 alone is spoken."""
    typed = form.get("passphrase", "")
    match security:
        case Security.OPEN:
            if not form.get("open"):
                raise InputError("This network is not protected: tick the box if you want to join it all the same.")
            return None
        case Security.PERSONAL | Security.MIXED:
            return WifiKey(derived_key(typed, ssid), is_passphrase=False)
        case Security.SAE:
            return WifiKey(checked_passphrase(typed), is_passphrase=True)
        case _:
            raise InputError(_UNUSABLE[security])


def unusable(security: Security) -> str:
    """Return why a network that is so protected cannot be joined; empty where it can."""
    return _UNUSABLE.get(security, "")


def addressing_of_form(form: Mapping[str, str], version: int) -> Addressing:
    """Return the addresses of one version that a form asks for."""
    prefix = f"ipv{version}-"
    match form.get(f"{prefix}method"):
        case "auto":
            return AUTOMATIC
        case "manual":
            own = _own_address(form.get(f"{prefix}address", "").strip(), version)
            gateway = _gateway(form.get(f"{prefix}gateway", "").strip(), own)
            return Addressing(own, gateway, _servers(form.get(f"{prefix}dns", ""), version))
    raise InputError(f"Say whether the IPv{version} address comes from the network or is entered here.")


def _own_address(typed: str, version: int) -> IPv4Interface | IPv6Interface:
    example = _EXAMPLES[version][0]
    try:
        own = ip_interface(typed)
    except ValueError as error:
        raise InputError(f"Enter the IPv{version} address with its prefix, like {example}.") from error
    if own.version != version or "/" not in typed or "%" in typed:
        raise InputError(f"Enter the IPv{version} address with its prefix, like {example}.")
    if not _is_host(own.ip) or own.network.prefixlen == 0:
        raise InputError(f"No machine can have the address {own.ip}. Enter one like {example}.")
    is_roomy = own.network.prefixlen < own.network.max_prefixlen - 1
    if is_roomy and (own.ip == own.network.network_address or (version == 4 and own.ip == own.network.broadcast_address)):
        raise InputError(f"{own.ip} stands for the whole network {own.network}. Choose another address in it.")
    return own


def _gateway(typed: str, own: IPv4Interface | IPv6Interface) -> IPv4Address | IPv6Address | None:
    if not typed:
        return None
    gateway = _address(typed, own.version, "gateway")
    if gateway == own.ip:
        raise InputError("The gateway is the router's address, not the machine's own.")
    if gateway not in own.network and not (own.version == 6 and gateway.is_link_local):
        raise InputError(f"The gateway {gateway} is not in the network {own.network}, so it cannot be reached.")
    return gateway


def _servers(typed: str, version: int) -> tuple[IPv4Address | IPv6Address, ...]:
    names = [name for name in re.split(r"[\s,;]+", typed) if name]
    if len(names) > MOST_SERVERS:
        raise InputError(f"Enter {MOST_SERVERS} DNS servers at most.")
    return tuple(_address(name, version, "DNS server") for name in names)


def _address(typed: str, version: int, what: str) -> IPv4Address | IPv6Address:
    example = _EXAMPLES[version][1]
    try:
        address = ip_address(typed)
    except ValueError as error:
        raise InputError(f"Enter the {what} as an IPv{version} address, like {example}.") from error
    if address.version != version or "%" in typed or not _is_host(address):
        raise InputError(f"Enter the {what} as an IPv{version} address, like {example}.")
    return address


def _is_host(address: IPv4Address | IPv6Address) -> bool:
    """Return whether one machine can have an address."""
    is_old = isinstance(address, IPv4Address) and (address.is_reserved or address in _THIS_NETWORK)
    return not (address.is_multicast or address.is_unspecified or address.is_loopback or is_old)


_THIS_NETWORK = ip_interface("0.0.0.0/8").network
