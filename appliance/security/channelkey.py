"""The signature of an update channel: Ed25519 over the bytes of its file, by a key that an admin has entered."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.domain.errors import InputError, SecurityError

_SIGNATURE_BYTES = 64


def check_signature(key_text: str, data: bytes, untrusted_signature: bytes) -> None:
    """Make sure that a file is signed with a key.

    Parameters
    ----------
    key_text : str
        The public key: its 32 bytes in base64, as the settings hold it.
    data : bytes
        The file, as it came.
    untrusted_signature : bytes
        In base64.

    Raises
    ------
    SecurityError
        If it is not.
    """
    try:
        signature = base64.b64decode(untrusted_signature.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecurityError("the channel's signature is none") from error
    if len(signature) != _SIGNATURE_BYTES:
        raise SecurityError("the channel's signature is none")
    try:
        public_key(key_text).verify(signature, data)
    except InvalidSignature as error:
        raise SecurityError("the channel's file was not signed with the key of the settings, or was changed since") from error


def public_key(key_text: str) -> Ed25519PublicKey:
    """Return a key; InputError for a text that is none."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(key_text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise InputError("This is no public key of Ed25519: its 32 bytes in base64 are 44 characters.") from error
