"""The key of the own access point that stays."""

from pathlib import Path

from appliance.domain.clock import SystemClock
from appliance.housekeeping.pointkey import PointKey
from appliance.security.vault import Vault, new_key
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database


def test_it_stays_the_same_and_lies_sealed(tmp_path: Path) -> None:
    database, vault = Database(tmp_path, SystemClock()), Vault([new_key()])
    database.open()
    credentials = CredentialStore(database)
    first = PointKey(credentials, lambda: vault).kept()
    assert len(first.reveal()) == 12
    assert PointKey(CredentialStore(database), lambda: vault).kept().reveal() == first.reveal()
    [sealed] = credentials.all().values()
    assert first.reveal().encode() not in sealed
    database.close()


def test_one_that_cannot_be_opened_any_more_is_made_anew(tmp_path: Path) -> None:
    database, vaults = Database(tmp_path, SystemClock()), [Vault([new_key()]), Vault([new_key()])]
    database.open()
    first, second, third = (_kept(database, vault) for vault in (*vaults, vaults[1]))
    assert first != second
    assert second == third
    database.close()


def _kept(database: Database, vault: Vault) -> str:
    return PointKey(CredentialStore(database), lambda: vault).kept().reveal()
