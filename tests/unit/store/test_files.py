"""The data folder: names, atomic files, keys, the reserve, a disk without room."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import DiskFullError, StoreError
from appliance.domain.secret import Secret
from appliance.store import disk
from appliance.store.files import FOLDERS, RESERVE_BYTES, DataFolder


def modes(root: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}


def test_the_tree_is_for_its_user_only(folder: DataFolder) -> None:
    assert {path.name for path in folder.root.iterdir() if path.is_dir()} == set(FOLDERS)
    folder.write_atomic("nights/2026-01-31/products/keogram.jpg", b"x")
    assert {path.stat().st_mode & 0o777 for path in [folder.root, *folder.root.rglob("*")] if path.is_dir()} == {0o700}
    assert modes(folder.root) == {0o600}


def test_a_second_process_is_refused(folder: DataFolder) -> None:
    second = DataFolder(folder.root)
    with pytest.raises(StoreError, match="another Nightjar"):
        second.open()
    folder.close()
    second.open()
    second.close()


def test_a_folder_that_cannot_be_made_is_told_by_its_name() -> None:
    with pytest.raises(StoreError, match="cannot use the data folder /proc/nightjar"):
        DataFolder(Path("/proc/nightjar")).open()


def test_a_file_in_the_place_of_the_folder_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StoreError, match="cannot use the data folder"):
        DataFolder(tmp_path / "data").open()


class TestNames:
    @pytest.mark.parametrize("name", ["reserve", "tls/ca.pem", "nights/2026-01-31/frames/20260131T221530Z-12.jpg"])
    def test_plain_names_lie_below_the_root(self, folder: DataFolder, name: str) -> None:
        assert folder.path_of(name) == folder.root / name

    @pytest.mark.parametrize(
        "name",
        [
            "", ".", "..", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "/a", ".hidden", "a/.hidden", "a..b", "a\0b", "a\nb",
            "a b", "a\\b", "x.part", "ä", "b" * 200, "~", "-rf", "a\n",
        ],
    )  # fmt: skip
    def test_odd_names_are_refused(self, folder: DataFolder, name: str) -> None:
        with pytest.raises(StoreError, match="not a name"):
            folder.path_of(name)

    @hypothesis.given(st.text())
    def test_whatever_is_accepted_stays_inside(self, name: str) -> None:
        root = Path("/nowhere/data")
        try:
            path = DataFolder(root).path_of(name)
        except StoreError:
            return
        assert path.is_relative_to(root)
        assert ".." not in path.parts

    def test_a_link_that_leads_outside_is_refused(self, folder: DataFolder, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (folder.root / "nights" / "2026-01-31").symlink_to(tmp_path / "outside")
        with pytest.raises(StoreError, match="outside"):
            folder.write_atomic("nights/2026-01-31/x.jpg", b"x")
        assert list((tmp_path / "outside").iterdir()) == []


class TestAtomicFiles:
    def test_a_file_is_replaced_as_a_whole(self, folder: DataFolder) -> None:
        path = folder.write_atomic("darks/a.fits", b"one" * 1000)
        with path.open("rb") as reader:
            folder.write_atomic("darks/a.fits", b"two")
            assert reader.read() == b"one" * 1000  # who reads, reads the old one to its end
        assert folder.read("darks/a.fits") == b"two"
        assert [file.name for file in path.parent.iterdir()] == ["a.fits"]

    def test_what_is_not_there_is_none(self, folder: DataFolder) -> None:
        assert folder.read("darks/none.fits") is None
        assert not folder.remove("darks/none.fits")

    def test_a_folder_cannot_be_written_over(self, folder: DataFolder) -> None:
        with pytest.raises(StoreError, match="cannot write nights"):
            folder.write_atomic("nights", b"x")
        assert not list(folder.root.glob("*.part"))

    def test_parts_of_a_killed_process_go_and_those_of_this_one_stay(self, folder: DataFolder) -> None:
        old = folder.root / "nights" / "x.jpg.0badc0de.part"
        own = folder.root / "nights" / f"y.jpg.{folder._mark}.part"
        for path in (old, own):
            path.write_bytes(b"half")
        assert folder.sweep_parts() == 1
        assert not old.exists()
        assert own.exists()

    def test_a_part_that_is_a_link_is_not_followed(self, folder: DataFolder, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        (folder.root / "darks" / f"a.fits.{folder._mark}.part").symlink_to(victim)
        with pytest.raises(StoreError, match="cannot write"):
            folder.write_atomic("darks/a.fits", b"x")
        assert victim.read_bytes() == b"precious"

    def test_a_note_stays_with_its_file(self, folder: DataFolder) -> None:
        path = folder.write_atomic("darks/a.fits", b"x", note=b"a note")
        assert disk.read_note(path) == b"a note"
        assert disk.read_note(folder.write_atomic("darks/a.fits", b"x")) == b""


class TestKeys:
    def test_a_key_is_private_and_never_written_over_by_accident(self, folder: DataFolder) -> None:
        folder.make_key("vault.key", Secret(b"first"))
        with pytest.raises(StoreError, match="already"):
            folder.make_key("vault.key", Secret(b"second"))
        key = folder.read_key("vault.key")
        assert key is not None
        assert key.reveal() == b"first"
        assert (folder.root / "keys" / "vault.key").stat().st_mode & 0o777 == 0o600

    def test_a_key_that_others_could_read_is_made_private_again(self, folder: DataFolder) -> None:
        folder.make_key("vault.key", Secret(b"first"))
        path = folder.root / "keys" / "vault.key"
        path.chmod(0o644)
        folder.read_key("vault.key")
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_missing_key_is_none_and_a_link_is_refused(self, folder: DataFolder, tmp_path: Path) -> None:
        assert folder.read_key("vault.key") is None
        (folder.root / "keys" / "other").write_bytes(b"x")
        (folder.root / "keys" / "vault.key").symlink_to("other")
        with pytest.raises(StoreError, match="cannot read the key"):
            folder.read_key("vault.key")

    def test_tls_files_are_private(self, folder: DataFolder) -> None:
        assert folder.read_tls("rsa.pem") is None
        path = folder.write_tls("rsa.pem", b"pem")
        assert folder.read_tls("rsa.pem") == b"pem"
        assert path.stat().st_mode & 0o777 == 0o600


class TestReserve:
    def test_it_is_really_allocated_given_up_and_taken_again(self, folder: DataFolder) -> None:
        path = folder.root / "reserve"
        assert path.stat().st_blocks * 512 >= RESERVE_BYTES
        assert folder.give_up_reserve()
        assert not path.exists()
        assert not folder.give_up_reserve()
        assert folder.restore_reserve()
        assert path.stat().st_size == RESERVE_BYTES

    def test_it_is_not_taken_where_there_is_little_room(self, folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.give_up_reserve()
        monkeypatch.setattr(disk, "free_bytes", lambda _: 4 * RESERVE_BYTES)
        assert not folder.restore_reserve()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_has_its_own_word(number: int) -> None:
    assert isinstance(disk.store_error(OSError(number, os.strerror(number)), "cannot write x"), DiskFullError)
    assert not isinstance(disk.store_error(OSError(errno.EIO, "I/O error"), "cannot write x"), DiskFullError)


FULL_DISK = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from appliance.domain.clock import SystemClock
from appliance.domain.errors import DiskFullError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.access import Scope
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.sessions import SessionStore
from appliance.store.tokens import TokenStore

class LaterClock(SystemClock):
    later_s = 0.0

    def monotonic(self):
        return super().monotonic() + self.later_s

clock = LaterClock()
folder = DataFolder(Path(sys.argv[1]) / "data")
folder.open()
assert folder.restore_reserve(), "a reserve at first"
database = Database(folder.root, clock)
database.open()
frames, audit = FrameStore(database, folder), AuditStore(database, clock)
sessions, tokens = SessionStore(database, clock), TokenStore(database, clock)
admin = AccountStore(database, clock).claim("vera", "hash")
session = sessions.create(admin.id, "cookie", "csrf", "192.168.1.2", "Firefox")
tokens.create("script", Scope.READ, "bearer", 1, admin.id)
night = NightId("2026-01-31")

def add(size):
    frames.add(bytes(size), b"thumb", night=night, exposure=Exposure(FrameKind.LIGHT, 1.0, 0.0),
               started_at=datetime.now(UTC), width=1, height=1, measurement=Measurement(1.0, 0.0))

def fill(store):
    count = 0
    while True:
        try:
            store()
        except DiskFullError:
            return count
        count += 1

stored = fill(lambda: add(3 << 20)) + fill(lambda: add(100 << 10)) + fill(lambda: add(1000))
assert stored == frames.count() == len(list(folder.root.rglob("frames/*.jpg"))) == len(list(folder.root.rglob("thumbs/*.jpg")))
assert not list(folder.root.rglob("*.part")), "nothing half-done"
entries = fill(lambda: audit.add("a", "b", "c", "d" * 1000))
assert audit.head()[0] == entries and audit.verify() == []
assert database.check() == "ok" and folder.free_bytes() < 64 << 10

clock.later_s = 600.0  # so that their use would be noted, for which there is no room
assert fill(lambda: audit.add("a", "b", "c", "d" * 1000)) == 0
sessions.touch(session.id)
assert sessions.find("cookie").last_seen_at == session.last_seen_at, "who is logged in still gets in"
assert tokens.find("bearer").account == admin

assert folder.give_up_reserve()
audit.add("admin", "", "logged in on a full disk")
assert frames.remove_night(night) > 0
add(3 << 20)
sessions.touch(session.id)
assert sessions.find("cookie").last_seen_at > session.last_seen_at
assert folder.restore_reserve()
database.close()
assert database.open() == ()
database.close()
print("done", stored, entries)
"""


@pytest.mark.needs("unshare", "mount")
def test_a_full_disk_is_told_and_left_behind(tmp_path: Path) -> None:
    """A real file system of 100 MiB, filled to its last block."""
    mount = f'mount -t tmpfs -o size=100m tmpfs {tmp_path} && exec "$@" {tmp_path}'
    spaces = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    if subprocess.run([*spaces, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets us have no mount of our own")
    shell = shutil.which("sh")
    assert shell
    result = subprocess.run(
        [*spaces, shell, "-c", mount, "sh", sys.executable, "-c", FULL_DISK], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("done")
