"""Sticks made to do harm: nothing on them is executed, followed or believed, and what is not in our way stays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.export.names import device_folder
from appliance.security.tokens import device_id_of
from tests.integration.export.sky import NIGHTS
from tests.integration.guest import recipe, sticks
from tests.integration.guest.machine import Guest, wait_for
from tests.integration.guest.product import MACHINE_ID

pytestmark = [pytest.mark.needs(*recipe.COMMANDS, *sticks.COMMANDS), pytest.mark.timeout(2400)]

HOME = "nightjar/" + device_folder("nightjar", device_id_of(MACHINE_ID.encode()))
OLDEST, NEWEST = f"{HOME}/{NIGHTS[0]}", f"{HOME}/{NIGHTS[-1]}"
REQUEST = "nightjar-export.toml"
ONE_NIGHT = f'nights = ["{NIGHTS[0]}"]\n'
OURS = f"/data/nightjar/nights/{NIGHTS[0]}"
SETUID = 0o104755
SCRIPT = "#!/bin/sh\necho it runs\n"
LONG = ("語" * 255, "🌌" * 127 + "x", "CON .. " + "x" * 200)
"""The longest that FAT and exFAT hold: 255 units of UTF-16, up to 765 bytes."""
ODD = ("n" * 255, "new\nline", "\x1b[31m\x07", "\udcff\udcfe", "-rf", "$(reboot)", "';drop table job;--")
"""Of ext4, whose names are any bytes; a lone surrogate stands for a byte that is no UTF-8."""
AUTORUN = {
    "autorun.inf": "[autorun]\nopen=evil.exe\n",
    "autorun.sh": SCRIPT,
    "nightjar-update.raucb": "hsqs" + "\0" * 8192,
    "update/nightjar.raucb": "hsqs",
    "nightjar-recovery.toml": f'device = "{HOME}"\nreset = "password"\n',
    "nightjar.toml": "allow_usb_network = true\n",
}

MOUNTED = """
import os, pathlib, subprocess
def device(uuid):
    return os.path.realpath("/dev/disk/by-uuid/" + uuid)
def mounted(uuid, options):
    os.makedirs("/run/prepare", exist_ok=True)
    subprocess.run(["mount", "-o", options, device(uuid), "/run/prepare"], check=True)
    return pathlib.Path("/run/prepare")
def unmount():
    subprocess.run(["umount", "/run/prepare"], check=True)
"""
PREPARE = (
    MOUNTED
    + """
import pwd
uid = pwd.getpwnam("nightjar").pw_uid
def own(path, is_unix):
    made = []
    while not path.exists():
        made.append(path)
        path = path.parent
    for folder in reversed(made):
        folder.mkdir()
        if is_unix:
            os.chown(folder, uid, uid)
for uuid, is_unix, things in given:
    root = mounted(uuid, "rw")
    if is_unix:
        os.chmod(root, 0o1777)
    for kind, name, *rest in things:
        path = root / name
        own(path.parent, is_unix)
        if kind == "folder":
            own(path, is_unix)
        elif kind == "link":
            path.symlink_to(rest[0])
        elif kind == "node":
            number = os.makedev(*rest[0]) if isinstance(rest[0], list) else os.stat(rest[0]).st_rdev
            os.mknod(path, rest[1], number)
            os.chmod(path, 0o666)
        elif kind == "pipe":
            os.mkfifo(path)
            os.chmod(path, 0o666)
        elif kind == "hole":
            path.touch()
            os.truncate(path, rest[0])
        else:
            path.write_text(rest[0])
            if len(rest) > 1:
                os.chmod(path, rest[1] & 0o7777)
    unmount()
"""
)
SURVEY = (
    MOUNTED
    + """
