"""Names and addresses: what the device's authority may certify, and what it leaves out."""

import ipaddress
from pathlib import Path

import pytest

from appliance.security.addresses import local_addresses, parse_ipv4, parse_ipv6
from appliance.security.names import MOST_ADDRESSES, host_label, is_permitted, names_for

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.168.1.0/24 2 0 2
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.17
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
     |-- 203.0.113.9
        /32 host LOCAL
Local:
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.168.1.17
        /32 host LOCAL
"""
"""Shape of the kernel's table; addresses from the documentation's ranges."""

INET6 = """fe8000000000000002163efffe5e0001 02 40 20 80     eth0
fd000000000000000000000000000002 02 40 00 80     eth0
fd0000000000000000000000000000aa 02 40 00 01     eth0
fd0000000000000000000000000000bb 02 40 00 40     eth0
fd0000000000000000000000000000cc 02 40 00 08     eth0
20010db8000000000000000000000001 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.3.4",
        "127.0.0.1",
        "::1",
        "fe80::1",
        "fd00::2",
        "fc00::1",
    ],
)
def test_local_addresses_are_permitted(address: str) -> None:
    assert is_permitted(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.15.255.255", "172.32.0.0", "192.0.2.2", "100.64.0.1", "224.0.0.251",
     "2001:db8::1", "::", "ff02::1"]
)  # fmt: skip
def test_all_others_are_not(address: str) -> None:
    assert not is_permitted(ipaddress.ip_address(address))


def test_a_machine_is_certified_under_its_local_names_and_permitted_addresses() -> None:
    found = [ipaddress.ip_address(text) for text in ("203.0.113.9", "192.168.1.17", "fd00::2")]
    names = names_for("Roof.example.org", found)
    assert names.hosts == ("roof.local", "nightjar.local", "localhost")
    assert [str(address) for address in names.addresses] == ["127.0.0.1", "::1", "192.168.1.17", "fd00::2"]


def test_the_order_in_which_addresses_are_found_does_not_matter() -> None:
    found = [ipaddress.ip_address(text) for text in ("192.168.1.17", "10.0.0.1", "fd00::2")]
    assert names_for("roof", found) == names_for("roof", reversed(found))


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 64, "ä", "a\0b", "localhost", "$(reboot)"])
def test_a_name_that_cannot_stand_in_a_certificate_is_left_out(name: str) -> None:
    assert names_for(name, []).hosts == ("nightjar.local", "localhost")


def test_the_label_of_a_name_is_its_first_part_in_lower_case() -> None:
    assert host_label("Roof.Example.org") == "roof"
    assert host_label("roof") == "roof"


def test_hundreds_of_addresses_are_cut_and_loopback_stays() -> None:
    many = [ipaddress.IPv4Address("10.0.0.0") + number for number in range(1, 500)]
    names = names_for("roof", many)
    assert len(names.addresses) == MOST_ADDRESSES
    assert str(names.addresses[0]) == "127.0.0.1"


def test_own_addresses_are_read_from_the_kernels_tables(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(TRIE)
    (tmp_path / "if_inet6").write_text(INET6)
    found = local_addresses(tmp_path)
    assert [str(address) for address in found.certifiable] == [
        "127.0.0.1",
        "192.168.1.17",
        "::1",
        "fd00::2",
        "fe80::216:3eff:fe5e:1",
    ]
    assert [str(address) for address in found.left_out] == ["203.0.113.9", "2001:db8::1", "fd00::aa"]


def test_broadcast_and_network_addresses_are_not_ours() -> None:
    assert "192.168.1.255" not in map(str, parse_ipv4(TRIE))
    assert "127.0.0.0" not in map(str, parse_ipv4(TRIE))


def test_temporary_addresses_are_told_apart_and_unusable_ones_dropped() -> None:
    lasting, temporary = parse_ipv6(INET6)
    assert [str(address) for address in temporary] == ["fd00::aa"]
    assert not {"fd00::bb", "fd00::cc"} & set(map(str, lasting))


def test_a_machine_without_ipv6_has_its_ipv4_addresses(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(TRIE)
    assert [str(address) for address in local_addresses(tmp_path).certifiable] == ["127.0.0.1", "192.168.1.17"]


def test_this_machine_has_its_loopback_address() -> None:
    assert ipaddress.ip_address("127.0.0.1") in local_addresses().certifiable
