"""USB sticks plugged into the running guest: what fills itself, how it is mounted, what is refused, what a pull does."""

from pathlib import Path

import pytest

from tests.integration.guest import recipe, sticks
from tests.integration.guest.machine import Guest, wait_for

pytestmark = [pytest.mark.needs(*recipe.COMMANDS, *sticks.COMMANDS), pytest.mark.timeout(2400)]

NOTHING_IS_RUN = {"noexec", "nosuid", "nodev", "nosymfollow"}
READ_IN_GUEST = """
mkdir -p /run/look; mount -o ro /dev/{disk} /run/look
for list in /run/look/nightjar/*/*/SHA256SUMS; do
  cd "${{list%/*}}"
  sha256sum --check --strict --quiet SHA256SUMS
  wc -l <SHA256SUMS
done
cd /; umount /run/look
"""


@pytest.fixture(scope="module", autouse=True)
def running(guest: Guest) -> None:
    guest.run("systemctl", "start", "nightjar.service", timeout_s=300)
    wait_for(lambda: guest.properties("nightjar.service", "ActiveState")["ActiveState"] == "active", "the panel", 300)


@pytest.mark.parametrize("kind", ["vfat", "exfat", "ext4"])
def test_a_confirmed_stick_is_filled_and_switched_off(guest: Guest, tmp_path: Path, kind: str) -> None:
    image = sticks.make(tmp_path / f"{kind}.img", kind, content=sticks.own_folder(tmp_path) if kind == "ext4" else None)
    sticks.confirm(guest, image)
    name = guest.plug(image)
    try:
        options = wait_for(lambda: sticks.mounted(guest).get(kind), f"the {kind} stick to be mounted", pause_s=0.05)
        assert options >= NOTHING_IS_RUN
        sticks.wait_until_off(guest, image)
    finally:
        guest.pull(name)
    if kind == "exfat":  # mtools and debugfs do not know it
        assert guest.run("systemctl", "stop", "nightjar.service").code == 0
        again = guest.plug(image, is_read_only=True)
        (disk,) = wait_for(lambda: sticks.disks(guest), "the stick")
        try:
            counts = guest.shell(READ_IN_GUEST.format(disk=disk)).split()
        finally:
            guest.pull(again)
            guest.must("systemctl", "start", "nightjar.service", timeout_s=300)
        assert counts == [str(len(guest.sky.expected(night))) for night in (path.name for path in guest.nights())]
    else:
        sticks.assert_whole(sticks.read(image, tmp_path / "read"), guest.sky)


def test_a_pull_in_mid_copy_is_resumed(guest: Guest, tmp_path: Path) -> None:
    image = sticks.make(tmp_path / "pulled.img", "vfat")
    sticks.confirm(guest, image)
    name = guest.plug(image, bytes_per_s=1_000_000)
    copied = f"select max(done) from job where request like '%{sticks.fs_id(image)}%'"
    wait_for(lambda: (sticks.rows(guest, copied)[0][0] or 0) > 0, "some of it to be copied", pause_s=0.05)
    guest.pull(name)
    wait_for(lambda: sticks.jobs_of(guest, image)[-1][0] == "waiting", "the job to wait for its stick")
    assert "pulled out" in sticks.jobs_of(guest, image)[-1][1]
    wait_for(lambda: not sticks.mounted(guest), "udisks to unmount what is gone")
    again = guest.plug(image)
    try:
        sticks.wait_until_off(guest, image)
    finally:
        guest.pull(again)
    sticks.assert_whole(sticks.read(image, tmp_path / "read"), guest.sky)


def test_an_ext4_stick_of_somebody_else_is_refused_with_advice(guest: Guest, tmp_path: Path) -> None:
    image = sticks.make(tmp_path / "roots.img", "ext4")
    sticks.confirm(guest, image)
    name = guest.plug(image)
    try:
        state, words = wait_for(
            lambda: next((job for job in sticks.jobs_of(guest, image) if job[0] == "failed"), None), "the refusal"
        )
        assert "exFAT" in words or "may not write" in words, (state, words)
    finally:
        guest.pull(name)


def test_a_drive_that_is_not_on_usb_is_left_alone(guest: Guest, tmp_path: Path) -> None:
    image = sticks.make(tmp_path / "built-in.img", "vfat")
    before = image.read_bytes()
    sticks.confirm(guest, image)
    name = guest.plug(image, bus="scsi.0")
    try:
        wait_for(lambda: sticks.disks(guest), "the drive")
        wait_for(lambda: "ID_FS_UUID" in guest.must("udevadm", "info", f"/dev/{sticks.disks(guest)[0]}"), "udev")
        guest.must("sleep", "8")
        assert sticks.jobs_of(guest, image) == []
        assert not sticks.mounted(guest)
    finally:
        guest.pull(name)
    assert image.read_bytes() == before
