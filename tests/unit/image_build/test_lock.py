"""The lock of Debian's packages."""

from pathlib import Path

import pytest

from imagebuild import lock
from imagebuild.flavour import DEBIAN, Flavour
from imagebuild.lock import Package
from imagebuild.run import BuildError

ROOT = Path(__file__).parents[3]
ONE = Package("image", "libc6", "2.41-12", "arm64", "a" * 64, 12)
EPOCH = Package("tools-amd64", "git", "1:2.47.3-0+deb13u1", "amd64", "b" * 64, 34)


def test_what_was_written_is_read_sorted_and_once(tmp_path: Path) -> None:
    lock.write(tmp_path / "packages.lock", [EPOCH, ONE, ONE])
    assert lock.read(tmp_path / "packages.lock") == (ONE, EPOCH)
    assert EPOCH.file == "git_1%3a2.47.3-0+deb13u1_amd64.deb"


@pytest.mark.parametrize(
    "line",
    [
        "libc6 2.41",
        "image libc6 2.41 arm64 xyz 12",
        "image LIBC 2.41 arm64 " + "a" * 64 + " 12",
        "image a;b 1 arm64 " + "a" * 64 + " 1",
    ],
)
def test_a_line_of_another_form_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "packages.lock").write_text(f"{lock.HEAD}{line}\n")
    with pytest.raises(BuildError, match=r"packages\.lock, line 2, is not a package"):
        lock.read(tmp_path / "packages.lock")


def test_a_missing_lock_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="image --refresh-lock writes it"):
        lock.read(tmp_path / "packages.lock")


def test_nothing_for_a_use_is_refused() -> None:
    with pytest.raises(BuildError, match="names nothing for 'parts'"):
        lock.used_for([ONE], "parts")


def test_the_locked_packages_are_those_that_are_wanted() -> None:
    wanted = Flavour.read(ROOT / "image-build/packages.toml", DEBIAN).wanted
    locked = lock.read(ROOT / "image-build/packages.lock")
    by_use = {use: {one.name for one in locked if one.use == use} for use in {one.use for one in locked}}
    assert set(by_use) == {"image", "parts", "test", "tools-amd64", "tools-arm64"}
    assert set(wanted.image) <= by_use["image"]
    assert set(wanted.tools) <= by_use["tools-amd64"] & by_use["tools-arm64"]
    assert by_use["test"] == set(wanted.test)
    (kernel,) = by_use["parts"] - set(wanted.parts)
    assert kernel.startswith("linux-image-6.")
    assert not by_use["image"] & {"openssh-server", "apt-listchanges", "sudo", "cloud-init"}


def test_the_lock_names_no_host() -> None:
    assert "/" not in (ROOT / "image-build/packages.lock").read_text().partition("\n")[2]
