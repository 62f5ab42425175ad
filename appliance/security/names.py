"""Which names and addresses the device's own authority may certify: this network's, never the internet's.

The same list stands in the name constraints of the authority's certificate, so that a stolen authority key cannot
pretend to be a bank.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PERMITTED_DOMAINS = ("local", "localhost")
"""Multicast DNS (RFC 6762) and this machine itself (RFC 6761)."""

PERMITTED_NETWORKS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private, RFC 1918
        "169.254.0.0/16", "fe80::/10",  # link-local
        "fc00::/7",  # unique local, RFC 4193
        "127.0.0.0/8", "::1/128",  # loopback
    )
)  # fmt: skip

PRODUCT_HOST = "nightjar.local"
MOST_ADDRESSES = 64
"""In one certificate: a machine with hundreds of container bridges still gets one that browsers read."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate is for."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Every name and address as people write it."""
        return (*self.hosts, *(str(address) for address in self.addresses))


def is_permitted(address: Address) -> bool:
    """Say whether the device's authority may certify an address."""
    return any(address in network for network in PERMITTED_NETWORKS if network.version == address.version)


def host_label(host_name: str) -> str | None:
    """Return the first label of a machine's name in lower case, or None where it cannot stand in a certificate."""
    label = host_name.strip().lower().partition(".")[0]
    return label if _LABEL.match(label) else None


def names_for(host_name: str, addresses: Iterable[Address]) -> Names:
    """Return what to certify for a machine: its name below `.local`, the product's, and every permitted address.

    The order does not depend on that of `addresses`, so that equal sets give equal values.
    """
    label = host_label(host_name)
    own = [f"{label}.local"] if label not in (None, "localhost") else []
    hosts = dict.fromkeys([*own, PRODUCT_HOST, "localhost"])
    permitted = {address for address in addresses if is_permitted(address)}
    always: set[Address] = {ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1")}
    ordered = sorted(permitted | always, key=lambda address: (address not in always, address.version, int(address)))
    return Names(tuple(hosts), tuple(ordered[:MOST_ADDRESSES]))
