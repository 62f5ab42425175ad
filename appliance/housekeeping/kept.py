"""A secret that the machine makes for itself, once, and keeps until a factory reset: sealed by the vault."""

import logging
from collections.abc import Callable

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret
from appliance.security.vault import Vault
from appliance.store.credentials import CredentialStore

log = logging.getLogger(__name__)


class KeptSecret:
    """Makes it and keeps it.

    Parameters
    ----------
    name : str
        Of the credential.
    make : callable
        Returns a fresh one.
    vault : callable
        Returns the vault of now.
    """

    def __init__(
        self, name: str, make: Callable[[], Secret[str]], credentials: CredentialStore, vault: Callable[[], Vault]
    ) -> None:
        self._name, self._make, self._credentials, self._vault = name, make, credentials, vault

    def value(self) -> Secret[str]:
        """Return it, and make it where there is none that can be opened; raises StoreError."""
        sealed = self._credentials.get(self._name)
        if sealed is not None:
            try:
                return self._vault().open(sealed)
            except VaultError as error:
                log.warning("%s is made anew: %s", self._name, error)
        made = self._make()
        self._credentials.set(self._name, self._vault().seal(made))
        return made

    def forget(self) -> None:
        """Keep it no longer."""
        self._credentials.clear(self._name)
