"""Who signed an update: read from the signature that RAUC has found good before, to be shown; nothing is decided by it."""

import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from appliance.domain.update import Signer

LARGEST_SIGNATURE = 64 << 10
"""RAUC takes no larger one."""
TAIL_BYTES = LARGEST_SIGNATURE + 8
_LONGEST_NAME = 100


def signer_of(untrusted_tail: bytes) -> Signer | None:
    """Return who signed a bundle; None where that cannot be told.

    Parameters
    ----------
    untrusted_tail : bytes
        The end of the bundle: its signature (CMS, DER), then the signature's size as 64 bits, most significant first.
    """
    if len(untrusted_tail) < 8:
        return None
    (size,) = struct.unpack(">Q", untrusted_tail[-8:])
    if not 0 < size <= min(LARGEST_SIGNATURE, len(untrusted_tail) - 8):
        return None
    try:
        found = [one for one in pkcs7.load_der_pkcs7_certificates(untrusted_tail[-8 - size : -8]) if not _is_authority(one)]
        if len(found) != 1:  # which of several has signed, is not said by their order
            return None
        (certificate,) = found
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        return Signer(_name(certificate), fingerprint, certificate.not_valid_after_utc)
    except ValueError:
        return None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_LONGEST_NAME]
