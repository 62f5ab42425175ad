"""What `nightjar-factory-reset` removes, in what order, and that a power cut or a full card does not stop it."""

import os
import pwd
from pathlib import Path

import pytest

from tests.unit.rootfs import scripts

reset = scripts.load("nightjar-factory-reset")

TREE = [
    "nightjar/nightjar.db",
    "nightjar/nightjar.db-wal",
    "nightjar/backups/nightjar-1.db",
    "nightjar/keys/vault.key",
    "nightjar/darks/a.fits",
    "nightjar/nights/2026-01-31/frames/a.jpg",
    "nightjar/nights/2026-01-31/thumbs/a.jpg",
    "nightjar-ca/root.pem",
    "nightjar-tls/rsa.pem",
    "persist/connections/home.nmconnection",
    "persist/hostname",
    "persist/owner-files",
    "persist/timesync/clock",
    "lost+found/#12",
]
PICTURES = [name for name in TREE if "/nights/" in name]
CONTENT = b"something secret"


class Machine:
    """A made-up /data and boot state, with a second name of every file to see what became of its bytes."""

    def __init__(self, folder: Path) -> None:
        self.data, self.seen = folder / "data", folder / "seen"
        self.places = reset.Places(self.data, folder / "state", folder / "shown", pwd.getpwuid(os.getuid()).pw_name)
        self.seen.mkdir()
        (folder / "shown").mkdir()
        (folder / "state").write_bytes(b"\x11" * (8 << 20))
        for name in TREE:
            (self.data / name).parent.mkdir(parents=True, exist_ok=True)
            (self.data / name).write_bytes(CONTENT)
            os.link(self.data / name, self.seen / name.replace("/", "_"))

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if not path.is_dir())

    def bytes_of(self, name: str) -> bytes:
        return (self.seen / name.replace("/", "_")).read_bytes()

    def order(self, content: str) -> None:
        self.places.order.write_text(content)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_goes_and_what_is_small_is_written_over(machine: Machine) -> None:
    machine.order("everything\n")
    assert reset.main([], machine.places) == 0
    assert machine.files() == ["lost+found/#12"]
    assert sorted(path.name for path in machine.data.iterdir()) == ["lost+found", "persist"]
    kept = {name for name in TREE if machine.bytes_of(name) == CONTENT}
    assert kept == {*PICTURES, "lost+found/#12"}
    assert {machine.bytes_of(name) for name in set(TREE) - kept} == {b"\0" * len(CONTENT)}


def test_pictures_are_kept_where_that_was_asked_for(machine: Machine) -> None:
    machine.order("keep-pictures\n")
    assert reset.main([], machine.places) == 0
    assert machine.files() == sorted([*PICTURES, "lost+found/#12"])
    assert {(machine.data / name).read_bytes() for name in PICTURES} == {CONTENT}


def test_both_copies_of_the_identity_are_written_over_and_the_boot_state_stays(machine: Machine) -> None:
    machine.order("everything\n")
    reset.main([], machine.places)
    state = machine.places.state.read_bytes()
    for at in (1 << 20, 5 << 20):
        assert state[at : at + 4096] == bytes(4096)
    assert state.count(0) == 2 * 4096
    assert (state[0], state[4 << 20]) == (0x11, 0x11)


@pytest.mark.parametrize(
    ("choice", "kept"), [(None, 0), ("keep-pictures", 2), ("keep-pictures\n", 2), ("everything", 0), ("keep-pictures please", 0)]
)
def test_the_panel_says_whether_pictures_are_kept(machine: Machine, choice: str | None, kept: int) -> None:
    if choice is not None:
        (machine.places.shown / "factory-reset").write_text(choice)
    assert reset.main([], machine.places) == 0
    assert len(machine.files()) == 1 + kept


def test_what_is_not_the_panels_own_file_says_nothing(machine: Machine) -> None:
    (machine.data.parent / "elsewhere").write_text("keep-pictures")
    (machine.places.shown / "factory-reset").symlink_to(machine.data.parent / "elsewhere")
    assert reset.panels_choice(machine.places) == "everything"
    (machine.places.shown / "factory-reset").unlink()
    os.mkfifo(machine.places.shown / "factory-reset")
    assert reset.panels_choice(machine.places) == "everything"


def test_keys_and_identity_go_first_and_the_order_last(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []
    unlink = os.unlink

    def noting(name: str, *, dir_fd: int | None = None) -> None:
        gone.append(str(name))
        assert machine.places.order.read_text() == "everything 1\n"
        unlink(name, dir_fd=dir_fd)

    machine.order("everything\n")
    monkeypatch.setattr(reset.os, "unlink", noting)
    reset.main([], machine.places)
    assert set(gone[:4]) == {"vault.key", "root.pem", "rsa.pem", "home.nmconnection"}
    assert gone[-3:] == ["a.jpg", "a.jpg", str(machine.places.order)]
    assert not machine.places.order.exists()


def test_a_power_cut_leaves_the_order_and_the_next_start_goes_on(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.order("keep-pictures\n")
    with monkeypatch.context() as cut:
        cut.setattr(reset, "forget_identity", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            reset.main([], machine.places)
    assert "nightjar/keys/vault.key" not in machine.files()
    assert machine.places.order.read_text() == "keep-pictures 1\n"
    assert reset.main([], machine.places) == 0
    assert machine.files() == sorted([*PICTURES, "lost+found/#12"])


def test_what_cannot_be_removed_is_tried_three_times_and_then_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int | None = None) -> None:
        if name == "vault.key":
            raise OSError(5, "Input/output error")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(reset.os, "unlink", refuse)
    machine.order("everything\n")
    for tries in (1, 2):
        assert reset.main([], machine.places) == 1
        assert machine.places.order.read_text() == f"everything {tries}\n"
    assert reset.main([], machine.places) == 1
    assert machine.files() == ["lost+found/#12", "nightjar/keys/vault.key", "persist/factory-reset-failed"]


def test_what_cannot_be_written_over_is_removed_all_the_same_and_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, folder: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(reset, "overwrite", refuse)
    machine.order("everything\n")
    assert reset.main([], machine.places) == 1
    assert machine.files() == ["lost+found/#12", "persist/factory-reset"]


def test_no_link_is_followed(machine: Machine) -> None:
    outside = machine.data.parent / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(CONTENT)
    (machine.data / "nightjar/keys/link").symlink_to(outside / "file")
    (machine.data / "nightjar/linked").symlink_to(outside)
    (machine.data / "nightjar-ca/root.pem").unlink()
    (machine.data / "nightjar-ca").rmdir()
    (machine.data / "nightjar-ca").symlink_to(outside)
    machine.order("everything\n")
    assert reset.main([], machine.places) == 0
    assert (outside / "file").read_bytes() == CONTENT
    assert machine.files() == ["lost+found/#12"]


def test_arguments_are_refused(machine: Machine) -> None:
    before = machine.files()
    assert reset.main(["--data", "/"], machine.places) == 2
    assert machine.files() == before
