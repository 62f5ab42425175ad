"""The signature beside the download, checked by openssl as whoever downloads it would."""

import subprocess
from pathlib import Path

import pytest

from imagebuild.run import BuildError
from imagebuild.signature import sign

pytestmark = pytest.mark.needs("openssl")


def key_of(folder: Path, *options: str) -> Path:
    key = folder / "key.pem"
    subprocess.run(["openssl", "genpkey", *options, "-out", str(key)], check=True, capture_output=True)
    return key


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    made = tmp_path / "nightjar.img.xz.sha256"
    made.write_text(f"{'0' * 64}  nightjar.img.xz\n")
    return made


def is_genuine(key: Path, sums: Path, signature: Path) -> bool:
    public = key.with_name("public.pem")
    subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(sums)]
    return subprocess.run([*command, "-sigfile", str(signature)], check=False, capture_output=True).returncode == 0


def test_it_is_genuine_for_the_file_and_for_no_other(tmp_path: Path, sums: Path) -> None:
    key = key_of(tmp_path, "-algorithm", "ed25519")
    signature = sign(sums, key)
    assert signature.name == "nightjar.img.xz.sha256.sig"
    assert is_genuine(key, sums, signature)
    assert sign(sums, key).read_bytes() == signature.read_bytes(), "the same key and file give the same signature"
    sums.write_text(sums.read_text().replace("0", "1", 1))
    assert not is_genuine(key, sums, signature)


@pytest.mark.parametrize("options", [("-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"), ("-algorithm", "x25519")])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, sums: Path, options: tuple[str, ...]) -> None:
    key = key_of(tmp_path, *options)
    with pytest.raises(BuildError, match="is no Ed25519 key"):
        sign(sums, key)
    assert list(tmp_path.glob("*.sig")) == []


def test_what_is_no_key_or_wants_a_password_is_refused(tmp_path: Path, sums: Path) -> None:
    (tmp_path / "text.pem").write_text("no key\n")
    with pytest.raises(BuildError, match="holds no private key that could be read without a password"):
        sign(sums, tmp_path / "text.pem")
    locked = key_of(tmp_path, "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret")
    with pytest.raises(BuildError, match="holds no private key that could be read without a password"):
        sign(sums, locked)
