"""What is entered about the network, taken apart."""

from ipaddress import IPv4Address, IPv6Address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.network import AUTOMATIC, Addressing, Heard, JoinWifi, Security, shown_name
from appliance.web.networkforms import addressing_of_form, join_of_form, unusable

KEY = "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"
HEARD = tuple(Heard(b"ThisIsASSID", security, 60, ("2.4 GHz",)) for security in Security)


def wish(**form: str) -> JoinWifi:
    return join_of_form(form, HEARD)


def heard(security: Security, **form: str) -> JoinWifi:
    return wish(network=b"ThisIsASSID".hex(), security=security.name.lower(), **form)


@pytest.mark.parametrize("security", [Security.PERSONAL, Security.MIXED])
def test_of_a_wpa2_passphrase_the_key_is_left_and_nothing_else(security: Security) -> None:
    found = heard(security, passphrase="ThisIsAPassword")
    assert found.key is not None
    assert (found.ssid, found.is_hidden, found.key.is_passphrase) == (b"ThisIsASSID", False, False)
    assert found.key.value.reveal() == KEY
    assert "ThisIsAPassword" not in repr(found)


def test_wpa3_alone_gets_the_passphrase_itself() -> None:
    found = heard(Security.SAE, passphrase="ThisIsAPassword")
    assert found.key is not None
    assert (found.key.is_passphrase, found.key.value.reveal()) == (True, "ThisIsAPassword")


def test_an_open_network_is_joined_only_by_who_says_so() -> None:
    with pytest.raises(InputError, match="not protected"):
        heard(Security.OPEN)
    assert heard(Security.OPEN, open="yes").key is None


@pytest.mark.parametrize("security", [Security.OUTDATED, Security.COMPANY])
def test_what_cannot_be_joined_is_refused_in_the_words_of_the_page(security: Security) -> None:
    with pytest.raises(InputError) as refused:
        heard(security, passphrase="ThisIsAPassword")
    assert str(refused.value) == unusable(security) != ""
    assert unusable(Security.PERSONAL) == ""


def test_a_hidden_network_is_named_exactly() -> None:
    found = wish(name="ThisIsASSID", security="personal", passphrase="ThisIsAPassword")
    assert found.is_hidden
    assert found.key is not None
    assert found.key.value.reveal() == KEY
    assert wish(name=" Döme ", security="open", open="yes").ssid == " Döme ".encode()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"name": ""},
        {"name": "x" * 33, "security": "open", "open": "yes"},
        {"name": "ö" * 17, "security": "open", "open": "yes"},
        {"name": "a\nb", "security": "open", "open": "yes"},
        {"name": "roof"},
        {"name": "roof", "security": "outdated", "passphrase": "ThisIsAPassword"},
        {"name": "roof", "security": "personal"},
        {"network": "zz", "security": "personal", "passphrase": "ThisIsAPassword"},
        {"network": b"other".hex(), "security": "personal", "passphrase": "ThisIsAPassword"},
    ],
)
def test_what_names_no_network_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(InputError):
        join_of_form(form, HEARD)


def addressing(version: int, **form: str) -> Addressing:
    return addressing_of_form({f"ipv{version}-{name}": value for name, value in form.items()}, version)


def test_addresses_are_read() -> None:
    assert addressing(4, method="auto", address="nonsense") == AUTOMATIC
    assert addressing(4, method="manual", address=" 192.168.1.20/24 ", gateway="192.168.1.1", dns="9.9.9.9, 192.168.1.1") == (
        Addressing(
            ip_interface("192.168.1.20/24"), IPv4Address("192.168.1.1"), (IPv4Address("9.9.9.9"), IPv4Address("192.168.1.1"))
        )
    )
    assert addressing(4, method="manual", address="192.168.1.20/255.255.255.0") == Addressing(ip_interface("192.168.1.20/24"))
    assert addressing(4, method="manual", address="10.0.0.1/31", gateway="10.0.0.0").gateway == IPv4Address("10.0.0.0")
    six = addressing(6, method="manual", address="2001:db8::20/64", gateway="fe80::1", dns="2620:fe::fe")
    assert six == Addressing(ip_interface("2001:db8::20/64"), IPv6Address("fe80::1"), (IPv6Address("2620:fe::fe"),))


@pytest.mark.parametrize(
    ("version", "address", "gateway", "dns"),
    [
        (4, "", "", ""),
        (4, "192.168.1.20", "", ""),
        (4, "192.168.1/24", "", ""),
        (4, "2001:db8::20/64", "", ""),
        (6, "192.168.1.20/24", "", ""),
        (6, "fe80::1%eth0/64", "", ""),
        (4, "192.168.1.0/24", "", ""),
        (4, "192.168.1.255/24", "", ""),
        (4, "127.0.0.1/8", "", ""),
        (4, "224.0.0.1/24", "", ""),
        (4, "255.255.255.255/32", "", ""),
        (4, "0.0.0.0/0", "", ""),
        (4, "0.0.0.9/24", "", ""),
        (4, "9.9.9.9/0", "", ""),
        (6, "::1/64", "", ""),
        (6, "ff02::1/64", "", ""),
        (6, "2001:db8::/64", "", ""),
        (4, "192.168.1.20/24", "192.168.1.20", ""),
        (4, "192.168.1.20/24", "192.168.2.1", ""),
        (4, "192.168.1.20/24", "router", ""),
        (4, "192.168.1.20/24", "fe80::1", ""),
        (6, "2001:db8::20/64", "2001:db8:1::1", ""),
        (4, "192.168.1.20/24", "", "dns.example"),
        (4, "192.168.1.20/24", "", "127.0.0.1"),
        (4, "192.168.1.20/24", "", "::1"),
        (4, "192.168.1.20/24", "", "9.9.9.9 9.9.9.10 9.9.9.11 9.9.9.12"),
    ],
)
def test_addresses_that_cannot_be_are_refused(version: int, address: str, gateway: str, dns: str) -> None:
    with pytest.raises(InputError):
        addressing(version, method="manual", address=address, gateway=gateway, dns=dns)


def test_a_form_that_does_not_say_how_is_refused() -> None:
    with pytest.raises(InputError, match="IPv6"):
        addressing(6, address="2001:db8::20/64")


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.sampled_from([4, 6]))
def test_whatever_is_typed_is_a_value_or_refused(address: str, gateway: str, dns: str, version: int) -> None:
    try:
        found = addressing(version, method="manual", address=address, gateway=gateway, dns=dns)
    except InputError:
        return
    assert found.address is not None
    assert found.address.version == version


@given(st.binary(max_size=40))
def test_whatever_a_network_is_called_can_be_shown(ssid: bytes) -> None:
    assert shown_name(ssid) == "" or shown_name(ssid).isprintable()
