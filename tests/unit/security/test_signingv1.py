"""The weaker signature of indi-allsky's SyncAPI: by hand, at the borders of its slots, and what it does not take."""

import hashlib
import hmac

import pytest

from appliance.domain.errors import RefusedError
from appliance.domain.secret import Secret
from appliance.security.signingv1 import (
    authorization_v1,
    check_signature_v1,
    new_v1_key,
    parse_authorization_v1,
    sign_v1,
    slot_of,
)

KEY = Secret("5f0e" * 16)
METADATA = b'{"type": 2, "createDate": 1769900130}'
NOW_S = 1_769_900_130.0
"""In slot 5899667, 30 s after its begin."""


def by_hand(slot: int, key: str = "5f0e" * 16, metadata: bytes = METADATA) -> str:
    return hmac.new(key.encode("ascii"), f"{slot}".encode() + metadata, hashlib.sha3_512).hexdigest()


def test_the_signature_is_what_the_scheme_says() -> None:
    assert slot_of(NOW_S) == 5_899_667
    assert sign_v1(KEY, METADATA, now_s=NOW_S) == by_hand(5_899_667)
    assert authorization_v1("ada", "ff") == "Bearer ada:ff"


@pytest.mark.parametrize(("at", "slot"), [(299.99, 0), (300.0, 1), (599.999, 1), (600.0, 2)])
def test_slots_begin_every_five_minutes(at: float, slot: int) -> None:
    assert slot_of(at) == slot
    assert sign_v1(KEY, METADATA, now_s=at) == by_hand(slot)


@pytest.mark.parametrize("slot", range(-4, 2))
def test_a_slot_of_the_last_twenty_minutes_and_the_next_is_taken(slot: int) -> None:
    check_signature_v1(KEY, METADATA, by_hand(5_899_667 + slot), now_s=NOW_S)


@pytest.mark.parametrize("slot", [-6, -5, 2, 3])
def test_an_older_or_newer_slot_is_not(slot: int) -> None:
    with pytest.raises(RefusedError):
        check_signature_v1(KEY, METADATA, by_hand(5_899_667 + slot), now_s=NOW_S)


def test_the_border_is_where_the_slot_ends() -> None:
    sent = by_hand(10)
    check_signature_v1(KEY, METADATA, sent, now_s=15 * 300 - 0.01)
    check_signature_v1(KEY, METADATA, sent, now_s=9 * 300)
    for now_s in (15 * 300, 9 * 300 - 0.01):
        with pytest.raises(RefusedError):
            check_signature_v1(KEY, METADATA, sent, now_s=now_s)


@pytest.mark.parametrize(
    "signature",
    [
        by_hand(5_899_667, key="5f0f" * 16),
        by_hand(5_899_667, metadata=METADATA + b" "),
        by_hand(5_899_667)[:-1],
        "",
        "0" * 128,
        "é",
    ],
)
def test_what_another_key_or_other_metadata_gave_is_refused(signature: str) -> None:
    with pytest.raises(RefusedError):
        check_signature_v1(KEY, METADATA, signature, now_s=NOW_S)


def test_keys_have_256_bits_and_differ() -> None:
    keys = {new_v1_key().reveal() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)


def test_the_header_is_read_strictly() -> None:
    signature = by_hand(1)
    assert parse_authorization_v1(f"Bearer ada:{signature}") == ("ada", signature)
    for header in (
        "", "Bearer", "Bearer ada", f"Bearer :{signature}", f"bearer ada:{signature}", f"Basic ada:{signature}",
        f"Bearer ada:{signature}0", f"Bearer ada:{signature[:-1]}", f"Bearer ada:{signature.upper()}",
        f"Bearer ada:x:{signature}", f"Bearer  ada:{signature} ", f"Bearer ada: {signature}",
    ):  # fmt: skip
        found = parse_authorization_v1(header)
        assert found is None or found[0] != "ada", header
