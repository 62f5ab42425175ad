"""The device's own certificates: an authority of its own, an intermediate one, and two leaves for the panel.

    root          RSA-4096, signed with SHA-512 by itself; constrained to local names and addresses (`names.py`)
      rsa leaf    RSA-4096, signed with SHA-512 by the root: for old clients
      intermediate  P-256, signed with SHA-512 by the root, same constraints
        p256 leaf   P-256, signed with SHA-256 by the intermediate: for all others, and 200 times cheaper

Functions on PEM bytes and names; no file, no clock. Private keys are `Secret`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.domain.errors import SecurityError
from appliance.domain.secret import Secret
from appliance.security.names import PERMITTED_DOMAINS, PERMITTED_NETWORKS, PRODUCT_HOST, Names

RSA_BITS = 4096
LEAF_DAYS = 365
"""From first to last moment, the earlier start included."""
RENEW_BEFORE_DAYS = 60
EARLIER = timedelta(hours=1)
"""A leaf begins before it is made: clocks of clients stand apart."""

AUTHORITY_BEGINS = datetime(2024, 1, 1, tzinfo=UTC)
AUTHORITY_ENDS = datetime(2054, 1, 1, tzinfo=UTC)
"""Fixed dates: a device without a clock makes its authority on a day that it guesses, and must not outlive it."""

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: Secret[bytes]


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs: on the appliance the web process can read `root.certificate` and nothing else of it."""

    root: Signed
    intermediate: Signed


@dataclass(frozen=True, slots=True)
class Leaves:
    """What the panel serves: each PEM file holds the leaf, then what stands between it and the root, then the key."""

    rsa: Secret[bytes]
    p256: Secret[bytes]


def make_authority(device_id: str) -> Authority:
    """Make a new authority; two RSA primes of 2048 bits take a second on a desktop and some on a small Pi."""
    root_key, middle_key = new_rsa_key(), new_p256_key()
    root_name = _name(f"Nightjar {device_id} authority", device_id)
    root_loaded, middle_loaded = _load_key(root_key), _load_key(middle_key)
    root = (
        _authority_builder(root_name, root_name, root_loaded, root_loaded, path_length=1)
        .sign(root_loaded, hashes.SHA512())
        .public_bytes(serialization.Encoding.PEM)
    )
    middle_name = _name(f"Nightjar {device_id} intermediate", device_id)
    middle = (
        _authority_builder(middle_name, root_name, middle_loaded, root_loaded, path_length=0)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_loaded, hashes.SHA512())
        .public_bytes(serialization.Encoding.PEM)
    )
    return Authority(Signed(root, root_key), Signed(middle, middle_key))


def new_rsa_key() -> Secret[bytes]:
    """Return a fresh RSA-4096 key, PEM."""
    return _pem_of(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS))


def new_p256_key() -> Secret[bytes]:
    """Return a fresh P-256 key, PEM."""
    return _pem_of(ec.generate_private_key(ec.SECP256R1()))


def issue_leaves(authority: Authority, names: Names, now: datetime, *, rsa_key: Secret[bytes], p256_key: Secret[bytes]) -> Leaves:
    """Issue both leaves for `names` on the given keys, for 365 days from an hour before `now`.

    Raises
    ------
    SecurityError
        If a PEM of the authority or a key cannot be read, or the new leaf would not fit its authority.
    """
    root, middle = load_certificate(authority.root.certificate), load_certificate(authority.intermediate.certificate)
    rsa_leaf = _leaf(root, _load_key(authority.root.key), _load_key(rsa_key), names, now, hashes.SHA512())
    p256_leaf = _leaf(middle, _load_key(authority.intermediate.key), _load_key(p256_key), names, now, hashes.SHA256())
    return Leaves(
        Secret(rsa_leaf + rsa_key.reveal()),
        Secret(p256_leaf + authority.intermediate.certificate + p256_key.reveal()),
    )


