"""The vault: seals credentials for the database and opens them again; its keys lie in a file apart, 0600.

Fernet is AES-128-CBC with HMAC-SHA-256, encrypt then MAC. The first key seals, all of them open: that is how keys
are rotated (`Vault.resealed` under the new key, store all rows in one transaction, then forget the old key).
"""

from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from appliance.domain.errors import VaultError
from appliance.domain.secret import Secret


def new_key() -> Secret[bytes]:
    """Return a fresh key: 256 random bits in Fernet's own base64 form."""
    return Secret(Fernet.generate_key())


def keys_from_file(untrusted: bytes) -> list[Secret[bytes]]:
    """Return the keys of a key file, one a line, the newest first.

    Raises
    ------
    VaultError
        If the file holds no key or something that is not one.
    """
    keys = [Secret(line.strip()) for line in untrusted.splitlines() if line.strip()]
    Vault(keys)
    return keys


def file_of_keys(keys: Sequence[Secret[bytes]]) -> bytes:
    """Return the bytes of a key file, the newest key first."""
    return b"".join(key.reveal() + b"\n" for key in keys)


class Vault:
    """Seals with the first of its keys, opens with any of them."""

    def __init__(self, keys: Sequence[Secret[bytes]]) -> None:
        if not keys:
            raise VaultError("the vault has no key")
        try:
            self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])
        except ValueError as error:
            raise VaultError("a key of the vault is damaged: 44 characters of base64 are expected") from error

    def seal(self, secret: Secret[str]) -> bytes:
        """Return the sealed bytes of a secret; the same secret gives other bytes each time."""
        return self._fernet.encrypt(secret.reveal().encode())

    def open(self, sealed: bytes) -> Secret[str]:
        """Return what was sealed.

        Raises
        ------
        VaultError
            If no key of this vault sealed it, or it was changed since.
        """
        try:
            return Secret(self._fernet.decrypt(sealed).decode())
        except (InvalidToken, UnicodeDecodeError) as error:
            raise VaultError("a stored credential cannot be opened with this key: enter it again") from error

    def resealed(self, sealed: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return every sealed value under the first key, by its name; raise VaultError if one cannot be opened."""
        try:
            return {name: self._fernet.rotate(value) for name, value in sealed.items()}
        except InvalidToken as error:
            raise VaultError("a stored credential cannot be opened with the old keys; nothing was changed") from error
