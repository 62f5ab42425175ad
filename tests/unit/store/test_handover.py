"""Folders between two users: what is kept private, and what is handed to a group."""

import os
import stat
from pathlib import Path

import pytest

from appliance.domain.errors import StoreError
from appliance.store.handover import Handover, kept_private


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "handed"
    folder.mkdir()
    folder.chmod(0o2750)
    return folder


def test_a_file_is_for_its_group_to_read_and_written_once(folder: Path) -> None:
    handover = Handover(folder)
    assert handover.put("ca.pem", b"one")
    first = (folder / "ca.pem").stat()
    assert stat.S_IMODE(first.st_mode) == 0o640
    assert not handover.put("ca.pem", b"one")
    assert (folder / "ca.pem").stat().st_ino == first.st_ino
    assert handover.put("ca.pem", b"two")
    assert (folder / "ca.pem").read_bytes() == b"two"
    assert [path.name for path in folder.iterdir()] == ["ca.pem"]


def test_a_file_that_somebody_opened_to_others_is_written_again(folder: Path) -> None:
    Handover(folder).put("ca.pem", b"one")
    (folder / "ca.pem").chmod(0o644)
    assert Handover(folder).put("ca.pem", b"one")
    assert stat.S_IMODE((folder / "ca.pem").stat().st_mode) == 0o640


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"one")
    (folder / "ca.pem").symlink_to(tmp_path / "victim")
    assert Handover(folder).put("ca.pem", b"one")
    assert not (folder / "ca.pem").is_symlink()
    assert (tmp_path / "victim").read_bytes() == b"one"


def test_what_a_killed_run_left_is_removed(folder: Path) -> None:
    (folder / "rsa.pem.part").write_bytes(b"half")
    Handover(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o2755, 0o2770, 0o750, 0o700, 0o2751])
def test_a_folder_that_is_open_wider_or_keeps_its_group_to_itself_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(StoreError, match="must have mode 2750"):
        Handover(folder)


def test_a_link_a_file_and_nothing_are_no_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "link", tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(StoreError, match="cannot use the folder"):
            Handover(path)
        with pytest.raises(StoreError, match="cannot use the folder"), kept_private(path):
            pass


@pytest.fixture
def of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    return folder


def test_another_users_folder_is_refused(of_another_user: Path) -> None:
    with pytest.raises(StoreError, match="belongs to another user"):
        Handover(of_another_user)
    with pytest.raises(StoreError, match="belongs to another user"), kept_private(of_another_user):
        pass


def test_a_private_folder_that_was_open_is_closed_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with kept_private(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_two_at_once_are_refused_and_one_after_the_other_are_not(tmp_path: Path) -> None:
    with kept_private(tmp_path), pytest.raises(StoreError, match="another process"), kept_private(tmp_path):
        pass
    with kept_private(tmp_path):
        pass
