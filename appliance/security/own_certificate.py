"""A certificate that an admin brings: checked before it is kept, so that a wrong one can never shut the panel."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.domain.errors import InputError, SecurityError
from appliance.domain.secret import Secret
from appliance.security.certificate import names_in
from appliance.security.handshake import can_shake_hands, load_pem

LARGEST = 64 * 1024
"""Bytes of a PEM text."""
LONGEST_CHAIN = 6
SMALLEST_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A checked certificate of the admin's, with chain and key in one PEM."""

    pem: Secret[bytes]
    hosts: tuple[str, ...]
    """Names it is for; the first label may be `*`."""
    not_after: datetime
    is_trusted: bool
    """Whether this machine's trust store leads to it: only then may browsers be told to insist on it."""

    def is_for(self, host: str) -> bool:
        """Say whether it is for a host name; a `*` stands for exactly one label."""
        wanted = host.lower().rstrip(".")
        _, _, parent = wanted.partition(".")
        return wanted in self.hosts or (bool(parent) and f"*.{parent}" in self.hosts)


def check_import(untrusted_chain: bytes, untrusted_key: Secret[bytes], now: datetime) -> OwnCertificate:
    """Return a certificate that the panel can serve.

    Parameters
    ----------
    untrusted_chain : bytes
        PEM: the certificate first, then what stands between it and its root.
    untrusted_key : Secret[bytes]
        PEM, without a password.
    now : datetime
        Aware; the certificate must be valid then.

    Raises
    ------
    InputError
        With what is wrong and what to do.
    """
    chain = _chain(untrusted_chain)
    leaf = chain[0]
    key = _key(untrusted_key)
    if leaf.public_key() != key.public_key():
        raise InputError(
            "The private key does not belong to the certificate; the certificate of the server comes first in the file."
        )
    _check_purpose(leaf)
    if now < leaf.not_valid_before_utc or now > leaf.not_valid_after_utc:
        raise InputError(
            f"The certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}; "
            f"this device's clock says {now:%Y-%m-%d}."
        )
    hosts = tuple(host.lower() for host in names_in(leaf).hosts)
    if not hosts:
        raise InputError("The certificate names no host (subject alternative name); browsers refuse such a one.")
    pem = Secret(
        b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return OwnCertificate(pem, hosts, leaf.not_valid_after_utc, _is_trusted(pem, hosts))


def split_pem(pem: Secret[bytes]) -> tuple[bytes, Secret[bytes]]:
    """Return chain and key of the one PEM that `OwnCertificate` keeps, to be checked again at a start."""
    marker = b"-----BEGIN PRIVATE KEY-----"
    chain, _, key = pem.reveal().partition(marker)
    return chain, Secret(marker + key)


def _chain(untrusted: bytes) -> list[x509.Certificate]:
    if len(untrusted) > LARGEST:
        raise InputError(f"The certificate file is larger than {LARGEST // 1024} KiB.")
    try:
        chain = x509.load_pem_x509_certificates(untrusted)
    except ValueError as error:
        raise InputError(
            "The certificate cannot be read; it must be PEM: text that begins with -----BEGIN CERTIFICATE-----."
        ) from error
    if len(chain) > LONGEST_CHAIN:
        raise InputError(f"The certificate file holds {len(chain)} certificates; at most {LONGEST_CHAIN} belong to one chain.")
    for number, (lower, upper) in enumerate(pairwise(chain), start=2):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise InputError(f"Certificate {number} of the file did not sign the one before it; put them in order.") from error
    return chain


def _key(untrusted: Secret[bytes]) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if len(untrusted.reveal()) > LARGEST:
        raise InputError(f"The key file is larger than {LARGEST // 1024} KiB.")
    try:
        key = serialization.load_pem_private_key(untrusted.reveal(), None)
    except TypeError as error:
        raise InputError("The private key has a password; save it without one.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            "The private key cannot be read; it must be PEM: text that begins with -----BEGIN PRIVATE KEY-----."
        ) from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= SMALLEST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    raise InputError(f"The key must be RSA with {SMALLEST_RSA_BITS} bits or more, P-256 or P-384; browsers take no other.")


def _check_purpose(leaf: x509.Certificate) -> None:
    try:
        extensions = leaf.extensions
    except ValueError as error:
        raise InputError("The certificate's extensions cannot be read.") from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise InputError("This is the certificate of an authority; the one of the server comes first in the file.")
        if isinstance(value, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.SERVER_AUTH not in value:
            raise InputError("The certificate is not meant for servers (extended key usage).")
    if isinstance(leaf.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
        raise InputError("The certificate is signed with an algorithm that browsers refuse; ask for one with SHA-256.")


def _is_trusted(pem: Secret[bytes], hosts: tuple[str, ...]) -> bool:
    """Say whether this machine's trust store leads to a certificate; one from a private root unknown here is not trusted."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_pem(server, pem)
    except SecurityError as error:
        raise InputError("The certificate cannot be used: OpenSSL refuses it. Ask for one with P-256 and SHA-256.") from error
    return can_shake_hands(ssl.create_default_context(), server, hosts[0].replace("*", "any", 1))
