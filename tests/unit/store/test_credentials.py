"""Credentials: sealed bytes only, replaced together, absent in the clear from every byte on disk."""

import pytest
from cryptography.fernet import Fernet

from appliance.domain.access import Role
from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.store.accounts import AccountStore
from appliance.store.credentials import LARGEST_BYTES, CredentialStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from tests.unit.store.conftest import MovableClock

CANARY = b"canary-7Q4Z-sings-in-the-clear"


@pytest.fixture
def credentials(database: Database, clock: MovableClock) -> CredentialStore:
    return CredentialStore(database, clock)


def test_a_credential_is_set_replaced_and_cleared(credentials: CredentialStore) -> None:
    assert credentials.get("sftp.password") is None
    credentials.set("sftp.password", b"one")
    credentials.set("sftp.password", b"\0two\xff")
    credentials.set("mqtt.password", b"three")
    assert credentials.get("sftp.password") == b"\0two\xff"
    assert credentials.names() == ("mqtt.password", "sftp.password")
    assert credentials.clear("sftp.password")
    assert not credentials.clear("sftp.password")
    assert credentials.all() == {"mqtt.password": b"three"}


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 81, ".a", "a\n"])
def test_odd_names_are_refused(credentials: CredentialStore, name: str) -> None:
    with pytest.raises(InputError, match="not the name"):
        credentials.set(name, b"x")


def test_too_many_bytes_are_refused(credentials: CredentialStore) -> None:
    credentials.set("key", bytes(LARGEST_BYTES))
    with pytest.raises(InputError, match="64 KiB"):
        credentials.set("key", bytes(LARGEST_BYTES + 1))


class TestRotation:
    def test_replaces_everything_at_once(self, credentials: CredentialStore) -> None:
        for name in ("a", "b"):
            credentials.set(name, b"old")
        credentials.replace_all({"a": b"new", "b": b"new"})
        assert credentials.all() == {"a": b"new", "b": b"new"}

    def test_changes_nothing_where_one_cannot_be_kept(self, credentials: CredentialStore) -> None:
        credentials.set("a", b"old")
        with pytest.raises(InputError):
            credentials.replace_all({"a": b"new", "b": bytes(LARGEST_BYTES + 1)})
        assert credentials.all() == {"a": b"old"}

    def test_does_not_lose_what_was_saved_meanwhile(self, credentials: CredentialStore) -> None:
        for name in ("a", "saved-meanwhile"):
            credentials.set(name, b"old")
        with pytest.raises(InputError, match="again"):
            credentials.replace_all({"a": b"new"})
        assert credentials.all() == {"a": b"old", "saved-meanwhile": b"old"}


def test_a_canary_is_nowhere_on_disk_but_opens_with_its_key(
    credentials: CredentialStore, database: Database, folder: DataFolder, clock: MovableClock
) -> None:
    """In the database, its write-ahead log and its backup, also after it was replaced and cleared."""
    key = Fernet.generate_key()
    vault = Fernet(key)
    accounts = AccountStore(database, clock)
    account = accounts.create("vera", "$argon2id$hash", Role.ADMIN)
    folder.make_key("vault.key", Secret(key))
    credentials.set("kept", vault.encrypt(CANARY))
    credentials.set("cleared", vault.encrypt(CANARY))
    credentials.clear("cleared")
    accounts.set_totp(account.id, vault.encrypt(CANARY), ["hash"])
    backup = database.backup()

    def raw() -> bytes:
        return b"".join(path.read_bytes() for path in folder.root.rglob("*") if path.is_file())

    everything = raw()
    database.close()
    everything += raw()
    assert CANARY not in everything
    assert CANARY[:12] not in everything
    sealed = credentials_after_reopening(database, clock).get("kept")
    assert sealed is not None
    assert sealed in everything
    assert vault.decrypt(sealed) == CANARY
    assert key not in backup.read_bytes()


def credentials_after_reopening(database: Database, clock: MovableClock) -> CredentialStore:
    database.open()
    return CredentialStore(database, clock)
