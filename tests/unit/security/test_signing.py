"""The sync signature: what it covers, and each thing that it refuses."""

import hashlib
import hmac
from dataclasses import replace

import pytest

from appliance.domain.errors import InputError, RefusedError
from appliance.domain.secret import Secret
from appliance.security.signing import Signed, body_hash, check_signature, new_nonce, new_sync_key, parse_time, sign

KEY = Secret("00" * 31 + "01")
SIGNED = Signed("POST", "/api/v1/sync?part=2", 1_769_900_000, "ab" * 16, body_hash(b"picture"), body_hash(b"{}"))


def test_the_signature_is_the_hmac_of_seven_lines() -> None:
    lines = ["NIGHTJAR1", "POST", "/api/v1/sync?part=2", "1769900000", "ab" * 16, body_hash(b"picture"), body_hash(b"{}")]
    by_hand = hmac.new(bytes(31) + b"\x01", "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    assert sign(KEY, SIGNED) == by_hand
    check_signature(KEY, SIGNED, by_hand, now_s=1_769_900_000.5)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SIGNED, method="PUT"), replace(SIGNED, path_query="/api/v1/sync?part=3"), replace(SIGNED, time_s=1_769_900_001),
        replace(SIGNED, nonce="ac" * 16), replace(SIGNED, body_sha256=body_hash(b"other")),
        replace(SIGNED, metadata_sha256=body_hash(b"")),
    ],
)  # fmt: skip
def test_each_part_is_covered(changed: Signed) -> None:
    with pytest.raises(RefusedError, match="does not fit"):
        check_signature(KEY, changed, sign(KEY, SIGNED), now_s=1_769_900_000)


def test_another_key_is_refused() -> None:
    with pytest.raises(RefusedError, match="does not fit"):
        check_signature(new_sync_key(), SIGNED, sign(KEY, SIGNED), now_s=1_769_900_000)


@pytest.mark.parametrize("untrusted", ["", "ä", "\ud800", sign(KEY, SIGNED).upper(), sign(KEY, SIGNED)[:-1]])
def test_a_misshapen_signature_is_refused(untrusted: str) -> None:
    with pytest.raises(RefusedError):
        check_signature(KEY, SIGNED, untrusted, now_s=1_769_900_000)


@pytest.mark.parametrize(
    ("now_s", "is_good"), [(1_769_899_700, True), (1_769_900_300, True), (1_769_899_699, False), (1_769_900_301, False)]
)
def test_it_is_good_for_five_minutes_either_way(now_s: int, is_good: bool) -> None:
    if is_good:
        check_signature(KEY, SIGNED, sign(KEY, SIGNED), now_s=now_s)
        return
    with pytest.raises(RefusedError, match="clock is 301 s"):
        check_signature(KEY, SIGNED, sign(KEY, SIGNED), now_s=now_s)


def test_ten_minutes_off_is_refused_with_the_side_on_which() -> None:
    with pytest.raises(RefusedError, match="600 s ahead of"):
        check_signature(KEY, SIGNED, sign(KEY, SIGNED), now_s=SIGNED.time_s - 600)
    with pytest.raises(RefusedError, match="600 s behind"):
        check_signature(KEY, SIGNED, sign(KEY, SIGNED), now_s=SIGNED.time_s + 600)


@pytest.mark.parametrize(
    "part",
    [
        {"method": "POST\n/x"}, {"method": "post"}, {"path_query": "/a\n1"}, {"path_query": "a"}, {"path_query": "/a b"},
        {"path_query": "/ä"}, {"path_query": "/" + "a" * 5000},
        {"nonce": "ab"}, {"nonce": "AB" * 16}, {"nonce": "ab" * 16 + "\n"}, {"body_sha256": "x"}, {"metadata_sha256": ""},
        {"time_s": -1},
    ],
)  # fmt: skip
def test_a_part_that_could_be_read_as_another_is_refused(part: dict[str, str]) -> None:
    with pytest.raises(InputError):
        replace(SIGNED, **part)  # type: ignore[arg-type]


def test_times_keys_and_nonces_have_one_form() -> None:
    assert parse_time("1769900000") == 1_769_900_000
    for untrusted in ("", "-1", "1.5", "1e9", "٣", "9" * 13, "1\n"):
        with pytest.raises(InputError):
            parse_time(untrusted)
    with pytest.raises(InputError, match="64 hexadecimal"):
        sign(Secret("abc"), SIGNED)
    assert new_nonce() != new_nonce()
