"""Sticks that are full, read-only, or another's: real file systems, mounted in a room of the test's own."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.export.messages import Ended, Outcome, event_of, line_of
from appliance.export.policy import mount_options
from tests.integration.export.sky import DEVICE, Sky, done, ended, summary
from tests.integration.host.rooms import COMMANDS, ENVIRONMENT, PYTHON, Room, User, missing_right, room

pytestmark = [
    pytest.mark.needs(*COMMANDS, "mkfs.ext4", "sha256sum"),
    pytest.mark.skipif(bool(missing_right()), reason=missing_right()),
]

NIGHTJAR = User(4711)
MOUNT = "/mnt/stick"
OPTIONS = ",".join(mount_options("tmpfs", is_look_only=False))


@dataclass
class Cabin:
    """A room with a sky in it, and the child as the service's user."""

    room: Room
    sky: Sky

    def mount(self, *words: str | Path) -> None:
        """Mount something as the stick, as the program asks for it."""
        self.room.must("mkdir", "-p", MOUNT)
        self.room.must("mount", "-o", OPTIONS, *words, MOUNT)

    def copy(self, **values: object) -> Ended:
        """Run a child to its end."""
        task = self.sky.task(mount=MOUNT, data="/mnt/data", **values)
        command = self.room.command(PYTHON, "-P", "-m", "appliance", "export-child", user=NIGHTJAR)
        child = subprocess.run(command, input=line_of(task), env=ENVIRONMENT, capture_output=True, timeout=120, check=False)
        assert child.stderr == b"", child.stderr.decode()
        return ended(*(event_of(line) for line in child.stdout.splitlines()))

    def shell(self, script: str) -> str:
        """Run a script in the room, as root."""
        return self.room.must("sh", "-euc", script)

    def assert_manifests_true(self) -> int:
        """Check every manifest; return the number of their lines."""
        each = "cd ${m%/*}; sha256sum -c --strict --quiet SHA256SUMS; cat $m"
        return int(self.shell(f"for m in $(find {MOUNT}/nightjar -name SHA256SUMS); do {each}; done | wc -l"))

    def free_share(self) -> float:
        """Return how much of the stick is free."""
        total, free = map(int, self.room.must("stat", "--file-system", "--format=%b %a", MOUNT).split())
        return free / total


@pytest.fixture
def cabin(sky: Sky) -> Iterator[Cabin]:
    with room() as made:
        made.must("mkdir", "/mnt/data")
        made.must("mount", "--bind", sky.data, "/mnt/data")
        made.must("sh", "-c", f"chown -R {NIGHTJAR.number} /mnt/data")
        yield Cabin(made, sky)


