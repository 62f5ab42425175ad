"""autoboot.txt in a real file system: read and changed without mounting it, judged by mtools, fsck and the firmware's rules."""

import contextlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rootfs import pifirmware, scripts

autoboot, fat = scripts.raspios_part("autoboot"), scripts.raspios_part("fat")
pytestmark = pytest.mark.needs("mkfs.vfat", "mcopy", "mtype", "fsck.vfat")
FILES = {"nightjar.toml": b"# of the owner\n" * 200, "autoboot.txt": autoboot.text("A"), "SETUP.TXT": b"all is well\n"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("card") / "firmware"
    pifirmware.make(image, FILES)
    return image


@pytest.fixture
def device(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(template, tmp_path / "firmware"))


def made(folder: Path, files: dict[str, bytes]) -> Path:
    pifirmware.make(folder / "own", files)
    return folder / "own"


def typed(image: Path, name: str) -> bytes:
    return subprocess.run(["mtype", "-i", image, f"::{name}"], capture_output=True, check=True, timeout=60).stdout


def test_the_firmware_is_told_to_start_the_other_system(device: Path) -> None:
    assert autoboot.read(device) == "A"
    before = device.read_bytes()
    autoboot.write(device, "B")
    assert autoboot.read(device) == "B"
    after = device.read_bytes()
    changed = {at // 512 for at in range(0, len(after), 512) if before[at : at + 512] != after[at : at + 512]}
    assert len(changed) == 1, "one sector, of all of the file system"
    assert typed(device, "autoboot.txt") == autoboot.text("B")
    assert {name: typed(device, name) for name in FILES if name != "autoboot.txt"} == {
        name: data for name, data in FILES.items() if name != "autoboot.txt"
    }
    checked = subprocess.run(["fsck.vfat", "-n", device], capture_output=True, text=True, check=True, timeout=60)
    assert "3 files" in checked.stdout


@pytest.mark.parametrize("name", ["A", "B"])
def test_what_it_writes_the_firmware_reads_as_it_is_meant(name: str) -> None:
    other = "B" if name == "A" else "A"
    text = autoboot.text(name)
    assert len(text) == len(autoboot.text(other)) < pifirmware.LONGEST
    assert pifirmware.choose(text, is_trial=False) == pifirmware.Choice(autoboot.PARTITIONS[name], is_a_b=True)
    assert pifirmware.choose(text, is_trial=True) == pifirmware.Choice(autoboot.PARTITIONS[other], is_a_b=True)


def test_what_says_so_already_is_not_written_again(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoboot, "os", type("Os", (), {**vars(os), "pwrite": None}))
    autoboot.write(device, "A")
    with pytest.raises(TypeError):
        autoboot.write(device, "B")


def test_one_that_was_damaged_is_refused_and_made_whole_by_the_next_system_that_is_well(device: Path) -> None:
    data = bytearray(device.read_bytes())
    at = data.index(autoboot.text("A"))
    data[at + 30] ^= 0x10
    device.write_bytes(data)
    with pytest.raises(autoboot.UnusableError, match="not as this system writes it"):
        autoboot.read(device)
    autoboot.write(device, "B")
    assert typed(device, "autoboot.txt") == autoboot.text("B")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no autoboot.txt"),
        (b"", "there is no autoboot.txt"),
        (b"[all]\nboot_partition=2\n", "not as this system writes it"),
        (autoboot.text("A") + b"# mine\n", "not as this system writes it"),
        (autoboot.text("A").ljust(513, b"\n"), "has 513 bytes, and the firmware reads 512"),
        (autoboot.text("A") * 400, "the firmware reads 512"),
    ],
)
def test_what_somebody_else_wrote_is_refused_and_stays(tmp_path: Path, content: bytes | None, reason: str) -> None:
    image = made(tmp_path, {"nightjar.toml": b"x"} | ({} if content is None else {"autoboot.txt": content}))
    before = image.read_bytes()
    for act in (autoboot.read, lambda device: autoboot.write(device, "B")):
        with pytest.raises(autoboot.UnusableError, match=reason):
            act(image)
    assert image.read_bytes() == before


