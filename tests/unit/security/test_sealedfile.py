"""A file that a pass-phrase opens: what was locked comes back, and nothing else does."""

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.security import passwords, sealedfile
from appliance.security.sealedfile import (
    DAMAGED,
    LARGEST_CONTENT,
    MEMORY_BOUNDS_KIB,
    MEMORY_KIB,
    NOT_OURS,
    NOT_WHOLE,
    PASSES,
    PASSES_BOUNDS,
    WRONG,
    lock,
    unlock,
)

PHRASE = Secret("four words under stars")
CONTENT = b'{"settings":"here"}'


@pytest.fixture(scope="module", autouse=True)
def _cheap() -> Iterator[None]:
    """Have Argon2 cost as little as a header may ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealedfile, "MEMORY_KIB", 8 * 1024)
        patch.setattr(sealedfile, "PASSES", 1)
        yield


@pytest.fixture(scope="module")
def file(_cheap: None) -> bytes:
    return lock(Secret(CONTENT), PHRASE)


def with_sum(head: bytes) -> bytes:
    """Return a file whose check sum fits, as somebody makes it who changes one on purpose."""
    return head + b"sha256 " + hashlib.sha256(head).hexdigest().encode() + b"\n"


def with_header(file: bytes, **changes: object) -> bytes:
    magic, line, token, *_ = file.split(b"\n")
    header = {**json.loads(line), **changes}
    return with_sum(b"\n".join((magic, json.dumps(header, sort_keys=True, separators=(",", ":")).encode(), token, b"")))


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=3000), st.text(min_size=1, max_size=300))
@example(b"", "x")
def test_what_was_locked_comes_back_with_its_pass_phrase(content: bytes, phrase: str) -> None:
    assert unlock(lock(Secret(content), Secret(phrase)), Secret(phrase)).reveal() == content


def test_the_same_text_typed_on_another_keyboard_opens_it() -> None:
    assert unlock(lock(Secret(CONTENT), Secret("schl\u00f6sser am meer")), Secret("schlo\u0308sser am meer")).reveal() == CONTENT


def test_another_pass_phrase_is_told_as_that(file: bytes) -> None:
    with pytest.raises(InputError, match="does not open") as refused:
        unlock(file, Secret("four words under star"))
    assert str(refused.value) == WRONG


def test_two_files_of_the_same_content_share_neither_salt_nor_bytes(file: bytes) -> None:
    other = lock(Secret(CONTENT), PHRASE)
    assert other.split(b"\n")[1] != file.split(b"\n")[1]
    assert other.split(b"\n")[2] != file.split(b"\n")[2]


def test_nothing_of_the_content_stands_in_the_file(file: bytes) -> None:
    assert b"settings" not in file
    assert base64.b64encode(b"settings") not in file


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_flipped_byte_is_refused(file: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(file) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(file)
    changed[at] ^= flip
    with pytest.raises(InputError) as refused:
        unlock(bytes(changed), PHRASE)
    assert str(refused.value) in {NOT_OURS, NOT_WHOLE, DAMAGED}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_truncated_file_is_refused(file: bytes, data: st.DataObject) -> None:
    with pytest.raises(InputError) as refused:
        unlock(file[: data.draw(st.integers(0, len(file) - 1))], PHRASE)
    assert str(refused.value) in {NOT_OURS, NOT_WHOLE}


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=500), st.binary(max_size=300).map(lambda rest: b"nightjar-backup\n" + rest)))
@example(b"PK\x03\x04" + b"\0" * 200)
@example(b"\x1f\x8b\x08" + b"\0" * 200)
@example(b"nightjar-backup\n")
def test_a_foreign_file_is_refused(foreign: bytes) -> None:
    for untrusted in (foreign, with_sum(foreign)):
        with pytest.raises(InputError):
            unlock(untrusted, PHRASE)


def test_a_byte_changed_on_purpose_gets_no_further_than_the_pass_phrase(file: bytes) -> None:
    magic, line, token, *_ = file.split(b"\n")
    changed = bytearray(token)
    changed[40] = changed[40] ^ 1
    with pytest.raises(InputError) as refused:
        unlock(with_sum(b"\n".join((magic, line, bytes(changed), b""))), PHRASE)
    assert str(refused.value) == WRONG


def test_the_header_is_as_authentic_as_the_content(file: bytes) -> None:
    for changes in ({"passes": 2}, {"memory_kib": 9 * 1024}, {"lanes": 2}, {"salt": base64.b64encode(bytes(16)).decode()}):
        with pytest.raises(InputError, match="does not open"):
            unlock(with_header(file, **changes), PHRASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 4 << 20},
        {"memory_kib": 1},
        {"memory_kib": -1},
        {"memory_kib": 8192.0},
        {"memory_kib": True},
        {"passes": 10_000},
        {"passes": 0},
        {"lanes": 100},
        {"kdf": "scrypt"},
        {"salt": "AAAA"},
        {"format": 0},
    ],
)
def test_a_header_that_asks_for_too_much_never_reaches_argon2(
    file: bytes, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise AssertionError("Argon2 was asked")

    monkeypatch.setattr(sealedfile, "hash_secret_raw", fail)
    with pytest.raises(InputError, match="more than it may"):
        unlock(with_header(file, **changes), PHRASE)


def test_a_header_written_in_another_way_or_with_more_in_it_is_refused(file: bytes) -> None:
    magic, line, token, *_ = file.split(b"\n")
    spaced = json.dumps(json.loads(line), sort_keys=True).encode()
    with pytest.raises(InputError, match="more than it may"):
        unlock(with_sum(b"\n".join((magic, spaced, token, b""))), PHRASE)
    for more in ({"more": 1}, {"salt": 5}):
        with pytest.raises(InputError, match="damaged"):
            unlock(with_header(file, **more), PHRASE)
    for odd in (b"[]", b"7", b"[" * 300, b'{"format":1}', b"x" * 5000):
        with pytest.raises(InputError, match="damaged"):
            unlock(with_sum(b"\n".join((magic, odd, token, b""))), PHRASE)


def test_a_newer_format_is_told_as_that(file: bytes) -> None:
    with pytest.raises(InputError, match=r"newer Nightjar \(format 2, this one knows 1\)"):
        unlock(with_header(file, format=2), PHRASE)


def test_the_largest_content_makes_the_largest_file_and_no_larger_one_is_made_or_read() -> None:
    made = lock(Secret(bytes(LARGEST_CONTENT)), PHRASE)
    assert len(made) <= LARGEST_BACKUP
    assert len(unlock(made, PHRASE).reveal()) == LARGEST_CONTENT
    with pytest.raises(InputError, match="too much"):
        lock(Secret(bytes(LARGEST_CONTENT + 1)), PHRASE)
    with pytest.raises(InputError) as refused:
        unlock(b"nightjar-backup\n" + bytes(LARGEST_BACKUP), PHRASE)
    assert str(refused.value) == NOT_OURS


def test_what_is_written_stays_within_what_is_read() -> None:
    assert MEMORY_BOUNDS_KIB[0] <= MEMORY_KIB <= MEMORY_BOUNDS_KIB[1]
    assert PASSES_BOUNDS[0] <= PASSES <= PASSES_BOUNDS[1]
    assert MEMORY_KIB >= passwords.MEMORY_KIB
    assert PASSES >= passwords.PASSES
