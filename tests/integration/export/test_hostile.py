"""Sticks that somebody prepared: nothing on them is followed, waited for, believed or run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.export.messages import Looked, Outcome
from tests.integration.export.sky import DEVICE, NIGHTS, Sky, done, summary, toml

pytestmark = pytest.mark.needs("sha256sum")

NIGHT = "2026-01-31"
TWO_GIB = 2 << 30


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder outside the stick, with a file in it that must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("as it was")
    return folder


def untouched(outside: Path) -> bool:
    return [path.name for path in outside.rglob("*")] == ["precious"] and (outside / "precious").read_text() == "as it was"


def picture(sky: Sky) -> Path:
    """Return where a picture of the night will lie on the stick."""
    name = min(sky.expected(NIGHT))
    assert name.startswith("frames/")
    return sky.night(NIGHT) / name


@pytest.mark.parametrize(
    "place", ["nightjar", f"nightjar/{DEVICE}", f"nightjar/{DEVICE}/{NIGHT}"], ids=["top", "device", "night"]
)
@pytest.mark.parametrize("kind", ["absolute", "relative", "dangling", "loop", "file", "fifo"])
def test_what_lies_in_place_of_a_folder_is_refused_by_name(sky: Sky, outside: Path, place: str, kind: str) -> None:
    path = sky.mount / place
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "absolute":
            path.symlink_to(outside)
        case "relative":
            path.symlink_to(os.path.relpath(outside, path.parent))
        case "dangling":
            path.symlink_to(outside / "nothing")
        case "loop":
            path.symlink_to(path.name)
        case "file":
            path.write_text("nightjar")
        case "fifo":
            os.mkfifo(path)
    end = sky.copy()
    assert (end.outcome, end.detail) == (Outcome.IN_THE_WAY, path.name)
    assert untouched(outside)


@pytest.mark.parametrize("folder", ["frames", "products"])
def test_links_in_place_of_inner_folders_cost_these_files_only(sky: Sky, outside: Path, folder: str) -> None:
    sky.night(NIGHT).mkdir(parents=True)
    (sky.night(NIGHT) / folder).symlink_to(outside)
    end = sky.copy()
    lost = len([name for name in sky.expected(NIGHT) if name.startswith(folder)])
    assert (end.outcome, end.in_the_way, end.done_files) == (Outcome.DONE, lost, 33 - lost)
    assert untouched(outside)
    sky.assert_manifests_true()


def link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "precious")


def dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "new")


def hard_link(path: Path, outside: Path) -> None:
    os.link(outside / "precious", path)


def fifo(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def node(path: Path, _outside: Path) -> None:
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs root: device nodes")


def setuid(path: Path, _outside: Path) -> None:
    path.write_bytes(b"#!/bin/sh\ntouch /tmp/nightjar-was-here\n")
    path.chmod(0o6755)


def empty_folder(path: Path, _outside: Path) -> None:
    path.mkdir()


def giant(path: Path, _outside: Path) -> None:
    with path.open("wb") as file:
        file.truncate(TWO_GIB)


Trap = Callable[[Path, Path], None]
TRAPS: tuple[Trap, ...] = (link, dangling, hard_link, fifo, node, setuid, giant)


@pytest.mark.parametrize("trap", [*TRAPS, empty_folder])
def test_what_lies_under_the_name_of_the_temporary_file_is_removed(sky: Sky, outside: Path, trap: Trap) -> None:
    home = sky.mount / "nightjar" / DEVICE
    home.mkdir(parents=True)
    trap(home / "copying.part", outside)
    assert summary(sky.copy()) == done(33)
    assert untouched(outside)
    sky.assert_whole()


def test_a_full_folder_under_the_name_of_the_temporary_file_is_refused(sky: Sky) -> None:
    (sky.mount / "nightjar" / DEVICE / "copying.part" / "x").mkdir(parents=True)
    assert sky.copy().outcome is Outcome.IN_THE_WAY


@pytest.mark.parametrize("trap", TRAPS)
def test_what_lies_under_the_name_of_a_picture_is_replaced(sky: Sky, outside: Path, trap: Trap) -> None:
    picture(sky).parent.mkdir(parents=True)
    trap(picture(sky), outside)
    assert summary(sky.copy()) == done(33)
    assert untouched(outside)
    sky.assert_whole()


@pytest.mark.parametrize("trap", TRAPS)
def test_a_manifest_that_vouches_for_a_trap_is_not_believed(sky: Sky, outside: Path, trap: Trap) -> None:
    sky.copy()
    picture(sky).unlink()
    trap(picture(sky), outside)
    assert summary(sky.copy()) == done(1)
    assert untouched(outside)
    sky.assert_whole()


@pytest.mark.parametrize("trap", TRAPS)
def test_what_lies_under_the_name_of_the_manifest_is_not_read_and_replaced(sky: Sky, outside: Path, trap: Trap) -> None:
    sky.night(NIGHT).mkdir(parents=True)
    trap(sky.night(NIGHT) / "SHA256SUMS", outside)
    assert summary(sky.copy()) == done(33)
    assert untouched(outside)
    sky.assert_whole()


@pytest.mark.parametrize("trap", [*TRAPS, empty_folder])
def test_a_request_that_is_no_small_plain_file_asks_for_nothing(sky: Sky, outside: Path, trap: Trap) -> None:
    (outside / "precious").write_text("as it was")
    trap(sky.mount / "nightjar-export.toml", outside)
    end = sky.copy(is_look_only=False)
    if trap in {giant, setuid, hard_link}:  # a plain file after all, whoever owns it: it is too large, or no TOML
        assert end.outcome is Outcome.BAD_REQUEST
    else:
        assert summary(end) == done(33)
    assert untouched(outside)


def test_a_link_to_a_request_is_none(sky: Sky, outside: Path) -> None:
    (outside / "precious").unlink()
    (outside / "x.toml").write_text(toml(nights="latest"))
    (sky.mount / "nightjar-export.toml").symlink_to(outside / "x.toml")
    events = sky.events(is_look_only=True, kinds=())
    assert isinstance(events[0], Looked)
    assert not events[0].has_request


def test_a_folder_in_place_of_a_picture_stays_and_is_told(sky: Sky) -> None:
    (picture(sky) / "inside").mkdir(parents=True)
    end = sky.copy()
    assert (end.outcome, end.in_the_way, end.done_files) == (Outcome.DONE, 1, 32)
    assert (picture(sky) / "inside").is_dir()
    sky.assert_manifests_true()


def test_a_folder_in_place_of_the_manifest_is_refused(sky: Sky) -> None:
    (sky.night(NIGHT) / "SHA256SUMS" / "x").mkdir(parents=True)
    assert sky.copy().outcome is Outcome.IN_THE_WAY


def test_strange_names_and_crowds_beside_ours_have_no_effect(sky: Sky) -> None:
    names = [
        "x" * 255,
        "NIGHTJAR",
        "NightJar",
        "..nightjar",
        "nightjar ",
        "$(reboot)",
        "-rf",
        "a\nb",
        "\udcff",
        "update.raucb",
        "RECOVERY.TXT",
    ]
    for name in names:
        (sky.mount / name).mkdir()
    crowd = sky.mount / "nightjar" / "crowd"
    crowd.mkdir(parents=True)
    for number in range(3000):
        (crowd / f"{number:04d}{'y' * 200}").touch()
    for name in ("roof-7k3m9qxd", "ROOF-7K3M9QXD"):
        (sky.mount / "nightjar" / name).mkdir()
    assert summary(sky.copy()) == done(33)
    sky.assert_whole()
    assert len(list(crowd.iterdir())) == 3000
    assert {path.name for path in sky.mount.iterdir()} == {*names, "nightjar"}


def test_lines_of_a_manifest_lead_nowhere_else(sky: Sky, outside: Path) -> None:
    sky.copy()
    manifest = sky.night(NIGHT) / "SHA256SUMS"
    good = manifest.read_text()
    digest = "0" * 64
    manifest.write_text(
        good + f"{digest}  ../../../../outside/precious\n{digest}  {outside}/precious\n{digest}  products/startrail.jpg\n"
        f"{digest}  frames/19/20260131T190000Z-77.jpg\n"
    )
    assert summary(sky.copy()) == done(0)
    assert manifest.read_text() == good


AUDITED = """
import sys
log = open(sys.argv[1], "a")
names = {
    "open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.exec", "os.system",
    "os.posix_spawn", "subprocess.Popen", "os.fork", "socket.connect", "os.chmod", "os.truncate", "os.listdir", "os.scandir",
}
sys.addaudithook(lambda event, args: print(event, *map(repr, args), file=log, flush=True) if event in names else None)
from appliance.__main__ import main
sys.exit(main(["export-child"]))
"""


def test_a_stick_is_opened_at_its_mount_point_only_and_never_listed_and_nothing_is_started(
    sky: Sky, outside: Path, tmp_path: Path
) -> None:
    """Python's own account of every file that is opened, made, renamed or removed, and of every program that is started."""
    log = tmp_path / "log"
    assert summary(sky.copy((sys.executable, "-P", "-c", AUDITED, str(log)))) == done(33)
    lines = log.read_text().splitlines()
    assert not [
        line
        for line in lines
        if line.startswith(("os.exec", "os.system", "os.posix_spawn", "subprocess", "os.fork", "socket", "os.link"))
    ]
    on_stick = [line for line in lines if str(sky.mount) in line]
    assert on_stick == [f"open {str(sky.mount)!r} None {os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC}"]
    assert untouched(outside)
    sky.assert_whole(*NIGHTS)