@pytest.mark.parametrize("size", [12, 16])
def test_another_kind_of_fat_is_refused(tmp_path: Path, size: int) -> None:
    image = tmp_path / "other"
    subprocess.run(["truncate", "-s", "16M", image], check=True)
    subprocess.run(["mkfs.vfat", "-F", str(size), image], check=True, capture_output=True)
    with pytest.raises(autoboot.UnusableError, match="no FAT32 file system with sectors of 512 bytes"):
        autoboot.read(image)


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(4096), b"hsqs".ljust(1 << 20, b"\0")])
def test_a_first_partition_that_holds_no_file_system_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none").write_bytes(content)
    for act in (autoboot.read, lambda device: autoboot.write(device, "A")):
        with pytest.raises(autoboot.UnusableError, match="cannot be read: no file system"):
            act(tmp_path / "none")
    assert (tmp_path / "none").read_bytes() == content


def test_a_first_partition_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        autoboot.read(tmp_path / "missing")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the partitions of a card."""
    folder = tmp_path_factory.mktemp("whole")
    pifirmware.make_card(folder, autoboot.text("A"))
    return folder


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.one_of(st.floats(0, 0.0002), st.floats(0, 1, exclude_max=True)), st.integers(0, 255)), max_size=8))
def test_any_damage_in_front_is_survived_and_never_answered_with_another_system(
    tmp_path_factory: pytest.TempPathFactory, whole: Path, changes: list[tuple[float, int]]
) -> None:
    image = tmp_path_factory.mktemp("damaged") / "firmware"
    damaged = bytearray((whole / "first").read_bytes())
    for place, value in changes:  # every other one in the head of the file system
        damaged[int(place * len(damaged))] = value
    image.write_bytes(damaged)
    with contextlib.suppress(autoboot.UnusableError):
        assert autoboot.read(image) == "A"


def test_a_partition_that_the_firmware_could_start_from_is_let_through_and_one_that_lacks_a_file_is_not(
    tmp_path: Path, whole: Path
) -> None:
    autoboot.check_bootable(whole / "boot")
    for name in autoboot.NEEDED:
        folder = tmp_path / name
        folder.mkdir()
        files = {one: b"x" for one in autoboot.NEEDED if one != name}
        with pytest.raises(autoboot.UnusableError, match=rf"could not start from own: {name.lower()} is missing there"):
            autoboot.check_bootable(made(folder, files))
    (tmp_path / "empty").write_bytes(bytes(4096))
    with pytest.raises(autoboot.UnusableError, match="could not start from empty: no file system"):
        autoboot.check_bootable(tmp_path / "empty")


HEAD = {
    "sectors of another size": (11, "<H", 4096, "no FAT32 file system"),
    "an odd number of sectors in a cluster": (13, "<B", 3, "no FAT32 file system"),
    "tables far behind": (14, "<H", 0xFFFF, "ends too early"),
    "no table": (16, "<B", 0, "no FAT32 file system"),
    "more tables than there is room for": (16, "<B", 255, "leads nowhere"),
    "a small disk": (32, "<I", 1, "leads nowhere"),
    "a large table": (36, "<I", 0xFFFFFFFF, "leads nowhere"),
    "a root folder in no cluster": (44, "<I", 1, "leads nowhere"),
    "a root folder far away": (44, "<I", 0x0FFFFFF0, "leads nowhere"),
}


@pytest.mark.parametrize("damage", HEAD)
def test_a_head_that_cannot_be_is_refused(whole: Path, tmp_path: Path, damage: str) -> None:
    at, kind, value, reason = HEAD[damage]
    data = bytearray((whole / "first").read_bytes())
    struct.pack_into(kind, data, at, value)
    (tmp_path / "firmware").write_bytes(data)
    with pytest.raises(autoboot.UnusableError, match=f"cannot be read: .*{reason}"):
        autoboot.read(tmp_path / "firmware")


def test_a_file_that_lies_nowhere_is_no_file(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "first").read_bytes())
    struct.pack_into("<H", data, data.index(b"AUTOBOOTTXT") + 26, 0xFFFF)
    struct.pack_into("<H", data, data.index(b"AUTOBOOTTXT") + 20, 0x0FFF)
    (tmp_path / "firmware").write_bytes(data)
    with pytest.raises(autoboot.UnusableError, match="there is no autoboot"):
        autoboot.read(tmp_path / "firmware")


def test_a_folder_without_an_end_is_refused(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "boot").read_bytes())
    first_table = int.from_bytes(data[14:16], "little") * 512
    data[first_table + 8 : first_table + 12] = (2).to_bytes(4, "little")  # the root folder follows itself
    (tmp_path / "circle").write_bytes(data)
    with (tmp_path / "circle").open("rb") as file, pytest.raises(fat.DamagedError, match="without an end"):
        fat.files(file.fileno())
