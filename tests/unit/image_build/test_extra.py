"""Packages of whoever builds: read by what they say of themselves."""

import subprocess
from pathlib import Path

import pytest

from imagebuild import archive, extra
from imagebuild.run import BuildError

pytestmark = pytest.mark.needs("dpkg-deb")


def package(folder: Path, file: str, *, name: str = "indi-own", version: str = "1:2.0-1", architecture: str = "arm64") -> Path:
    tree = folder / f"tree-{file}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: A <a@b.org>\nDescription: driver\n"
    )
    made = folder / "extra" / file
    made.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(made)], check=True, capture_output=True)
    return made


def test_apt_finds_them_by_their_own_names(tmp_path: Path) -> None:
    package(tmp_path, "downloaded (1).deb")
    package(tmp_path, "other.deb", name="other", version="3", architecture="all")
    (tmp_path / "extra/README.md").write_text("no package\n")
    found = extra.read(tmp_path / "extra", "arm64")
    assert [(one.use, one.name, one.version, one.architecture) for one in found] == [
        ("extra", "indi-own", "1:2.0-1", "arm64"),
        ("extra", "other", "3", "all"),
    ]
    extra.fill_pool(tmp_path / "pool", found)
    archive.make_repository(tmp_path / "repository", tmp_path / "pool", tuple(found))
    assert sorted(path.name for path in (tmp_path / "repository").glob("*.deb")) == [
        "indi-own_1%3a2.0-1_arm64.deb",
        "other_3_all.deb",
    ]
    assert "Filename: ./indi-own_1%3a2.0-1_arm64.deb" in (tmp_path / "repository/Packages").read_text()


def test_without_any_there_are_none(tmp_path: Path) -> None:
    assert extra.read(tmp_path, "arm64") == {}


def test_what_cannot_go_in_is_refused_by_its_name(tmp_path: Path) -> None:
    package(tmp_path, "pc.deb", architecture="amd64")
    with pytest.raises(BuildError, match=r"pc\.deb is for amd64, and the image for arm64"):
        extra.read(tmp_path / "extra", "arm64")
    (tmp_path / "extra/pc.deb").write_bytes(b"no package")
    with pytest.raises(BuildError, match=r"pc\.deb is no Debian package"):
        extra.read(tmp_path / "extra", "arm64")
    (tmp_path / "extra/pc.deb").unlink()
    package(tmp_path, "one.deb")
    package(tmp_path, "two.deb", version="3.0-1")
    with pytest.raises(BuildError, match="holds indi-own twice"):
        extra.read(tmp_path / "extra", "arm64")
