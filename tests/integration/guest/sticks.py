"""Sticks as files: made without a mount, plugged into the guest, and read again when the guest has let them go."""

import subprocess
from pathlib import Path
from typing import Any

from tests.integration.export.sky import Sky
from tests.integration.guest.machine import Machine, wait_for

COMMANDS = ("mkfs.vfat", "mkfs.exfat", "mkfs.ext4", "mcopy", "debugfs", "blkid", "sha256sum")
CONFIRM = """
import sys
from pathlib import Path
from appliance.domain.clock import SystemClock
from appliance.store.database import Database
from appliance.store.sticks import StickStore
database = Database(Path("/data/nightjar"), SystemClock())
database.open()
sticks = StickStore(database, SystemClock())
for stick in sticks.confirmed():
    sticks.forget(stick.fs_id)
for fs_id in sys.argv[1:]:
    sticks.confirm(fs_id, fs_id, "ada")
database.close()
"""
ROWS = """
import sqlite3, contextlib
with contextlib.closing(sqlite3.connect("file:/data/nightjar/nightjar.db?mode=ro", uri=True)) as database:
    answer = database.execute(given).fetchall()
"""
MOUNTS = "answer = [line.split() for line in open('/proc/self/mounts') if line.startswith('/dev/sd')]"


def make(image: Path, kind: str, size_mib: int = 64, content: Path | None = None) -> Path:
    """Make a stick with a file system of a kind on its whole length; `content` goes on one of ext4."""
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    command = {"ext4": ["mkfs.ext4", "-q", "-F"], "vfat": ["mkfs.vfat", "-F", "32"], "exfat": ["mkfs.exfat"]}[kind]
    begun: list[str | Path] = ["-d", content] if content else []
    _run(*command, *begun, image)
    return image


def own_folder(parent: Path) -> Path:
    """Return content of a stick with a folder that everybody may write to, as the panel advises."""
    (parent / "content" / "nightjar").mkdir(parents=True)
    (parent / "content" / "nightjar").chmod(0o1777)
    return parent / "content"


def fs_id(image: Path) -> str:
    """Return the id of a stick's file system, as udisks tells it."""
    return _run("blkid", "--probe", "--output", "value", "--match-tag", "UUID", image).strip()


def confirm(guest: Machine, *images: Path) -> None:
    """Have an admin's `use this stick` in the database, of these and no others."""
    confirm_ids(guest, *map(fs_id, images))


def confirm_ids(guest: Machine, *fs_ids: str) -> None:
    """Have it of sticks that are told by the ids of their file systems."""
    user = ("setpriv", "--reuid=nightjar", "--regid=nightjar", "--clear-groups")
    guest.must(*user, "python3", "-P", "-c", CONFIRM, *fs_ids)


def rows(guest: Machine, question: str) -> Any:  # noqa: ANN401
    """Return what the guest's database answers."""
    return guest.python(ROWS, question)


def jobs_of(guest: Machine, image: Path) -> list[tuple[str, str]]:
    """Return state and words of the jobs for a stick, in their order."""
    return jobs_of_id(guest, fs_id(image))


def jobs_of_id(guest: Machine, fs_id: str) -> list[tuple[str, str]]:
    """Return the same of a stick that is told by the id of its file system."""
    asked = f"select state, message from job where request like '%{fs_id}%' order by id"
    return [(state, message) for state, message in rows(guest, asked)]


def mounted(guest: Machine) -> dict[str, set[str]]:
    """Return the options of every stick that is mounted, by the kind of its file system."""
    return {line[2]: set(line[3].split(",")) for line in guest.python(MOUNTS)}


def mount_point(guest: Machine, kind: str) -> str:
    """Return where the stick with a kind of file system is mounted, empty where none is."""
    return next((line[1] for line in guest.python(MOUNTS) if line[2] == kind), "")


def disks(guest: Machine) -> list[str]:
    """Return the names of USB disks that the guest has."""
    return list(guest.python("import glob; answer = sorted(p[5:] for p in glob.glob('/dev/sd?'))"))


def wait_until_off(guest: Machine, image: Path, limit_s: float = 240) -> None:
    """Wait until a stick's job has ended well and no disk is left."""
    wait_for(lambda: [state for state, _ in jobs_of(guest, image)][-1:] == ["done"], f"the export to {image.name}", limit_s, 1.0)
    wait_for(lambda: not disks(guest), "the drive to be switched off", limit_s, 1.0)


def read(image: Path, folder: Path) -> Path:
    """Copy what lies in `nightjar/` of a stick here, and return the folder of the device; exFAT is read by grub-fstest."""
    folder.mkdir()
    match _run("blkid", "--probe", "--output", "value", "--match-tag", "TYPE", image).strip():
        case "vfat":
            _run("mcopy", "-s", "-n", "-Q", "-i", image, "::nightjar", folder)
        case "exfat":
            _read_exfat(image, "nightjar", folder / "nightjar")
        case _:
            _run("debugfs", "-R", f"rdump /nightjar {folder}", image)
    (device,) = (folder / "nightjar").iterdir()
    return device


def _read_exfat(image: Path, inside: str, folder: Path) -> None:
    folder.mkdir()
    for name in _run("grub-fstest", image, "ls", f"(loop0)/{inside}/").split():
        if name.endswith("/"):
            _read_exfat(image, f"{inside}/{name[:-1]}", folder / name)
        else:
            _run("grub-fstest", image, "cp", f"(loop0)/{inside}/{name}", folder / name)


def assert_manifest_true(night: Path) -> None:
    """Hold the files of a night to their list, with the real `sha256sum`."""
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    checked = subprocess.run(command, cwd=night, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def assert_whole(device: Path, sky: Sky) -> None:
    """Hold a folder to what the appliance has: every byte, and the real `sha256sum`."""
    nights = sorted(path.name for path in (sky.data / "nights").iterdir())
    assert sorted(path.name for path in device.iterdir()) == nights
    for night in nights:
        assert_manifest_true(device / night)
        found = {
            path.relative_to(device / night).as_posix(): path.read_bytes()
            for path in (device / night).rglob("*")
            if path.is_file()
        }
        found.pop("SHA256SUMS")
        assert found == sky.expected(night)


def _run(*command: str | Path) -> str:
    words = [str(word) for word in command]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, f"{' '.join(words)}: {ended.stdout}{ended.stderr}"
    return ended.stdout
