"""The vault: seals, opens, refuses, rotates."""

import pytest

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret
from appliance.security.vault import Vault, file_of_keys, keys_from_file, new_key

CANARY = "canary-5f3a91"


def test_what_was_sealed_is_opened_and_cannot_be_seen_in_between() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(Secret(CANARY))
    assert CANARY.encode() not in sealed
    assert vault.open(sealed).reveal() == CANARY
    assert vault.seal(Secret(CANARY)) != sealed


def test_another_key_does_not_open() -> None:
    with pytest.raises(VaultError, match="cannot be opened"):
        Vault([new_key()]).open(Vault([new_key()]).seal(Secret(CANARY)))


def test_one_changed_byte_is_noticed() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(Secret(CANARY))
    for place in (0, 20, len(sealed) // 2, len(sealed) - 3):
        changed = bytearray(sealed)
        changed[place] = changed[place] ^ 1
        with pytest.raises(VaultError):
            vault.open(bytes(changed))


def test_rotation_reseals_under_the_new_key_alone() -> None:
    old, new = new_key(), new_key()
    sealed = {"sftp": Vault([old]).seal(Secret(CANARY)), "mqtt": Vault([old]).seal(Secret("other"))}
    resealed = Vault([new, old]).resealed(sealed)
    alone = Vault([new])
    assert {name: alone.open(value).reveal() for name, value in resealed.items()} == {"sftp": CANARY, "mqtt": "other"}
    with pytest.raises(VaultError):
        Vault([old]).open(resealed["sftp"])


def test_rotation_of_something_foreign_changes_nothing() -> None:
    with pytest.raises(VaultError, match="nothing was changed"):
        Vault([new_key()]).resealed({"sftp": Vault([new_key()]).seal(Secret(CANARY))})


def test_a_key_file_is_read_back() -> None:
    keys = [new_key(), new_key()]
    assert [key.reveal() for key in keys_from_file(file_of_keys(keys))] == [key.reveal() for key in keys]


@pytest.mark.parametrize("damaged", [b"", b"\n \n", b"short\n", b"\xff" * 44, b"A" * 43 + b"\n"])
def test_a_damaged_key_file_is_refused_and_its_content_not_told(damaged: bytes) -> None:
    with pytest.raises(VaultError) as caught:
        keys_from_file(damaged)
    assert damaged.strip() == b"" or damaged.strip() not in str(caught.value).encode()