def ext4(cabin: Cabin, tmp_path: Path, size: str = "32M") -> None:
    """Mount an ext4 stick as a computer makes it: its root is root's."""
    image = tmp_path / "stick.img"
    subprocess.run(["truncate", "-s", size, image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    options = ",".join(mount_options("ext4", is_look_only=False))
    cabin.room.must("mkdir", "-p", MOUNT)
    cabin.room.must("mount", "-o", f"loop,{options}", image, MOUNT)


def test_it_stops_with_a_twentieth_free_with_the_newest_night_on_it_and_goes_on_when_there_is_room(cabin: Cabin) -> None:
    cabin.mount("-t", "tmpfs", "-o", "size=480k,mode=1777", "tmpfs")
    end = cabin.copy()
    assert end.outcome is Outcome.FULL
    assert 11 <= end.done_files < 33
    assert 0.05 <= cabin.free_share() < 0.15
    assert cabin.shell(f"ls {MOUNT}/nightjar/{DEVICE}").split()[-1] == "2026-01-31"
    assert cabin.assert_manifests_true() == end.done_files
    assert cabin.copy().outcome is Outcome.FULL
    cabin.shell(f"mount -o remount,size=2m {MOUNT}")
    assert summary(cabin.copy()) == done(33 - end.done_files)
    assert cabin.assert_manifests_true() == 33


def test_no_room_for_another_name_is_full_too(cabin: Cabin) -> None:
    cabin.mount("-t", "tmpfs", "-o", "size=8m,nr_inodes=20,mode=1777", "tmpfs")
    end = cabin.copy()
    assert end.outcome is Outcome.FULL
    assert end.done_files > 5
    cabin.shell(f"mount -o remount,nr_inodes=2000 {MOUNT}")
    assert cabin.copy().outcome is Outcome.DONE
    assert cabin.assert_manifests_true() == 33


def test_a_stick_that_others_have_filled_is_full(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path, "8M")
    cabin.shell(f"mkdir -m 1777 {MOUNT}/nightjar; dd if=/dev/zero of={MOUNT}/filler bs=64k 2>&1 || true")
    assert summary(cabin.copy()) == (Outcome.FULL, 0)


@pytest.mark.parametrize("has_folder", [False, True])
def test_a_stick_that_can_only_be_read_is_told_so(cabin: Cabin, *, has_folder: bool) -> None:
    cabin.mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs")
    if has_folder:
        assert cabin.copy().outcome is Outcome.DONE
        cabin.sky.add("2026-01-31", 1, first=90)
    cabin.shell(f"mount -o remount,ro {MOUNT}")
    assert cabin.copy().outcome is Outcome.READ_ONLY


def test_an_ext4_stick_whose_root_is_another_s_is_refused_until_it_has_a_folder_for_all(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path)
    assert cabin.copy().outcome is Outcome.NOT_WRITABLE
    assert "nightjar" not in cabin.shell(f"ls {MOUNT}").split()
    cabin.shell(f"mkdir {MOUNT}/nightjar")
    assert cabin.copy().outcome is Outcome.NOT_WRITABLE
    cabin.shell(f"chmod 1777 {MOUNT}/nightjar")
    assert summary(cabin.copy()) == done(33)
    assert cabin.assert_manifests_true() == 33
    assert {f"{uid}" for uid in cabin.shell(f"find {MOUNT}/nightjar -mindepth 1 -printf '%U\\n'").split()} == {
        str(NIGHTJAR.number)
    }


def test_a_folder_of_ours_that_another_owns_is_refused(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path)
    cabin.shell(f"mkdir -m 1777 {MOUNT}/nightjar; mkdir {MOUNT}/nightjar/{DEVICE}")
    assert cabin.copy().outcome is Outcome.NOT_WRITABLE


def test_a_file_of_another_s_in_our_place_is_never_written_through(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path)
    home = f"{MOUNT}/nightjar/{DEVICE}"
    cabin.shell(f"mkdir -m 1777 {MOUNT}/nightjar {home}; echo x > {home}/copying.part")
    assert cabin.copy().outcome is Outcome.NOT_WRITABLE
    assert cabin.shell(f"cat {MOUNT}/nightjar/{DEVICE}/copying.part") == "x\n"


def test_a_request_that_we_may_not_read_is_none(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path)
    cabin.shell(
        f"mkdir -m 1777 {MOUNT}/nightjar; echo nonsense > {MOUNT}/nightjar-export.toml; chmod 600 {MOUNT}/nightjar-export.toml"
    )
    assert cabin.copy().outcome is Outcome.DONE


def test_with_these_options_the_kernel_itself_follows_no_link_and_runs_nothing(cabin: Cabin, tmp_path: Path) -> None:
    ext4(cabin, tmp_path)
    cabin.shell(f"cp /bin/true {MOUNT}/true; chmod 6755 {MOUNT}/true; ln -s /etc/hostname {MOUNT}/link; mknod {MOUNT}/zero c 1 5")
    assert cabin.room.run(f"{MOUNT}/true").returncode == 126
    assert "Too many levels" in cabin.room.run("cat", f"{MOUNT}/link").stderr
    assert "Permission denied" in cabin.room.run("head", "-c1", f"{MOUNT}/zero").stderr
