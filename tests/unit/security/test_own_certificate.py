"""A certificate that an admin brings: made by openssl or an authority of the test's own, taken or refused with a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.security.own_certificate import LARGEST, OwnCertificate, check_import, split_pem

NOW = datetime.now(UTC).replace(microsecond=0)
"""OpenSSL asks the machine's clock."""
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

ROOT_KEY = ec.generate_private_key(ec.SECP384R1())
KEY = ec.generate_private_key(ec.SECP256R1())


def pem_of(key: Key, password: bytes | None = None) -> Secret[bytes]:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return Secret(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, encryption)
                  if not isinstance(key, ed25519.Ed25519PrivateKey)
                  else key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))  # fmt: skip


def certificate(
    key: Key = KEY, hosts: tuple[str, ...] = ("allsky.example.org", "*.sky.example.org"), *, is_ca: bool = False,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH, begins: datetime = NOW - timedelta(days=10),
    days: int = 90, subject: str = "a server", issuer: str = "a root", issuer_key: ec.EllipticCurvePrivateKey = ROOT_KEY,
) -> bytes:  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


ROOT = certificate(ROOT_KEY, (), is_ca=True, usage=None, subject="a root")


@pytest.mark.parametrize(
    "key", [KEY, ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(public_exponent=65537, key_size=2048)]
)
def test_a_sound_certificate_with_its_chain_is_taken(key: Key) -> None:
    own = check_import(certificate(key) + ROOT, pem_of(key), NOW)
    assert own.hosts == ("allsky.example.org", "*.sky.example.org")
    assert own.not_after == NOW + timedelta(days=80)
    assert not own.is_trusted


def test_what_was_kept_is_taken_again_at_the_next_start() -> None:
    own = check_import(certificate() + ROOT, pem_of(KEY), NOW)
    again = check_import(*split_pem(own.pem), NOW)
    assert again.pem.reveal() == own.pem.reveal()


def test_a_star_stands_for_one_label() -> None:
    own = check_import(certificate(), pem_of(KEY), NOW)
    for host in ("allsky.example.org", "ALLSKY.example.org.", "roof.sky.example.org"):
        assert own.is_for(host)
    for host in ("", "example.org", "sky.example.org", "a.roof.sky.example.org", "nightjar.local", "org"):
        assert not own.is_for(host)


@pytest.mark.parametrize(
    ("chain", "key", "reason"),
    [
        (b"", pem_of(KEY), "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pem_of(KEY), "cannot be read"),
        (b"x" * (LARGEST + 1), pem_of(KEY), "larger than"),
        (certificate(), Secret(b""), "private key cannot be read"),
        (certificate(), Secret(b"x" * (LARGEST + 1)), "key file is larger"),
        (certificate(), pem_of(KEY, b"password"), "has a password"),
        (certificate(), pem_of(ROOT_KEY), "does not belong"),
        (ROOT + certificate(), pem_of(KEY), "put them in order"),
        (certificate() * 7, pem_of(KEY), "at most 6"),
        (ROOT, pem_of(ROOT_KEY), "certificate of an authority"),
        (certificate(usage=ExtendedKeyUsageOID.CLIENT_AUTH), pem_of(KEY), "not meant for servers"),
        (certificate(hosts=()), pem_of(KEY), "names no host"),
        (certificate(begins=NOW + timedelta(days=1)), pem_of(KEY), f"is valid from {NOW + timedelta(days=1):%Y-%m-%d}"),
        (certificate(begins=NOW - timedelta(days=100)), pem_of(KEY), f"clock says {NOW:%Y-%m-%d}"),
    ],
)  # fmt: skip
def test_an_unsound_one_is_refused_with_its_reason(chain: bytes, key: Secret[bytes], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_import(chain, key, NOW)


@pytest.mark.parametrize(
    "weak",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - it is refused
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
)
def test_a_key_that_browsers_refuse_is_refused_here(weak: Key) -> None:
    with pytest.raises(InputError, match="browsers take no other"):
        check_import(certificate(weak), pem_of(weak), NOW)


def test_one_that_the_trust_store_leads_to_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = tmp_path_factory.mktemp("trust") / "store.pem"
    root = _strict_root()
    store.write_bytes(root[0])
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    assert _strict(root[1]).is_trusted
    other = _strict_root()
    assert not _strict(other[1]).is_trusted


def _strict_root() -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a public root")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), NOW - timedelta(days=99), NOW + timedelta(days=999)
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return root.public_bytes(serialization.Encoding.PEM), key


def _strict(root_key: ec.EllipticCurvePrivateKey) -> OwnCertificate:
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a public root")])
    begins = NOW - timedelta(days=1)
    leaf = (
        x509.CertificateBuilder(
            issuer, x509.Name([]), KEY.public_key(), x509.random_serial_number(), begins, NOW + timedelta(days=80)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("allsky.example.org")]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return check_import(leaf.public_bytes(serialization.Encoding.PEM), pem_of(KEY), NOW)
