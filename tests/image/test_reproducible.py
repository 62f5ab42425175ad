"""Two builds of one commit with the same packages: the one of dist/, and another made here under other circumstances."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild.disk import LINUX, MIB, Partition, partitions, write
from imagebuild.program import Source
from tests.image.card import unpacked
from tests.image.partition import made_at
from tests.image.rebuilt import ROOT, build_again

pytestmark = [pytest.mark.needs("unshare", "git", "mount", "taskset", "xz"), pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def first(pytestconfig: pytest.Config, image: Path) -> Path:
    """Return the folder with the first build, which must be one of this commit."""
    made, commit = made_at(image), datetime.fromtimestamp(Source(ROOT).epoch, UTC)
    assert made == commit, f"the image is of {made}, and this commit of {commit}: ./build.sh image"
    packed: Path = pytestconfig.getoption("--image")
    return packed.resolve().parent


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the second."""
    (listed,) = first.glob("*.imager.json")
    icon: str = json.loads(listed.read_text(encoding="utf-8"))["os_list"][0]["icon"]
    return build_again(tmp_path_factory.mktemp("again"), icon.removesuffix("nightjar.svg"))


def sums(image: Path) -> dict[str, str]:
    """Return the sum of each partition of an image, of what lies around them, and of all of it."""
    found = {"all": hashlib.sha256(), "around": hashlib.sha256()}
    begins = {begin: (name, size) for name, (begin, size) in partitions(image).items()}
    with image.open("rb") as disk:
        while piece := disk.read(MIB):
            name = next(
                (name for begin, (name, size) in begins.items() if begin <= disk.tell() - len(piece) < begin + size), "around"
            )
            found.setdefault(name, hashlib.sha256()).update(piece)
            found["all"].update(piece)
    return {name: digest.hexdigest() for name, digest in found.items()}


def test_both_disks_have_the_same_bytes_in_every_partition(image: Path, second: Path, tmp_path: Path) -> None:
    (packed,) = second.glob("*.img.xz")
    found = sums(unpacked(packed, tmp_path))
    assert {"firmware", "bootstate", "boot_a", "root_a"} < found.keys()
    assert found == sums(image)


def test_both_downloads_and_all_that_lies_beside_them_are_the_same(first: Path, second: Path) -> None:
    names = {path.name for path in second.iterdir()}
    assert {name.rpartition("arm64.")[2] for name in names} == {
        "img.xz", "img.xz.sha256", "img.bmap", "spdx.json", "cdx.json", "imager.json", "nightjar.svg", "u-boot-qemu.bin",
    }  # fmt: skip
    assert [name for name in sorted(names) if (first / name).read_bytes() != (second / name).read_bytes()] == []
    assert {(second / name).stat().st_ino for name in names}.isdisjoint((first / name).stat().st_ino for name in names)


def test_another_byte_would_be_noticed(tmp_path: Path) -> None:
    disk, content = tmp_path / "disk.img", tmp_path / "content"
    content.write_bytes(b"x" * MIB)
    write(disk, tuple(Partition(name, LINUX, 2 * MIB, content) for name in ("one", "two")))
    before = sums(disk)
    assert before.keys() == {"one", "two", "around", "all"}
    for name, (begin, size) in {**partitions(disk), "around": (disk.stat().st_size - MIB, MIB)}.items():
        with disk.open("r+b") as file:
            file.seek(begin + size - 1)
            file.write(b"y")
        after = sums(disk)
        assert {part for part in after if after[part] != before[part]} == {name, "all"}
        before = after
