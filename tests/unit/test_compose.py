"""What the wiring decides by itself: which setup code an appliance has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.compose import code_of_now
from appliance.domain.clock import SystemClock
from appliance.housekeeping.kept import KeptSecret
from appliance.security.tokens import new_setup_code
from appliance.security.vault import Vault, new_key
from appliance.store.accounts import AccountStore
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path, SystemClock())
    opened.open()
    yield opened
    opened.close()


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_setup_code_holds_over_starts_where_it_is_kept_and_is_forgotten_once_claimed(
    database: Database, is_kept: bool
) -> None:
    credentials, accounts, vault = CredentialStore(database), AccountStore(database, SystemClock()), Vault([new_key()])
    kept = KeptSecret("setup.code", new_setup_code, credentials, lambda: vault)

    def start() -> str:
        return code_of_now(kept, accounts, is_kept=is_kept).reveal()

    first = start()
    assert (start() == first) is is_kept
    assert credentials.names() == (("setup.code",) if is_kept else ())
    accounts.claim("ada", "no hash")
    assert start() != first
    assert credentials.names() == ()
