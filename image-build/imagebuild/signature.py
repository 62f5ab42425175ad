"""The signature beside the download: over the file with its SHA-256, by an Ed25519 key that lies nowhere in the repository."""

from pathlib import Path

from imagebuild.run import BuildError, run

KIND = "ED25519 Private-Key"


def sign(sums: Path, key: Path) -> Path:
    """Write the signature of a file beside it; whoever has the public key checks it with openssl(1).

    Parameters
    ----------
    sums : Path
        What is signed.
    key : Path
        In PEM, as `openssl genpkey -algorithm ed25519` makes it.

    Raises
    ------
    BuildError
        If the key cannot be used.
    """
    try:
        told = run("openssl", "pkey", "-in", key, "-noout", "-text", stdin=b"\n")
    except BuildError as error:
        raise BuildError(f"{key} holds no private key that could be read without a password") from error
    if not told.startswith(KIND):
        raise BuildError(f"{key} is no Ed25519 key: make one with openssl genpkey -algorithm ed25519 -out {key.name}")
    signature = sums.with_name(f"{sums.name}.sig")
    run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", sums, "-out", signature)
    return signature