import hashlib, stat
def survey(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = pathlib.Path(folder, name)
            told = path.lstat()
            what = [oct(told.st_mode)]
            if stat.S_ISLNK(told.st_mode):
                what.append(os.readlink(path))
            elif stat.S_ISREG(told.st_mode):
                what += [told.st_size, hashlib.sha256(path.read_bytes()).hexdigest() if told.st_size < 1 << 28 else ""]
            elif not stat.S_ISDIR(told.st_mode):
                what.append(told.st_rdev)
            found[str(path.relative_to(root))] = what
    return found
if isinstance(given, str):
    answer = survey(given)
else:
    answer = {}
    for uuid in given:
        answer[uuid] = survey(mounted(uuid, "ro"))
        unmount()
"""
)
TRY = """
import errno, os, subprocess
answer = {}
try:
    answer["run"] = subprocess.run([given + "/run-me"], capture_output=True, text=True).stdout
except OSError as error:
    answer["run"] = errno.errorcode[error.errno]
for name in ("node", "link"):
    try:
        with open(f"{given}/{name}", "rb") as file:
            answer[name] = file.read(4).hex()
    except OSError as error:
        answer[name] = errno.errorcode[error.errno]
"""
Thing = tuple[object, ...]


@dataclass
class Case:
    """A stick: what is put on it, how its export must end, and which of its names that may change."""

    things: tuple[Thing, ...]
    state: str = "done"
    words: str = "files copied"
    replaced: tuple[str, ...] = ()
    """What lay where a file of ours belongs."""
    kind: str = "ext4"

    missing: str = ""
    """The picture that cannot be written."""


IN_THE_WAY = ("failed", "something else lies")
CASES = {
    "a request that is a link": Case(
        (("file", "other.toml", ONE_NIGHT), ("link", REQUEST, "other.toml"), ("folder", "nightjar"))
    ),
    "a request that is endless": Case((("node", REQUEST, [1, 5], 0o20666), ("folder", "nightjar"))),
    "a request that is a pipe": Case((("pipe", REQUEST), ("folder", "nightjar"))),
    "a request of 2 GiB": Case((("hole", REQUEST, 2 << 30), ("folder", "nightjar")), "failed", "larger than 4096 bytes"),
    "a top folder that is a link": Case((("link", "nightjar", "/data/nightjar"),), *IN_THE_WAY),
    "a device's folder that is a link": Case((("link", HOME, "/data/nightjar/nights"),), *IN_THE_WAY),
    "a night that is a link": Case((("link", NEWEST, OURS),), *IN_THE_WAY),
    "products that are a link": Case(
        (("link", f"{NEWEST}/products", f"{OURS}/products"),),
        words="1 file could not be written: something else lies in the place",
        missing=f"{NIGHTS[-1]}/products/keogram.jpg",
    ),
    "links and nodes in place of files": Case(
        (
            ("link", f"{HOME}/copying.part", f"{OURS}/products/keogram.jpg"),
            ("link", f"{NEWEST}/SHA256SUMS", f"{OURS}/products/keogram.jpg"),
            ("node", f"{NEWEST}/products/keogram.jpg", "/dev/vdc", 0o60666),
            ("file", f"{OLDEST}/products/keogram.jpg", SCRIPT, SETUID),
        ),
        replaced=(
            f"{HOME}/copying.part",
            f"{NEWEST}/SHA256SUMS",
            f"{NEWEST}/products/keogram.jpg",
            f"{OLDEST}/products/keogram.jpg",
        ),
    ),
    "a manifest that leads elsewhere": Case(
        (
            (
                "file",
                f"{NEWEST}/SHA256SUMS",
                f"{'0' * 64}  ../../../../data/nightjar/nightjar.db\n{'0' * 64}  products/keogram.jpg\n",
            ),
        ),
        replaced=(f"{NEWEST}/SHA256SUMS",),
    ),
    "everything that asks to be run": Case(
        (
            *(("file", name, text, SETUID) for name, text in AUTORUN.items()),
            ("folder", "nightjar"),
            *(("file", f"{folder}{name}", SCRIPT, SETUID) for name in ODD for folder in ("", "nightjar/", f"{NEWEST}/")),
        )
    ),
    **{
        f"long names on {kind}": Case(
            (
                *(("file", name, text) for name, text in AUTORUN.items()),
                *(("file", f"{folder}{name}", "x") for name in LONG for folder in ("", "nightjar/", f"{NEWEST}/")),
            ),
            kind=kind,
        )
        for kind in ("vfat", "exfat")
    },
}


@dataclass
class Outcome:
    """What became of a stick."""

    state: str
    words: str
    before: dict[str, list[Any]]
    after: dict[str, list[Any]]


@pytest.fixture(scope="module")
def outcomes(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Return how the export to each of the sticks ended; all are plugged in at once."""
    folder = tmp_path_factory.mktemp("hostile")
    guest.must("systemctl", "start", "nightjar.service", timeout_s=300)
    images = {name: sticks.make(folder / f"{number}.img", case.kind) for number, (name, case) in enumerate(CASES.items())}
    plugged = {name: guest.plug(image) for name, image in images.items()}
    ids = {name: sticks.fs_id(image) for name, image in images.items()}
    _wait_for_disks(guest, ids)
    guest.python(PREPARE, [(ids[name], case.kind == "ext4", case.things) for name, case in CASES.items()], timeout_s=300)
    before = guest.python(SURVEY, list(ids.values()), timeout_s=300)
    sticks.confirm(guest, *images.values())
    ends = {
        name: wait_for(lambda image=image: _end(guest, image), f"the end of {name}", 600, 1.0)  # type: ignore[misc]
        for name, image in images.items()
    }
    wait_for(lambda: not sticks.mounted(guest), "the sticks to be unmounted")
    for stick in plugged.values():
        guest.pull(stick)
    plugged = {name: guest.plug(image, is_read_only=True) for name, image in images.items()}
    _wait_for_disks(guest, ids)
    after = guest.python(SURVEY, list(ids.values()), timeout_s=300)
    for stick in plugged.values():
        guest.pull(stick)
    return {name: Outcome(ends[name][0], ends[name][1], before[ids[name]], after[ids[name]]) for name in CASES}


def _wait_for_disks(guest: Guest, ids: dict[str, str]) -> None:
    asked = "import os; answer = [name for name, uuid in given.items() if not os.path.exists('/dev/disk/by-uuid/' + uuid)]"
    wait_for(lambda: not guest.python(asked, ids), "all sticks")


def _end(guest: Guest, image: Path) -> tuple[str, str] | None:
    return next((job for job in reversed(sticks.jobs_of(guest, image)) if job[0] in {"done", "failed", "stopped"}), None)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_stick(guest: Guest, outcomes: dict[str, Outcome], name: str) -> None:
    case, outcome = CASES[name], outcomes[name]
    assert outcome.state == case.state, outcome.words
    assert case.words in outcome.words
    kept = {path: what for path, what in outcome.before.items() if path not in case.replaced}
    assert {path: outcome.after.get(path) for path in kept} == kept
    added = outcome.after.keys() - kept.keys()
    assert all(path == "nightjar" or path.startswith(HOME) for path in added)
    assert f"{HOME}/copying.part" not in outcome.after
    if case.state != "done":
        assert not [path for path in added if path.endswith((".jpg", "SHA256SUMS"))]
        return
    source = {path: what[1:] for path, what in _nights_of(guest).items() if path.endswith(".jpg") and path != case.missing}
    written = {path.removeprefix(f"{HOME}/"): outcome.after[path] for path in added if path.endswith(".jpg")}
    assert {path: what[1:] for path, what in written.items()} == source
    assert {int(what[0], 8) & 0o7000 for what in written.values()} == {0}, "no setuid bit is taken over"
    lists = {f"{HOME}/{night}/SHA256SUMS" for night in NIGHTS if not case.missing.startswith(night)}
    assert lists <= outcome.after.keys()


def test_nothing_of_ours_has_changed(guest: Guest, outcomes: dict[str, Outcome]) -> None:
    nights = {path.relative_to(guest.sky.data / "nights").as_posix() for path in guest.sky.data.glob("nights/**/*")}
    assert _nights_of(guest).keys() == nights
    for path in (path for path in nights if path.endswith(".jpg")):
        assert _nights_of(guest)[path][1] == (guest.sky.data / "nights" / path).stat().st_size
    assert not [
        name for name in guest.must("ls", "-A", "/data/nightjar").split() if "copying" in name or name.startswith("nightjar-")
    ]
    assert guest.properties("nightjar.service", "NRestarts")["NRestarts"] == "0"
    assert sticks.rows(guest, "select count(*) from job where kind not like '%export%'") == [[0]], "nothing but exports was begun"
    assert "rauc" not in guest.must("journalctl", "--no-pager", "--output=cat", "--unit=nightjar.service").lower()


def test_what_the_mount_options_forbid(guest: Guest, tmp_path: Path) -> None:
    image = sticks.make(tmp_path / "tempting.img", "ext4")
    uuid = sticks.fs_id(image)
    things = [
        ("file", "run-me", SCRIPT, SETUID), ("node", "node", [1, 5], 0o20666), ("link", "link", "run-me"), ("folder", "nightjar"),
    ]  # fmt: skip
    name = guest.plug(image, bytes_per_s=400_000)
    _wait_for_disks(guest, {"tempting": uuid})
    guest.python(PREPARE, [(uuid, True, things)])
    try:
        guest.shell(f"mount -o ro /dev/disk/by-uuid/{uuid} /run/prepare")
        tempted = {"run": "it runs\n", "node": "00000000", "link": SCRIPT[:4].encode().hex()}
        assert guest.python(TRY, "/run/prepare") == tempted, "without the options"
        guest.must("umount", "/run/prepare")
        sticks.confirm(guest, image)
        where = wait_for(lambda: sticks.mount_point(guest, "ext4"), "the stick to be mounted", pause_s=0.1)
        assert guest.python(TRY, where) == {"run": "EACCES", "node": "EACCES", "link": "ELOOP"}, "not even root"
        sticks.wait_until_off(guest, image)
    finally:
        guest.pull(name)


def _nights_of(guest: Guest) -> dict[str, list[Any]]:
    return dict(guest.python(SURVEY, "/data/nightjar/nights"))
