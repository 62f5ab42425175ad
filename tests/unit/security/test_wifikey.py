"""Keys of Wi-Fi networks."""

import pytest

from appliance.domain.errors import InputError
from appliance.security.wifikey import checked_passphrase, derived_key


@pytest.mark.parametrize(
    ("passphrase", "ssid", "key"),
    [
        ("password", b"IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        ("ThisIsAPassword", b"ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
    ],
)
def test_the_vectors_of_ieee_802_11(passphrase: str, ssid: bytes, key: str) -> None:
    assert derived_key(passphrase, ssid).reveal() == key


def test_a_key_that_was_typed_as_such_is_taken_as_it_is() -> None:
    assert derived_key("AB" * 32, b"any").reveal() == "ab" * 32


@pytest.mark.parametrize("typed", ["", "seven77", "x" * 64, "g" * 64, "Dömedöme", "tab\there", "line\nline"])
def test_what_wifi_does_not_allow_is_refused(typed: str) -> None:
    for take in (checked_passphrase, lambda text: derived_key(text, b"any")):
        with pytest.raises(InputError, match="8 to 63"):
            take(typed)


def test_neither_is_shown() -> None:
    assert f"{checked_passphrase('password')} {derived_key('password', b'IEEE')!r}" == "*** ***"
