"""A secret of the machine's own that stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.housekeeping.kept import KeptSecret
from appliance.security.tokens import new_point_key
from appliance.security.vault import Vault, new_key
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database


@pytest.fixture
def credentials(tmp_path: Path) -> Iterator[CredentialStore]:
    database = Database(tmp_path, SystemClock())
    database.open()
    yield CredentialStore(database)
    database.close()


def kept(credentials: CredentialStore, vault: Vault, name: str = "network.point") -> KeptSecret:
    return KeptSecret(name, new_point_key, credentials, lambda: vault)


def test_it_stays_the_same_and_lies_sealed(credentials: CredentialStore) -> None:
    vault = Vault([new_key()])
    first = kept(credentials, vault).value().reveal()
    assert len(first) == 12
    assert kept(credentials, vault).value().reveal() == first
    [sealed] = credentials.all().values()
    assert first.encode() not in sealed
    assert kept(credentials, vault, "setup.code").value().reveal() != first


def test_one_that_cannot_be_opened_any_more_is_made_anew(credentials: CredentialStore) -> None:
    old, new = Vault([new_key()]), Vault([new_key()])
    first, second, third = (kept(credentials, vault).value().reveal() for vault in (old, new, new))
    assert first != second
    assert second == third


def test_what_is_forgotten_is_made_anew(credentials: CredentialStore) -> None:
    vault = Vault([new_key()])
    first = kept(credentials, vault).value().reveal()
    kept(credentials, vault).forget()
    assert credentials.names() == ()
    assert kept(credentials, vault).value().reveal() != first
