"""The second factor: the vectors of RFC 6238, the window, what can be typed, recovery codes."""

import base64
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from appliance.domain.secret import Secret
from appliance.security.totp import (
    matching_step,
    new_recovery_codes,
    new_secret,
    provisioning_uri,
    qr_svg,
    recovery_hash,
)

RFC_SECRET = Secret(base64.b32encode(b"12345678901234567890").decode())
"""RFC 6238, appendix B; its table has eight digits, ours are the last six of them."""
NOW = datetime(2026, 1, 31, 22, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unix_time", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
     (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_the_vectors_of_rfc_6238(unix_time: int, code: str) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(unix_time, UTC)) == unix_time // 30


def test_a_telephone_may_be_one_step_off_and_not_two() -> None:
    when = datetime.fromtimestamp(1111111109, UTC)
    for steps, is_good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        found = matching_step(RFC_SECRET, "081804", when + timedelta(seconds=30 * steps))
        assert (found is not None) is is_good


@pytest.mark.parametrize("typed", ["081 804", " 081804\n", "081-804"])
def test_blanks_in_a_code_do_not_matter(typed: str) -> None:
    assert matching_step(RFC_SECRET, typed, datetime.fromtimestamp(1111111109, UTC)) is not None


@pytest.mark.parametrize("typed", ["", "081805", "81804", "0818040", "०८१८०४", "x" * 10_000, "081804 081804"])
def test_anything_else_is_not_a_code(typed: str) -> None:
    assert matching_step(RFC_SECRET, typed, datetime.fromtimestamp(1111111109, UTC)) is None


def test_two_secrets_differ_and_have_160_bits() -> None:
    first, second = new_secret().reveal(), new_secret().reveal()
    assert first != second
    assert len(base64.b32decode(first)) == 20


def test_the_qr_code_is_an_svg_without_script_or_style() -> None:
    uri = provisioning_uri(RFC_SECRET, "anna", "My sky & more")
    assert uri.reveal().startswith("otpauth://totp/Nightjar:anna%40My%20sky%20%26%20more?secret=")
    root = ET.fromstring(qr_svg(uri).reveal())  # noqa: S314 - our own text
    assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "path", "g"}
    assert not any("style" in element.attrib for element in root.iter())


def test_ten_recovery_codes_and_each_is_recognised_however_it_is_typed() -> None:
    codes = [code.reveal() for code in new_recovery_codes()]
    assert len(set(codes)) == 10
    code = codes[0]
    assert recovery_hash(code) == recovery_hash(code.lower().replace("-", " "))
    assert len({recovery_hash(code) for code in codes}) == 10


@pytest.mark.parametrize("typed", ["", "081804", "AAAA-BBBB-CCCC", "AAAA-BBBB-CCCC-DDDU", "A" * 1000])
def test_what_cannot_be_a_recovery_code_has_no_hash(typed: str) -> None:
    assert recovery_hash(typed) is None
