"""The addresses of this machine, read from the kernel's tables: no request, no network, no privilege.

Addresses come and go while an interface lives, so nothing is remembered here.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from appliance.security.names import Address, is_permitted

PROC = Path("/proc/self/net")
"""Also there where a sandbox hides all of /proc but processes."""

_TEMPORARY, _DUPLICATE, _TENTATIVE = 0x01, 0x08, 0x40
"""Flags of an IPv6 address: linux/if_addr.h."""

_TRIE_ADDRESS = re.compile(r"\|-- ([0-9.]+)\Z")
_TRIE_LOCAL = re.compile(r"/32 host LOCAL\Z")


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """What this machine answers to."""

    certifiable: tuple[Address, ...]
    left_out: tuple[Address, ...]
    """Public ones, which no private authority should certify, and temporary ones, which are gone tomorrow."""


def parse_ipv4(trie: str) -> list[Address]:
    """Return the machine's own addresses from the text of `/proc/net/fib_trie`."""
    found: list[Address] = []
    leaf = ""
    for line in trie.splitlines():
        if match := _TRIE_ADDRESS.search(line):
            leaf = match.group(1)
        elif leaf and _TRIE_LOCAL.search(line):
            found.append(ipaddress.IPv4Address(leaf))
    return found


def parse_ipv6(table: str) -> tuple[list[Address], list[Address]]:
    """Return lasting and temporary addresses from the text of `/proc/net/if_inet6`; unusable ones are in neither."""
    lasting: list[Address] = []
    temporary: list[Address] = []
    for line in table.splitlines():
        words = line.split()
        address, flags = ipaddress.IPv6Address(bytes.fromhex(words[0])), int(words[4], 16)
        if flags & (_DUPLICATE | _TENTATIVE):
            continue
        (temporary if flags & _TEMPORARY else lasting).append(address)
    return lasting, temporary


def local_addresses(proc: Path = PROC) -> LocalAddresses:
    """Return this machine's addresses of now; a table that is missing (no IPv6) counts as empty."""
    ipv4 = parse_ipv4(_text(proc / "fib_trie"))
    ipv6, temporary = parse_ipv6(_text(proc / "if_inet6"))
    lasting = sorted({*ipv4, *ipv6}, key=lambda address: (address.version, int(address)))
    certifiable = tuple(address for address in lasting if is_permitted(address))
    return LocalAddresses(certifiable, (*(a for a in lasting if not is_permitted(a)), *temporary))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
