"""Tokens, codes and ids: their form, their randomness, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.security.tokens import (
    CROCKFORD,
    hash_token,
    looks_like_token,
    new_device_id,
    new_setup_code,
    new_token,
    normalise_code,
    normalise_device_id,
    same,
)


def test_a_setup_code_has_twelve_crockford_characters_in_three_groups() -> None:
    code = new_setup_code().reveal()
    groups = code.split("-")
    assert [len(group) for group in groups] == [4, 4, 4]
    assert set("".join(groups)) <= set(CROCKFORD)
    assert len(CROCKFORD) == 32
    assert not set("ILOU") & set(CROCKFORD)


def test_no_two_codes_ids_or_tokens_are_alike() -> None:
    assert len({new_setup_code().reveal() for _ in range(500)}) == 500
    assert len({new_device_id() for _ in range(500)}) == 500
    assert len({new_token().reveal() for _ in range(500)}) == 500


@pytest.mark.parametrize(
    "typed", ["7k3m9qxz01ab", " 7K3M-9QXZ-01AB ", "7K3M 9QXZ O1AB", "7K3M–9QXZ—OIAB", "7k3m\t9qxz\nolab", "7K3M-9QXZ-01AB\r\n"]
)  # fmt: skip
def test_a_code_may_be_typed_in_many_ways(typed: str) -> None:
    assert normalise_code(typed) == "7K3M-9QXZ-01AB"


@pytest.mark.parametrize(
    "typed", ["", "7K3M-9QXZ", "7K3M-9QXZ-01ABC", "7K3M-9QXZ-01AU", "7K3M-9QXZ-01Ä1", "x" * 100_000, "\0" * 12]
)
def test_what_cannot_be_a_code_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(InputError, match="setup code has 12"):
        normalise_code(typed)


@given(st.text())
def test_any_text_is_a_code_or_an_input_error(typed: str) -> None:
    try:
        code = normalise_code(typed)
    except InputError:
        return
    assert normalise_code(code) == code


def test_a_device_id_has_eight_characters_and_others_are_refused() -> None:
    device_id = new_device_id()
    assert normalise_device_id(device_id.lower()) == device_id
    assert len(device_id) == 8
    with pytest.raises(InputError, match="device id has 8"):
        normalise_device_id(device_id + "0")


def test_a_token_has_256_bits_and_its_form_is_known() -> None:
    token = new_token().reveal()
    assert len(token) == 43
    assert looks_like_token(token)
    for other in ("", token[:-1], token + "A", token[:-1] + "=", token[:-1] + "\n", token + "\n"):
        assert not looks_like_token(other)


def test_a_token_is_kept_as_its_sha_256() -> None:
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_same_compares_any_text() -> None:
    assert same("ä\ud800", "ä\ud800")
    assert not same("a", "b")
    assert not same("a", "")
