"""Keys that update bundles are signed with: an authority, the signer of today, and the list of signers that no longer count.

None of them lies in the repository. An appliance holds `keyring.pem` alone: the authority's certificate and the list. Signers of
development have an authority of their own, which no released image knows.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagebuild.run import BuildError

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nightjar/update-keys"
AUTHORITY_LASTS, SIGNER_LASTS = timedelta(days=365 * 30), timedelta(days=365 * 2)
BEFORE = timedelta(days=1)
"""Clocks differ."""
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Keys:
    """A folder with one set of keys."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Certificate of the authority."""
        return self.folder / "authority.pem"

    @property
    def authority_key(self) -> Path:
        """Its private key, which is needed for a new signer only, and best kept elsewhere."""
        return self.folder / "authority.key"

    @property
    def signer(self) -> Path:
        """Certificate of who signs bundles now."""
        return self.folder / "signer.pem"

    @property
    def signer_key(self) -> Path:
        """Private key of who signs bundles now."""
        return self.folder / "signer.key"

    @property
    def revoked(self) -> Path:
        """The list of signers that no longer count, signed by the authority."""
        return self.folder / "revoked.pem"

    @property
    def keyring(self) -> Path:
        """What an appliance holds."""
        return self.folder / "keyring.pem"


def make(folder: Path, name: str, now: datetime) -> Keys:
    """Make a set of keys in a new folder outside the repository.

    Raises
    ------
    BuildError
        If the folder lies in the repository or has something in it.
    """
    keys = Keys(folder.resolve())
    if keys.folder.is_relative_to(REPOSITORY):
        raise BuildError(f"{keys.folder} lies in the repository, where no private key belongs: name another folder")
    if keys.folder.exists() and any(keys.folder.iterdir()):
        raise BuildError(f"{keys.folder} has something in it: keys are not written over; name another folder")
    keys.folder.mkdir(parents=True, exist_ok=True)
    keys.folder.chmod(0o700)
    key = ec.generate_private_key(ec.SECP384R1())
    subject = _named(f"{name} authority")
    usage = _usage(sign=False)
    built = _builder(subject, subject, key.public_key(), now, AUTHORITY_LASTS)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
    _write(keys.authority_key, _private(key))
    _write(keys.authority, built.sign(key, hashes.SHA384()).public_bytes(_PEM))
    _add_signer(keys, name, now)
    _list(keys, (), now)
    return keys


def replace_signer(folder: Path, name: str, now: datetime) -> Keys:
    """Put the signer of now on the list of those that no longer count, and make another one.

    Raises
    ------
    BuildError
        If the folder holds no set of keys with its authority's private key.
    """
    keys = Keys(folder.resolve())
    try:
        old = x509.load_pem_x509_certificate(keys.signer.read_bytes())
        known = x509.load_pem_x509_crl(keys.revoked.read_bytes())
        serialization.load_pem_private_key(keys.authority_key.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise BuildError(f"{keys.folder} holds no whole set of keys: {error}") from error
    keys.signer.rename(keys.folder / f"signer-{old.serial_number:x}.pem")
    keys.signer_key.unlink()
    _list(keys, (*_serials(known), old.serial_number), now)
    _add_signer(keys, name, now)
    return keys


def _serials(known: x509.CertificateRevocationList) -> Iterator[int]:
    yield from (entry.serial_number for entry in known)


def _add_signer(keys: Keys, name: str, now: datetime) -> None:
    authority, authority_key = _authority_of(keys)
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(_named(f"{name} signer"), authority.subject, key.public_key(), now, SIGNER_LASTS)
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    built = built.add_extension(_usage(sign=True), critical=True)
    built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=True)
    _write(keys.signer_key, _private(key))
    _write(keys.signer, built.sign(authority_key, hashes.SHA384()).public_bytes(_PEM))


def _list(keys: Keys, serials: tuple[int, ...], now: datetime) -> None:
    """Write the list; it comes with updates and is fetched from nowhere, so it does not end before the authority does."""
    authority, authority_key = _authority_of(keys)
    built = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    built = built.last_update(now - BEFORE).next_update(authority.not_valid_after_utc)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - BEFORE)
        built = built.add_revoked_certificate(entry.build())
    _write(keys.revoked, built.sign(authority_key, hashes.SHA384()).public_bytes(_PEM))
    _write(keys.keyring, keys.authority.read_bytes() + keys.revoked.read_bytes(), 0o644)


def _authority_of(keys: Keys) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(keys.authority_key.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BuildError(f"{keys.authority_key} is of another kind than the keys that are made here")
    return x509.load_pem_x509_certificate(keys.authority.read_bytes()), key


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Nightjar"), x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - BEFORE, now + lasts)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=not sign, crl_sign=not sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
    part.replace(path)


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code is 1 for what cannot be done."""
    parser = argparse.ArgumentParser(prog="build.sh keys", description="Make the keys that update bundles are signed with.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=FOLDER, help="where, outside the repository (default: %(default)s)"
    )
    parser.add_argument("--name", default="Nightjar development", help="whose they are (default: %(default)s)")
    parser.add_argument(
        "--replace-signer", action="store_true", help="have the signer of now no longer count, and make another one"
    )
    options = parser.parse_args(arguments)
    try:
        act = replace_signer if options.replace_signer else make
        keys = act(options.folder, options.name, datetime.now(UTC))
    except BuildError as error:
        print(f"keys: {error}", file=sys.stderr)
        return 1
    print(f"keys: bundles are signed with {keys.signer_key}; appliances that shall take them hold {keys.keyring}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
