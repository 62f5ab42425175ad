"""Certificates of others: what a person is shown of one before it is trusted, and whether it is one at all."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from appliance.domain.errors import InputError

LONGEST_PEM = 16 << 10
_NONE = "This is no certificate. It begins with -----BEGIN CERTIFICATE----- and is pasted whole."


@dataclass(frozen=True, slots=True)
class Shown:
    """What a certificate says of itself."""

    names: tuple[str, ...]
    """Host names and addresses, the alternative names before the common one."""
    issuer: str
    not_after: datetime
    fingerprint: str
    """SHA-256, in pairs of hexadecimal digits, as OpenSSL and browsers show it."""
    is_authority: bool
    """Whether it may sign others."""


def read_certificate(untrusted_pem: str) -> Shown:
    """Return what a certificate says.

    Raises
    ------
    InputError
        If the text is not exactly one certificate, or one that names nothing.
    """
    text = untrusted_pem.strip()
    if len(text) > LONGEST_PEM or not text.isascii():
        raise InputError(_NONE)
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        certificate = found[0]
        names = _names(certificate)
        is_authority = _is_authority(certificate)
    except ValueError as error:
        raise InputError(_NONE) from error
    if len(found) != 1:
        raise InputError("Paste one certificate: the server's own, or that of the authority that signed it.")
    if not names and not is_authority:
        raise InputError("This certificate names no computer: it cannot be trusted for one.")
    return Shown(
        names=names,
        issuer=certificate.issuer.rfc4514_string(),
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        is_authority=is_authority,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    common = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(common)
    named = [*other.get_values_for_type(x509.DNSName), *map(str, other.get_values_for_type(x509.IPAddress))]
    return tuple(dict.fromkeys([*named, *common]))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def host_for(shown: Shown) -> str:
    """Return a host name or address that a certificate holds for, so that it is checked whole where it is pinned."""
    for name in shown.names:
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            return name.replace("*", "any", 1)
    raise InputError("This certificate names no computer: it cannot be trusted for one.")
