"""Credentials bound to a place: what was entered for one computer is of no use for another, whoever changes the settings."""

import json

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret
from appliance.security.vault import Vault


def seal_for(vault: Vault, place: str, secret: Secret[str]) -> bytes:
    """Return the sealed bytes of a credential that is good for one place."""
    return vault.seal(Secret(json.dumps([place, secret.reveal()])))


def open_for(vault: Vault, place: str, sealed: bytes) -> Secret[str]:
    """Return a credential.

    Raises
    ------
    VaultError
        If it was sealed for another place, or cannot be opened.
    """
    try:
        sealed_for, secret = json.loads(vault.open(sealed).reveal())
    except ValueError as error:
        raise VaultError("a stored credential is damaged: enter it again") from error
    if sealed_for != place:
        raise VaultError("the credential was entered for another place: enter it again")
    return Secret(secret)
