"""The key with which the machine's own access point opens by itself: made once, sealed, gone with a factory reset."""

import logging
from collections.abc import Callable

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret
from appliance.security.tokens import new_point_key
from appliance.security.vault import Vault
from appliance.store.credentials import CredentialStore

log = logging.getLogger(__name__)

NAME = "network.point"
"""Of the credential."""


class PointKey:
    """Keeps it.

    Parameters
    ----------
    vault : callable
        Returns the vault of now.
    """

    def __init__(self, credentials: CredentialStore, vault: Callable[[], Vault]) -> None:
        self._credentials, self._vault = credentials, vault

    def kept(self) -> Secret[str]:
        """Return the key, and make it where there is none that can be opened; raises StoreError."""
        sealed = self._credentials.get(NAME)
        if sealed is not None:
            try:
                return self._vault().open(sealed)
            except VaultError as error:
                log.warning("network: the key of the own access point is made anew: %s", error)
        key = new_point_key()
        self._credentials.set(NAME, self._vault().seal(key))
        return key
