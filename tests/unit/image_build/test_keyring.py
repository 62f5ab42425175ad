"""Which keyring goes into an image: one that lets updates be taken, and never a private key."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild import keyring, keys
from imagebuild.run import BuildError

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> keys.Keys:
    return keys.make(tmp_path_factory.mktemp("keys") / "ours", "Ours", NOW)


def test_without_one_keys_are_made_once_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "keys"
    first = keyring.chosen(None, NOW, folder)
    assert str(folder) in capsys.readouterr().out
    assert first == keys.Keys(folder).keyring.read_bytes()
    assert keyring.chosen(None, NOW, folder) == first
    assert capsys.readouterr().out == ""


def test_the_one_that_is_named_is_taken_and_nothing_made(ours: keys.Keys, tmp_path: Path) -> None:
    assert keyring.chosen(ours.keyring, NOW, tmp_path / "none") == ours.keyring.read_bytes()
    assert not (tmp_path / "none").exists()


def test_two_authorities_with_their_lists_are_one_keyring(ours: keys.Keys, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other", "Other", NOW)
    both = tmp_path / "both.pem"
    both.write_bytes(ours.keyring.read_bytes() + other.keyring.read_bytes())
    assert keyring.chosen(both, NOW) == both.read_bytes()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (("keyring", "signer_key"), "holds a private key"),
        (("authority",), "is no keyring"),
        (("revoked",), "is no keyring"),
        ((), "is no keyring"),
        (("keyring", "signer"), "no list of"),
    ],
)
def test_what_would_take_no_update_or_tell_a_secret_is_refused(
    ours: keys.Keys, tmp_path: Path, parts: tuple[str, ...], says: str
) -> None:
    path = tmp_path / "keyring.pem"
    path.write_bytes(b"".join(Path(getattr(ours, part)).read_bytes() for part in parts))
    with pytest.raises(BuildError, match=says):
        keyring.chosen(path, NOW)


def test_a_list_of_somebody_else_of_the_same_name_is_none(ours: keys.Keys, tmp_path: Path) -> None:
    namesake = keys.make(tmp_path / "namesake", "Ours", NOW)
    path = tmp_path / "keyring.pem"
    path.write_bytes(ours.authority.read_bytes() + namesake.revoked.read_bytes())
    with pytest.raises(BuildError, match="no list of"):
        keyring.chosen(path, NOW)


def test_a_damaged_or_missing_one_is_refused_in_a_sentence(ours: keys.Keys, tmp_path: Path) -> None:
    path = tmp_path / "keyring.pem"
    with pytest.raises(BuildError, match=r"No such file.*\./build\.sh keys"):
        keyring.chosen(path, NOW)
    text = ours.keyring.read_text().splitlines()
    path.write_text("\n".join([text[0], text[1][:-8] + "AAAAAAAA", *text[3:]]))
    with pytest.raises(BuildError, match="is damaged"):
        keyring.chosen(path, NOW)


def test_no_private_key_is_known_to_git() -> None:
    command = ["git", "-C", str(keys.REPOSITORY), "grep", "-lE", "^-----BEGIN [A-Z ]*PRIVATE KEY-----"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (listed.returncode, listed.stdout, listed.stderr) == (1, "", ""), "git found none"
