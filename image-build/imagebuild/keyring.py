"""Whose updates an image takes: the authority's certificate and its list of signers that no longer count, never a private key."""

import re
from datetime import datetime
from pathlib import Path

from cryptography import x509

from imagebuild.keys import FOLDER, Keys, make
from imagebuild.run import BuildError

PLACE = "usr/share/nightjar/update-keyring.pem"
"""In the image, where RAUC's configuration looks for it: below /usr, which nothing that runs can change."""
NAME = "Nightjar development"
_KIND = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)


def chosen(wanted: Path | None, now: datetime, folder: Path = FOLDER) -> bytes:
    """Return the keyring that goes into the image; where none was named and there is none, keys are made.

    Parameters
    ----------
    wanted : Path or None
        What the command line names; None for that of `./build.sh keys`.
    now : datetime
    folder : Path
        Where `./build.sh keys` puts its own.

    Raises
    ------
    BuildError
        If it is no keyring, or holds a private key.
    """
    path = wanted or Keys(folder).keyring
    if wanted is None and not path.exists():
        make(folder, NAME, now)
        print(f"image: there was no keyring for updates: keys were made in {folder}; this image takes the bundles that they sign")
    try:
        keyring = path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}: name the keyring.pem of ./build.sh keys") from error
    _must_be_one(path, keyring)
    return keyring


def _must_be_one(path: Path, keyring: bytes) -> None:
    kinds = set(_KIND.findall(keyring))
    if any(b"PRIVATE" in kind for kind in kinds):
        raise BuildError(f"{path} holds a private key, which belongs in no image: name the keyring.pem of ./build.sh keys")
    if kinds != {b"CERTIFICATE", b"X509 CRL"}:
        raise BuildError(
            f"{path} is no keyring: it holds certificates of authorities, and of each the list of who no longer counts"
        )
    try:
        authorities = x509.load_pem_x509_certificates(keyring)
        lists = [x509.load_pem_x509_crl(one) for one in _pieces(keyring)]
    except ValueError as error:
        raise BuildError(f"{path} is damaged: {error}") from error
    for authority in authorities:
        key = authority.public_key()
        signed = (one.is_signature_valid(key) for one in lists if one.issuer == authority.subject)  # type: ignore[arg-type]
        if not any(signed):
            raise BuildError(f"{path} has no list of {authority.subject.rfc4514_string()}: no update would be taken")


def _pieces(keyring: bytes) -> list[bytes]:
    return re.findall(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n?", keyring, re.DOTALL)
