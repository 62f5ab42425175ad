"""The data partition before it is mounted: real ext4 file systems in files, damaged in ways that a card damages them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.rootfs import scripts

pytestmark = pytest.mark.needs("e2fsck", "mke2fs", "debugfs")

data = scripts.load("nightjar-data")
SIZE = 160 << 20
"""Sparse; the first copy of the head lies at 128 MiB."""
BLOCK = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Return a file system with a picture in it."""
    (tmp_path / "tree/nightjar/nights").mkdir(parents=True)
    (tmp_path / "tree/nightjar/nights/picture.jpg").write_bytes(b"a picture" * 1000)
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(SIZE)
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-d", str(tmp_path / "tree"), str(disk)]
    subprocess.run(command, check=True, capture_output=True)
    return disk


def picture(disk: Path) -> bytes:
    command = ["debugfs", "-R", "cat /nightjar/nights/picture.jpg", str(disk)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def is_well(disk: Path) -> bool:
    return subprocess.run(["e2fsck", "-f", "-n", str(disk)], check=False, capture_output=True).returncode == 0


def start(disk: Path) -> str:
    note = disk.with_name("note")
    assert data.main([], disk, note) == 0
    return note.read_text() if note.exists() else ""


def zero(disk: Path, at: int, size: int) -> None:
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(bytes(size))


def _debugfs(*commands: str) -> Callable[[Path], None]:
    def damage(disk: Path) -> None:
        for command in commands:
            subprocess.run(["debugfs", "-w", "-R", command, str(disk)], check=True, capture_output=True)

    return damage


DAMAGED: dict[str, Callable[[Path], None]] = {
    "the head": lambda disk: zero(disk, 0, BLOCK),
    "the head and all descriptors": lambda disk: zero(disk, 0, 16 * BLOCK),
    "an inode of a folder": _debugfs("clri /lost+found", "ssv state 2"),
    "links and blocks counted wrongly": _debugfs("sif /nightjar links_count 9", "ssv free_blocks_count 5", "ssv state 2"),
    "the root folder": _debugfs("clri <2>"),
}


def test_one_that_is_well_stays_as_it_is(disk: Path) -> None:
    before = picture(disk)
    assert start(disk) == ""
    assert picture(disk) == before != b""


@pytest.mark.parametrize("what", ["the head", "the head and all descriptors"])
def test_what_can_be_repaired_is_and_the_pictures_stay(disk: Path, what: str) -> None:
    before = picture(disk)
    DAMAGED[what](disk)
    assert not is_well(disk)
    assert start(disk) == "repaired\n"
    assert is_well(disk)
    assert picture(disk) == before


@pytest.mark.parametrize("what", ["an inode of a folder", "links and blocks counted wrongly"])
def test_what_is_usual_after_a_power_cut_is_repaired_without_a_word(disk: Path, what: str) -> None:
    before = picture(disk)
    DAMAGED[what](disk)
    assert not is_well(disk)
    assert start(disk) == ""
    assert is_well(disk)
    assert picture(disk) == before


def test_without_its_root_folder_what_was_below_lies_in_lost_and_found(disk: Path) -> None:
    DAMAGED["the root folder"](disk)
    assert start(disk) == "repaired\n"
    assert is_well(disk)
    listed = subprocess.run(["debugfs", "-R", "ls -l /lost+found", str(disk)], check=True, capture_output=True).stdout
    assert b"#" in listed


@pytest.mark.parametrize("fill", [b"\0", b"\xa5"])
def test_what_holds_nothing_any_more_is_made_anew(disk: Path, fill: bytes) -> None:
    with disk.open("wb") as file:
        file.write(fill * (1 << 20))
        file.truncate(SIZE)
    assert start(disk) == "recreated\n"
    assert is_well(disk)
    head = subprocess.run(["debugfs", "-R", "show_super_stats -h", str(disk)], check=True, capture_output=True, text=True).stdout
    blocks, reserved = (int(head.partition(f"\n{name}:")[2].split()[0]) for name in ("Block count", "Reserved block count"))
    assert reserved == blocks // 100, "as at the first start"
    assert start(disk) == "recreated\n", "the note is the first start's: nothing was done"


def test_one_that_cannot_be_repaired_but_read_is_not_made_anew(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture(disk)
    zero(disk, 5 * BLOCK, BLOCK)
    monkeypatch.setattr(data, "check", lambda *_: data.LEFT)
    assert start(disk) == "damaged\n"
    assert picture(disk) == before


def test_a_disk_that_does_not_answer_is_left_alone(tmp_path: Path) -> None:
    assert data.main([], tmp_path / "missing", tmp_path / "note") == 1
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_refused(disk: Path) -> None:
    before = disk.read_bytes()
    assert data.main(["/dev/sda"], disk) == 2
    assert disk.read_bytes() == before
