"""Keys and bundles, judged by RAUC itself with what an appliance holds: whose bundles it takes, and what it refuses."""

import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from imagebuild import bundle, keys
from imagebuild.disk import BASIC_DATA, LINUX, MIB, Partition, write
from imagebuild.keys import REPOSITORY, Keys
from imagebuild.run import BuildError

pytestmark = pytest.mark.needs("rauc", "mksquashfs")

NOW = datetime.now(UTC)
CONFIGURATION = """\
[system]
compatible=nightjar-arm64
bootloader=noop
bundle-formats=-plain

[keyring]
path={keyring}
check-crl=true
check-purpose=codesign
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys.make(tmp_path_factory.mktemp("keys") / "release", "A test's release", NOW)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small card with systems in it."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "tree").mkdir()
    (folder / "tree/init").write_bytes(random.Random(1).randbytes(300_000))  # smaller bundles RAUC does not make
    subprocess.run(["mksquashfs", folder / "tree", folder / "root", "-quiet", "-no-progress"], check=True, capture_output=True)
    (folder / "boot").write_bytes(random.Random(2).randbytes(200_000))
    parts = [Partition("firmware", BASIC_DATA, MIB), Partition("boot_a", BASIC_DATA, MIB, folder / "boot")]
    parts += [Partition("boot_b", BASIC_DATA, MIB), Partition("root_a", LINUX, 2 * MIB, folder / "root")]
    write(folder / "card.img", parts)
    return folder / "card.img"


@pytest.fixture(scope="module")
def made(image: Path, release: Keys) -> Path:
    path = image.with_name("nightjar.raucb")
    bundle.make(image, release, path, version="1.2.3", notes="A better keogram")
    return path


def configured(held: Path, folder: Path) -> list[str]:
    """Return RAUC as an appliance has it that holds a keyring."""
    (folder / "system.conf").write_text(CONFIGURATION.format(keyring=held))
    return ["rauc", f"--conf={folder / 'system.conf'}", f"--keyring={held}"]


def judge(path: Path, held: Path, folder: Path) -> tuple[bool, str]:
    """Return whether an appliance that holds a keyring takes a bundle, and what RAUC says."""
    ended = subprocess.run(
        [*configured(held, folder), "info", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    return ended.returncode == 0, ended.stdout + ended.stderr


def test_its_own_release_is_taken_and_says_what_it_is(made: Path, release: Keys, tmp_path: Path) -> None:
    is_taken, said = judge(made, release.keyring, tmp_path)
    assert is_taken, said
    assert "1.2.3" in said
    assert "A better keogram" in said
    assert "verity" in said


def test_one_of_the_other_kind_of_image_says_so(image: Path, release: Keys, tmp_path: Path) -> None:
    path = tmp_path / "raspios.raucb"
    bundle.make(image, release, path, version="1.2.3", notes="", compatible="nightjar-arm64-raspios")
    is_taken, said = judge(path, release.keyring, tmp_path)
    assert is_taken, said
    assert "nightjar-arm64-raspios" in said


def test_the_command_names_the_image_that_it_would_be_made_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "DIST", tmp_path)
    for flavour, suffix in (("debian", ""), ("raspios", "-raspios")):
        assert bundle.main(["--flavour", flavour, "--keys", str(tmp_path)]) == 1
        assert f"-arm64{suffix}.img.xz is missing" in capsys.readouterr().err


def test_what_is_inside_is_what_lies_in_the_image(made: Path, release: Keys, image: Path, tmp_path: Path) -> None:
    command = [*configured(release.keyring, tmp_path), "extract", str(made), str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    inside = tmp_path / "out"
    assert sorted(path.name for path in inside.iterdir()) == ["boot.vfat", "manifest.raucm", "root.squashfs"]
    assert (inside / "boot.vfat").read_bytes() == image.with_name("boot").read_bytes().ljust(MIB, b"\0")
    assert (inside / "root.squashfs").read_bytes() == image.with_name("root").read_bytes()


def test_a_bundle_of_another_authority_is_refused(made: Path, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other", "Nightjar development", NOW)
    is_taken, said = judge(made, other.keyring, tmp_path)
    assert not is_taken
    assert "signature" in said


def test_a_signer_that_no_longer_counts_is_refused_and_the_next_one_taken(image: Path, tmp_path: Path) -> None:
    ours = keys.make(tmp_path / "ours", "Ours", NOW)
    old, new = tmp_path / "old.raucb", tmp_path / "new.raucb"
    bundle.make(image, ours, old, version="1.0.0", notes="")
    assert judge(old, ours.keyring, tmp_path)[0]
    first = ours.signer.read_bytes()
    for _ in range(2):
        keys.replace_signer(ours.folder, "Ours", NOW)
    bundle.make(image, ours, new, version="1.0.1", notes="")
    assert judge(new, ours.keyring, tmp_path)[0]
    is_taken, said = judge(old, ours.keyring, tmp_path)
    assert not is_taken
    assert "revoked" in said
    known = x509.load_pem_x509_crl(ours.revoked.read_bytes())
    assert x509.load_pem_x509_certificate(first).serial_number in {entry.serial_number for entry in known}
    assert len(list(known)) == 2


def test_one_authority_follows_another_over_a_release_that_knows_both(
    made: Path, image: Path, release: Keys, tmp_path: Path
) -> None:
    following = keys.make(tmp_path / "following", "The next", NOW)
    newer = tmp_path / "newer.raucb"
    bundle.make(image, following, newer, version="2.0.0", notes="")
    both = tmp_path / "both.pem"
    both.write_bytes(release.keyring.read_bytes() + following.keyring.read_bytes())
    taken = [[judge(path, held, tmp_path)[0] for path in (made, newer)] for held in (release.keyring, both, following.keyring)]
    assert taken == [[True, False], [True, True], [False, True]]


def test_a_signer_whose_time_is_over_is_refused(image: Path, tmp_path: Path) -> None:
    old = keys.make(tmp_path / "old", "Old", NOW - timedelta(days=3 * 365))
    path = tmp_path / "old.raucb"
    with pytest.raises(BuildError, match="expired"):
        bundle.make(image, old, path, version="1.0.0", notes="")
    assert not path.exists()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_a_flipped_byte_is_refused(made: Path, release: Keys, tmp_path: Path, place: float) -> None:
    data = bytearray(made.read_bytes())
    data[int(len(data) * place)] ^= 1
    damaged = tmp_path / "damaged.raucb"
    damaged.write_bytes(data)
    command = [*configured(release.keyring, tmp_path), "extract", str(damaged), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode != 0
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_nobody_else_may_read_a_private_key(release: Keys) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in release.folder.iterdir()}
    assert modes.pop("keyring.pem") == 0o644
    assert set(modes) == {"authority.pem", "authority.key", "signer.pem", "signer.key", "revoked.pem"}
    assert set(modes.values()) == {0o600}
    assert b"PRIVATE" not in release.keyring.read_bytes()


def test_keys_do_not_lie_in_the_repository_and_are_not_written_over(release: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    before = release.signer_key.read_bytes()
    assert keys.main([str(REPOSITORY / "dist/keys")]) == 1
    assert "no private key belongs" in capsys.readouterr().err
    assert not (REPOSITORY / "dist/keys").exists()
    assert keys.main([str(release.folder)]) == 1
    assert "has something in it" in capsys.readouterr().err
    assert release.signer_key.read_bytes() == before


def test_a_folder_without_keys_has_no_signer_to_replace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.main([str(tmp_path), "--replace-signer"]) == 1
    assert "no whole set of keys" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "says"), [(b"", "no image of a card"), (b"\0" * (64 << 10), "no image of a card")])
def test_what_is_no_image_is_refused(tmp_path: Path, release: Keys, content: bytes, says: str) -> None:
    (tmp_path / "card.img").write_bytes(content)
    with pytest.raises(BuildError, match=says):
        bundle.make(tmp_path / "card.img", release, tmp_path / "out.raucb", version="1.0.0", notes="")


def test_missing_keys_and_images_name_what_makes_them(tmp_path: Path, image: Path, release: Keys) -> None:
    with pytest.raises(BuildError, match=r"signer\.pem is missing: \./build\.sh keys makes it"):
        bundle.make(image, Keys(tmp_path), tmp_path / "out.raucb", version="1.0.0", notes="")
    with pytest.raises(BuildError, match=r"none\.img\.xz is missing: \./build\.sh image makes it"):
        bundle.make(tmp_path / "none.img.xz", release, tmp_path / "out.raucb", version="1.0.0", notes="")
