"""The two kinds of image, and an archive beside Debian's: one of the test's own, signed with a key of the test's own."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from imagebuild import archive, lock
from imagebuild.archive import Archive, Source
from imagebuild.flavour import DEBIAN, RASPIOS, Flavour
from imagebuild.kernel import Chosen, Modules
from imagebuild.run import BuildError
from imagebuild.wheels import locked

IMAGE_BUILD = Path(__file__).parents[3] / "image-build"
CONTROL = """\
Package: ribbon-camera
Version: 1.0+rpt1
Architecture: arm64
Maintainer: A test <test@example.org>
Description: made for a test
"""


def flavour(name: str) -> Flavour:
    return Flavour.read(IMAGE_BUILD / "packages.toml", name)


def test_the_tested_kind_takes_nothing_from_elsewhere() -> None:
    debian = flavour(DEBIAN)
    assert (debian.sources, debian.groups, debian.suffix) == ((), (), "")
    assert debian.lock == "packages.lock"
    assert debian.overlays == ("rootfs-overlay",)


def test_the_other_kind_differs_by_the_kernel_the_camera_and_their_archive() -> None:
    debian, raspios = flavour(DEBIAN), flavour(RASPIOS)
    assert [source.address for source in raspios.sources] == ["https://archive.raspberrypi.com/debian"]
    assert set(raspios.wanted.image) - set(debian.wanted.image) == {"python3-picamera2", "python3-lxml", "python3-astropy"}
    assert set(raspios.wanted.parts) - set(debian.wanted.parts) == {"linux-image-rpi-v8"}
    assert set(debian.wanted.parts) - set(raspios.wanted.parts) == {"linux-image-arm64", "u-boot-rpi"}
    assert any("bcm2712" in pattern for pattern in raspios.boards), "a Pi 5"
    assert (raspios.wanted.tools, raspios.wanted.test) == (debian.wanted.tools, debian.wanted.test)
    assert raspios.suffix == "-raspios"
    root = IMAGE_BUILD.parent
    for name in (f"firmware-config/{raspios.config}", *raspios.overlays):
        assert (root / name).exists(), name


def test_only_the_other_kind_brings_the_driver_and_nothing_that_it_would_need_compiled() -> None:
    debian, raspios = (
        {line.partition(" ")[0] for line in locked(IMAGE_BUILD.parent, flavour(name).groups).splitlines() if "==" in line}
        for name in (DEBIAN, RASPIOS)
    )
    assert raspios - debian == {"indi-pylibcamera==3.2.0"}
    assert debian < raspios


def test_a_lock_that_nobody_wrote_names_the_command_for_its_kind() -> None:
    raspios = flavour(RASPIOS)
    with pytest.raises(BuildError, match=r"image --flavour raspios --refresh-lock writes it"):
        lock.read(IMAGE_BUILD / "no-such.lock", raspios.refresh)


def test_a_kernel_of_the_other_kind_may_lack_a_module_and_has_the_camera_s() -> None:
    chosen = Chosen.read(IMAGE_BUILD / "modules.toml")
    assert {"imx477", "bcm2835_isp"} <= set(chosen.ribbon)
    modules = Modules("6.12-rpi", Path(), {"imx477": "imx477.ko"}, {"imx477.ko": ()}, frozenset())
    assert modules.closure(["imx477", "sdhci_iproc"], may_lack=True) == {"imx477.ko"}
    with pytest.raises(BuildError, match="sdhci_iproc"):
        modules.closure(["imx477", "sdhci_iproc"])


def test_an_archive_whose_keys_are_missing_is_not_asked(tmp_path: Path) -> None:
    beside = Source("https://archive.example.org/debian", "trixie", "main", tmp_path / "keys.pgp")
    with pytest.raises(BuildError, match=r"keys\.pgp is missing: put the keyring there that https://archive\.example\.org"):
        Archive("arm64", tmp_path / "apt", (beside,)).update()


def run(*command: str | Path, folder: Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(list(map(str, command)), cwd=folder, input=stdin, capture_output=True, check=True, timeout=120).stdout


class Signer:
    """Somebody with a key."""

    def __init__(self, home: Path) -> None:
        self.home, self.keyring = home, home / "keys.pgp"
        home.mkdir(mode=0o700)
        self.gpg("--passphrase", "", "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
        self.keyring.write_bytes(self.gpg("--export"))

    def gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", *words, folder=self.home, stdin=stdin)

    def close(self) -> None:
        run("gpgconf", "--homedir", self.home, "--kill", "all", folder=self.home)


def make_archive(folder: Path, signer: Signer) -> None:
    """Make an archive with one package."""
    (folder / "tree/DEBIAN").mkdir(parents=True)
    (folder / "tree/DEBIAN/control").write_text(CONTROL)
    run("dpkg-deb", "--root-owner-group", "--build", "tree", "ribbon-camera_1.0+rpt1_arm64.deb", folder=folder)
    file = (folder / "ribbon-camera_1.0+rpt1_arm64.deb").read_bytes()
    listed = (
        f"{CONTROL}Filename: ./ribbon-camera_1.0+rpt1_arm64.deb\nSize: {len(file)}\nSHA256: {hashlib.sha256(file).hexdigest()}\n"
    )
    (folder / "Packages").write_text(listed)
    sums = f" {hashlib.sha256(listed.encode()).hexdigest()} {len(listed)} Packages\n"
    release = f"Origin: a test\nDate: Sun, 29 Nov 2026 12:00:00 UTC\nArchitectures: arm64\nSHA256:\n{sums}"
    (folder / "InRelease").write_bytes(signer.gpg("--clearsign", stdin=release.encode()))


@pytest.mark.needs("gpg", "apt-get", "dpkg-deb")
def test_packages_come_from_an_archive_beside_debian_s_if_its_signature_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "DEBIAN", ())  # which no test asks
    right, wrong = Signer(tmp_path / "right"), Signer(tmp_path / "wrong")
    try:
        (tmp_path / "archive").mkdir()
        make_archive(tmp_path / "archive", right)
        beside = Source(f"file:{tmp_path}/archive", "./", "", right.keyring)
        asked = Archive("arm64", tmp_path / "apt", (beside,))
        asked.update()
        assert asked.newest("ribbon-camera") == ("ribbon-camera", "1.0+rpt1")
        (package,) = asked.described("image", [("ribbon-camera", "1.0+rpt1")])
        asked.download([package], tmp_path / "pool")
        assert [path.name for path in (tmp_path / "pool").iterdir()] == ["ribbon-camera_1.0+rpt1_arm64.deb"]
        doubted = Archive("arm64", tmp_path / "apt", (Source(beside.address, "./", "", wrong.keyring),))
        with pytest.raises(BuildError, match=r"apt-get update(.|\n)*not signed|NO_PUBKEY|couldn't be verified"):
            doubted.update()
    finally:
        for one in (right, wrong):
            one.close()
