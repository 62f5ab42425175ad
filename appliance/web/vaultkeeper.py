"""The keeper of the vault: its key file, made at the first start, and the rotation of the key."""

from collections.abc import Callable

from appliance.domain.secret import Secret
from appliance.security.vault import Vault, file_of_keys, keys_from_file, new_key
from appliance.store.accounts import AccountStore
from appliance.store.credentials import CredentialStore
from appliance.store.files import DataFolder

KEY_FILE = "vault.key"


class VaultKeeper:
    """Opens the vault and changes its key; `vault` is the one of now."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._vault: Vault | None = None

    def open(self) -> None:
        """Read the key file, or make it.

        Raises
        ------
        VaultError
            If the file is damaged: nothing is made over it, for what is sealed would be lost.
        """
        found = self._folder.read_key(KEY_FILE)
        if found is None:
            keys = [new_key()]
            self._folder.make_key(KEY_FILE, Secret(file_of_keys(keys)))
        else:
            keys = keys_from_file(found.reveal())
        self._vault = Vault(keys)

    @property
    def vault(self) -> Vault:
        """The vault of now; ask again each time, for the key may change."""
        if self._vault is None:
            raise ValueError("the vault was not opened")
        return self._vault

    def rotate(self, credentials: CredentialStore, accounts: AccountStore, audit: Callable[[str], object]) -> None:
        """Put everything sealed under a new key and forget the old one.

        A power cut at any point leaves a key file that opens every row: the new key is added before anything is
        sealed with it, and the old one goes after nothing needs it.

        Raises
        ------
        VaultError
            If something sealed cannot be opened; nothing is lost, both keys stay.
        StoreError
            If something cannot be written; the same holds.
        """
        found = self._folder.read_key(KEY_FILE)
        new = new_key()
        keys = [new, *(keys_from_file(found.reveal()) if found else [])]
        self._folder.replace_key(KEY_FILE, Secret(file_of_keys(keys)))
        self._vault = vault = Vault(keys)
        credentials.replace_all(vault.resealed(credentials.all()))
        accounts.replace_all_totp(_by_account(vault.resealed(_second_factors(accounts))))
        alone = Vault([new])
        # Whoever saved something meanwhile may have sealed it with the old key: look again before that key goes.
        alone.resealed(credentials.all())
        alone.resealed(_second_factors(accounts))
        self._folder.replace_key(KEY_FILE, Secret(file_of_keys([new])))
        self._vault = alone
        audit("vault key rotated")


def _second_factors(accounts: AccountStore) -> dict[str, bytes]:
    found = {str(account.id): accounts.totp_sealed(account.id) for account in accounts.list() if account.has_totp}
    return {account: sealed for account, sealed in found.items() if sealed is not None}


def _by_account(sealed: dict[str, bytes]) -> dict[int, bytes]:
    return {int(account): value for account, value in sealed.items()}
