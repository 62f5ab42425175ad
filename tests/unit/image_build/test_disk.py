"""The disk image: read back by the tools that others use, and by hand where those are missing."""

import re
import subprocess
from pathlib import Path

import pytest

from imagebuild.disk import BASIC_DATA, LINUX, MIB, Partition, block_map, write


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "first").write_bytes(b"first" * 1000)
    (tmp_path / "second").write_bytes(bytes(MIB) + b"second")
    made = tmp_path / "disk.img"
    write(
        made,
        (
            Partition("one", BASIC_DATA, 2 * MIB, tmp_path / "first"),
            Partition("two", LINUX, 3 * MIB, tmp_path / "second"),
            Partition("empty", LINUX, 4 * MIB),
        ),
    )
    return made


def test_the_contents_lie_one_after_another_and_nothing_else(image: Path) -> None:
    data = image.read_bytes()
    assert len(data) == 11 * MIB
    assert data[MIB : MIB + 5000] == b"first" * 1000
    assert data[4 * MIB : 4 * MIB + 6] == b"second"
    assert data[MIB + 5000 : 4 * MIB].count(0) == 3 * MIB - 5000
    assert data[4 * MIB + 6 : 10 * MIB].count(0) == 6 * MIB - 6


@pytest.mark.needs("sfdisk")
def test_fdisk_reads_the_table_without_a_complaint(image: Path) -> None:
    verified = subprocess.run(["sfdisk", "--verify", str(image)], capture_output=True, text=True, check=True)
    assert "No errors detected" in verified.stdout
    listed = subprocess.run(["sfdisk", "--dump", str(image)], capture_output=True, text=True, check=True).stdout
    lines = [line.partition(" : ")[2] for line in listed.splitlines() if "start=" in line]
    assert [line.partition("name=")[2] for line in lines] == ['"one"', '"two"', '"empty"']
    assert [line.split(",")[0].split()[1] for line in lines] == ["2048", "6144", "12288"]
    assert len({line.partition("uuid=")[2].partition(",")[0] for line in lines}) == 3


def test_whoever_knows_only_the_old_table_finds_the_first_partition(image: Path) -> None:
    sector = image.read_bytes()[:512]
    assert sector[510:] == b"\x55\xaa"
    first, rest = sector[446:462], sector[462:478]
    assert (first[0], first[4]) == (0x80, 0x0C)
    assert (int.from_bytes(first[8:12], "little"), int.from_bytes(first[12:], "little")) == (2048, 4096)
    assert (rest[4], int.from_bytes(rest[8:12], "little"), int.from_bytes(rest[12:], "little")) == (0xEE, 1, 2047)
    assert sector[478:510].count(0) == 32


@pytest.mark.needs("sfdisk")
def test_partitions_that_stand_in_both_tables_have_the_same_numbers_there(tmp_path: Path) -> None:
    made = tmp_path / "disk.img"
    write(made, [Partition(f"p{number}", BASIC_DATA, number * MIB) for number in range(1, 6)], in_old=(1, 3, 4))
    sector = made.read_bytes()[:512]
    old = {}
    for number in range(1, 5):
        entry = sector[430 + 16 * number :][:16]
        old[number] = (entry[0], entry[4], int.from_bytes(entry[8:12], "little"), int.from_bytes(entry[12:], "little"))
    listed = subprocess.run(["sfdisk", "--dump", str(made)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(\d) : start= *(\d+), size= *(\d+),", listed)
    new = {int(number): (int(begin), int(size)) for number, begin, size in found}
    assert old[2] == (0, 0xEE, 1, 2047), "by which others see that there is a table of the new kind"
    assert {number: entry[2:] for number, entry in old.items() if number != 2} == {number: new[number] for number in (1, 3, 4)}
    assert [old[number][:2] for number in (1, 3, 4)] == [(0x80, 0x0C), (0, 0x0C), (0, 0x0C)]
    verified = subprocess.run(["sfdisk", "--verify", str(made)], capture_output=True, text=True, check=True)
    assert "No errors detected" in verified.stdout


@pytest.mark.parametrize("number", [0, 2, 5])
def test_a_number_that_the_old_table_does_not_have_is_refused(tmp_path: Path, number: int) -> None:
    with pytest.raises(ValueError, match=r"cannot stand in the table of the old kind, which has \[1, 3, 4\]"):
        write(tmp_path / "disk.img", [Partition("one", LINUX, MIB)], in_old=(1, number))
    assert not (tmp_path / "disk.img").exists()


def test_the_same_parts_make_the_same_bytes(image: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.img"
    partitions = (
        Partition("one", BASIC_DATA, 2 * MIB, tmp_path / "first"),
        Partition("two", LINUX, 3 * MIB, tmp_path / "second"),
        Partition("empty", LINUX, 4 * MIB),
    )
    write(again, partitions)
    assert again.read_bytes() == image.read_bytes()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MIB + 1))
    with pytest.raises(ValueError, match="one holds 1048576 bytes, and its content has 1048577"):
        write(tmp_path / "disk.img", (Partition("one", LINUX, MIB, tmp_path / "large"),))
    with pytest.raises(ValueError, match="no whole number of MiB"):
        write(tmp_path / "disk.img", (Partition("one", LINUX, MIB + 512),))


def test_the_block_map_names_what_is_not_empty(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"a" * 4096 + bytes(8192) + b"b" * 8192 + bytes(4096) + b"end")
    text = block_map(image)
    assert [line.partition(">")[2].partition("<")[0] for line in text.splitlines() if "<Range" in line] == ["0", "3-4", "6"]
    assert "<MappedBlocksCount>4<" in text
    assert "<BlocksCount>7<" in text


@pytest.mark.needs("bmaptool")
def test_bmaptool_writes_the_same_disk_from_it(image: Path, tmp_path: Path) -> None:
    (tmp_path / "disk.bmap").write_text(block_map(image))
    command = ["bmaptool", "--quiet", "copy", "--bmap", str(tmp_path / "disk.bmap"), str(image), str(tmp_path / "copy.img")]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "copy.img").read_bytes() == image.read_bytes()


@pytest.mark.needs("bmaptool")
def test_bmaptool_refuses_a_disk_with_another_byte(image: Path, tmp_path: Path) -> None:
    (tmp_path / "disk.bmap").write_text(block_map(image))
    with image.open("r+b") as file:
        file.seek(MIB)
        file.write(b"F")
    command = ["bmaptool", "--quiet", "copy", "--bmap", str(tmp_path / "disk.bmap"), str(image), str(tmp_path / "copy.img")]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