def _name(common_name: str, device_id: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, "Nightjar"), (NameOID.SERIAL_NUMBER, device_id), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _authority_builder(
    name: x509.Name, issuer: x509.Name, key: Key, issuer_key: Key, *, path_length: int
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    domains = [x509.DNSName(domain) for domain in PERMITTED_DOMAINS]
    networks = [x509.IPAddress(network) for network in PERMITTED_NETWORKS]
    return (
        x509.CertificateBuilder(issuer, name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AUTHORITY_BEGINS)
        .not_valid_after(AUTHORITY_ENDS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.NameConstraints([*domains, *networks], None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _leaf(
    issuer: x509.Certificate, issuer_key: Key, key: Key, names: Names, now: datetime, hash_: hashes.SHA256 | hashes.SHA512
) -> bytes:
    begins = max(now.replace(microsecond=0) - EARLIER, issuer.not_valid_before_utc)
    # X.509 counts the last second in, so a leaf of exactly 365 days ends a second earlier.
    ends = min(begins + timedelta(days=LEAF_DAYS, seconds=-1), issuer.not_valid_after_utc)
    if ends <= begins:
        raise SecurityError(f"the clock says {now:%Y-%m-%d}, when the device's authority has ended; set the clock")
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=is_rsa, data_encipherment=False, key_agreement=False,
        key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PRODUCT_HOST)])
    san = [*(x509.DNSName(host) for host in names.hosts), *(x509.IPAddress(address) for address in names.addresses)]
    certificate = (
        x509.CertificateBuilder(issuer.subject, subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(san), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hash_)
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of(key: Key) -> Secret[bytes]:
    return Secret(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def _load_key(pem: Secret[bytes]) -> Key:
    try:
        # Our own key: testing its primes again costs 0.1 s here and seconds on a small Pi, at each renewal.
        key = serialization.load_pem_private_key(pem.reveal(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SecurityError("a private key of the device cannot be read") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SecurityError("a private key of the device is neither RSA nor P-256")
    return key


def load_certificate(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a PEM file; raise SecurityError if there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SecurityError("a certificate of the device cannot be read") from error


def key_in(pem: Secret[bytes]) -> Secret[bytes]:
    """Return the private key that a file of `Leaves` holds; raise SecurityError if it holds none that can be read."""
    return _pem_of(_load_key(pem))


def is_whole(authority: Authority) -> bool:
    """Say whether an authority's two certificates belong together and each to its key."""
    try:
        root, middle = load_certificate(authority.root.certificate), load_certificate(authority.intermediate.certificate)
        middle.verify_directly_issued_by(root)
        keys = (_load_key(authority.root.key).public_key(), _load_key(authority.intermediate.key).public_key())
    except (SecurityError, ValueError, TypeError, InvalidSignature):
        return False
    return keys == (root.public_key(), middle.public_key())


def names_of(leaf_pem: bytes) -> Names:
    """Return the names and addresses that a leaf is for."""
    return names_in(load_certificate(leaf_pem))


def not_after(leaf_pem: bytes) -> datetime:
    """Return when a leaf ends."""
    return load_certificate(leaf_pem).not_valid_after_utc


def names_in(certificate: x509.Certificate) -> Names:
    """Return the names and addresses that a certificate is for."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return Names((), ())
    addresses = [a for a in san.get_values_for_type(x509.IPAddress) if not isinstance(a, IPv4Network | IPv6Network)]
    return Names(tuple(san.get_values_for_type(x509.DNSName)), tuple(addresses))


def needs_renewal(leaf_pem: bytes, names: Names, now: datetime) -> str:
    """Return why a leaf should be issued again, or an empty text.

    The leaf's key and issuer are not looked at: see `fits`.
    """
    leaf = load_certificate(leaf_pem)
    if set(names_in(leaf).texts) != set(names.texts):
        return "names or addresses changed"
    if now < leaf.not_valid_before_utc and leaf.not_valid_before_utc > AUTHORITY_BEGINS:
        return "the clock was set back"
    if now > leaf.not_valid_after_utc - timedelta(days=RENEW_BEFORE_DAYS):
        return "it ends soon"
    return ""


def fits(leaves: Leaves, authority_certificate: bytes) -> bool:
    """Say whether both leaves come from this root, each with its own key, so that files of two makings never mix."""
    try:
        root = load_certificate(authority_certificate)
        for pem, middle_count in ((leaves.rsa, 0), (leaves.p256, 1)):
            chain = x509.load_pem_x509_certificates(pem.reveal())
            if len(chain) != 1 + middle_count or chain[0].public_key() != _load_key(pem).public_key():
                return False
            for lower, upper in zip(chain, [*chain[1:], root], strict=True):
                lower.verify_directly_issued_by(upper)
    except (SecurityError, ValueError, TypeError, InvalidSignature):
        return False
    return True


def fingerprint(authority_certificate: bytes) -> str:
    """Return the SHA-256 of the root as people compare it: `AB:CD:...`, 32 bytes."""
    return load_certificate(authority_certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def to_der(authority_certificate: bytes) -> bytes:
    """Return the root as DER, which some telephones ask for."""
    return load_certificate(authority_certificate).public_bytes(serialization.Encoding.DER)
