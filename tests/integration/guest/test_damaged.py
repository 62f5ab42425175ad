"""File systems with mutations, plugged into the guest: work on each comes to an end, and all that runs goes on."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.guest import damaged, recipe, sticks
from tests.integration.guest.machine import Guest, wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*recipe.COMMANDS, *sticks.COMMANDS, "tune.exfat", "tune2fs"), pytest.mark.timeout(2400)]

STICKS_AT_ONCE = 5
ENDS = {"done", "failed"}
ILL = re.compile(r"kernel panic|\bBUG: |\bOops\b|general protection fault|blocked for more than", re.IGNORECASE)
FOUND = """
import json, subprocess
subprocess.run(["udevadm", "settle"], check=True)
columns = "NAME,TRAN,FSTYPE,UUID"
told = json.loads(subprocess.run(["lsblk", "--json", "--output", columns], check=True, capture_output=True, text=True).stdout)
answer = [
    (volume["fstype"] or "", volume["uuid"] or "")
    for disk in told["blockdevices"] if disk["tran"] == "usb" for volume in disk.get("children", [])
]
"""
PANIC = """
import os, subprocess
os.makedirs("/run/look", exist_ok=True)
subprocess.run(["mount", "/dev/sda", "/run/look"], check=True)
os.listdir("/run/look/nightjar")
os.stat("/run/look/nightjar/nothing")
"""


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """Return what lies on the file systems before they are damaged."""
    night = tmp_path / "content" / "nightjar" / "roof-7K3M9QXD" / "2026-01-31" / "products"
    night.mkdir(parents=True)
    (night / "keogram.jpg").write_bytes(bytes(range(256)) * 40)
    (night.parent / "SHA256SUMS").write_text(f"{'0' * 64}  products/keogram.jpg\n")
    for number in range(40):
        (tmp_path / "content" / "nightjar" / f"a file whose name is long enough to take some room {number}").write_bytes(b"x")
    (tmp_path / "content" / "nightjar").chmod(0o1777)
    return tmp_path / "content"


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Return a guest whose life may be taken."""
    with Guest(recipe.base(), tmp_path_factory.mktemp("second")) as made:
        yield made


def test_damaged_file_systems(guest: Guest, content: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    began_s = time.monotonic()
    count: int = pytestconfig.getoption("damaged")
    panel = _panel(guest)
    filled = _filled(guest, tmp_path)
    folder = tmp_path / "volumes"
    folder.mkdir()
    volumes = list(damaged.make(folder, count, content, filled))
    assert len({volume.read_bytes() for volume in volumes}) == count
    made = []
    for first in range(0, count, damaged.VOLUMES_PER_STICK):
        group = volumes[first : first + damaged.VOLUMES_PER_STICK]
        made.append((damaged.make_stick(tmp_path / f"stick{first}.img", group), len(group)))
    ends: Counter[str] = Counter()
    for first in range(0, len(made), STICKS_AT_ONCE):
        ends += _fill(guest, made[first : first + STICKS_AT_ONCE])
        print(f"{time.monotonic() - began_s:.0f} s: {dict(ends)}", flush=True)
    print(f"of {count} damaged file systems: {dict(ends)}")
    assert ends.total() == count
    assert ends["filled"] > count // 10, "some damage does not matter"
    assert ends["not mounted"] > count // 20
    assert ends["failed"] > count // 50, "some shows when it is written to"
    _assert_well(guest, panel)


def test_an_error_policy_of_panic_is_overruled(guest: Guest, content: Path, tmp_path: Path) -> None:
    panel = _panel(guest)
    image = tmp_path / "panic.img"
    damaged.make_panicking(image, content)
    sticks.confirm(guest, image)
    name = guest.plug(image)
    try:
        options = wait_for(lambda: sticks.mounted(guest).get("ext4"), "the stick to be mounted", pause_s=0.05)
        assert "errors=remount-ro" in options
        words = wait_for(lambda: _end(guest, sticks.fs_id(image)), "its end")
        assert "The stick failed" in words
        wait_for(lambda: not sticks.mounted(guest), "it to be unmounted")
    finally:
        guest.pull(name)
    assert "EXT4-fs error" in guest.must("dmesg"), "the error was met"
    _assert_well(guest, panel)


def test_without_it_the_machine_would_end(second: Guest, content: Path, tmp_path: Path) -> None:
    image = tmp_path / "panic.img"
    damaged.make_panicking(image, content)
    second.plug(image)
    wait_for(lambda: sticks.disks(second), "the stick")
    with pytest.raises(AssertionError, match="QEMU ended"):
        second.python(PANIC)
    second.monitor.wait_for_event("GUEST_PANICKED", after=0, timeout_s=10)
    assert "Kernel panic - not syncing: EXT4-fs" in second.console.read_text(errors="replace")


def _panel(guest: Guest) -> Panel:
    guest.must("systemctl", "start", "nightjar.service", timeout_s=300)
    made = Panel(guest)
    made.trust(guest)
    return made


def _filled(guest: Guest, folder: Path) -> Path:
    """Return an exFAT that the appliance itself has written to, as much as goes on it."""
    image = folder / "exfat.img"
    with image.open("wb") as file:
        file.truncate(damaged.SIZE["exfat"])
    damaged.run("mkfs.exfat", image)
    sticks.confirm(guest, image)
    name = guest.plug(image)
    assert "is full" in wait_for(lambda: _end(guest, sticks.fs_id(image)), "an exFAT to be filled")
    wait_for(lambda: not sticks.mounted(guest), "it to be unmounted")
    guest.pull(name)
    return image


def _fill(guest: Guest, made: Sequence[tuple[Path, int]]) -> Counter[str]:
    """Plug sticks in, have them all confirmed, and return how many of their volumes ended how."""
    names = [guest.plug(image) for image, _ in made]
    volumes = sum(count for _, count in made)
    found = wait_for(lambda: len(list_ := guest.python(FOUND)) == volumes and list_, "the volumes to be seen")
    asked = sorted({uuid for kind, uuid in found if kind in {"vfat", "exfat", "ext4"} and uuid})
    sticks.confirm_ids(guest, *asked)
    ends = Counter({"not a file system": volumes - len(asked)})
    for uuid in asked:
        words = wait_for(lambda uuid=uuid: _end(guest, uuid), f"the end of {uuid}", 400, 1.0)  # type: ignore[misc]
        ends["not mounted" if "not be mounted" in words else "filled" if "is full" in words else "failed"] += 1
    wait_for(lambda: not sticks.mounted(guest), "all to be unmounted")
    for name in names:
        guest.pull(name)
    return ends


def _end(guest: Guest, uuid: str) -> str:
    """Return the words that a stick's job ended with, empty while it has not."""
    return next((words for state, words in reversed(sticks.jobs_of_id(guest, uuid)) if state in ENDS), "")


def _assert_well(guest: Guest, panel: Panel) -> None:
    told = guest.properties("nightjar.service", "ActiveState", "NRestarts", "Result")
    assert told == {"ActiveState": "active", "NRestarts": "0", "Result": "success"}
    workers = panel.get("/api/v1/system").json()["workers"]
    assert {worker["name"]: worker["restarts"] for worker in workers if worker["restarts"]} == {}
    for log in (guest.must("dmesg"), guest.console.read_text(errors="replace")):
        assert not ILL.findall(log)
    assert "Traceback" not in guest.must("journalctl", "--no-pager", "--output=cat", "--unit=nightjar.service")
    assert guest.must("ps", "-C", "python3", "-o", "stat=").find("D") < 0, "nobody hangs"
