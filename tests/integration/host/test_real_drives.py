"""Drives with the real udisksd, udevd and polkitd: loop devices, which are no sticks, and a udisksd that ends in between.

What is mounted here is mounted by root, whom polkit does not ask: to see what udisks and the kernel make of our options.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.domain.errors import MachineError, ServiceError, UnavailableError
from appliance.domain.stick import StickState
from appliance.export.policy import mount_options, refusal
from appliance.host.bus import RESYNC, Bus, Signal
from appliance.host.drives import SERVICE, Drives, Volume
from tests.integration.export.bench import FS_ID, bench
from tests.integration.host.busroom import BELOW, COMMANDS, PANEL, START_S, STRANGERS, Account, Room, missing_right, wait_for
from tests.integration.host.polkitroom import POLKITD, polkit_room
from tests.integration.host.test_machine_services import OUR_PYTHON, python
from tests.integration.host.test_polkit_matrix import LOOK

UDISKSD = "/usr/libexec/udisks2/udisksd"
pytestmark = [
    pytest.mark.needs(*COMMANDS, str(POLKITD), UDISKSD, "udisksctl", "mkfs.vfat", "mkfs.ext4", "losetup"),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]
MAKE = {
    "vfat": f"mkfs.vfat -i {FS_ID.replace('-', '')} -n NIGHTJAR",
    "ext4": "mkfs.ext4 -q -e continue -L NIGHTJAR",
}
TRY_TO_MOUNT = """
import json, sys
from appliance.domain.errors import DeniedError
from appliance.export.policy import mount_options
from appliance.host.bus import Bus
from appliance.host.drives import Drives
said = []
drives = Drives(Bus())
for volume in drives.volumes():
    if volume.device in sys.argv[1:]:
        options = mount_options(volume.fs_type, is_look_only=False)
        for ask in (lambda: drives.mount(volume, options), lambda: drives.unmount(volume)):
            try:
                said.append(str(ask()))
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said))
"""


@dataclass(frozen=True)
class Disks:
    """A room with udisks, and loop devices by their file systems."""

    room: Room
    loops: dict[str, str]

    def volume(self, fs_type: str) -> Volume:
        return next(one for one in self.volumes() if one.fs_type == fs_type)

    def volumes(self) -> tuple[Volume, ...]:
        """Return ours: the machine's own block devices are not hidden from udisks, either."""
        found = Drives(Bus(self.room.address)).volumes()
        return tuple(one for one in found if one.device in self.loops.values())

    def mounts(self, device: str) -> list[set[str]]:
        lines = [line.split() for line in Path(f"/proc/{self.room.holder}/mounts").read_text().splitlines()]
        return [set(line[3].split(",")) for line in lines if line[0] == device]


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    with polkit_room(tmp_path_factory.mktemp("drives") / "logs", is_unit_known=True) as polkit:
        room = polkit.room
        room.must("sh", "-euc", f"{OUR_PYTHON}\nmount -t tmpfs tmpfs /media")
        room.lay("/usr/lib/udev/rules.d", {"60-look.rules": LOOK})
        room.lay("/etc/udev", {})
        room.start("/lib/systemd/systemd-udevd", "--resolve-names=never")
        room.serve(SERVICE, UDISKSD)
        loops: dict[str, str] = {}
        try:
            for fs_type, make in MAKE.items():
                image = f"/{BELOW}/{fs_type}.img"
                room.must("sh", "-euc", f"truncate -s 16M {image} && {make} {image}")
                said = room.must("udisksctl", "loop-setup", f"--file={image}", "--no-user-interaction")
                [loops[fs_type]] = re.findall(r"/dev/loop\d+", said)
            found = Disks(room, loops)
            wait_for(lambda: {one.fs_type for one in found.volumes()} == set(MAKE), "udev and udisks to look at the devices")
            yield found
        finally:
            for device in loops.values():
                room.run("umount", device)
                room.must("losetup", "--detach", device)


def test_a_loop_device_is_told_of_and_is_no_stick(disks: Disks) -> None:
    vfat = disks.volume("vfat")
    assert (vfat.drive_path, vfat.is_removable, vfat.connection_bus) == ("/", False, "")
    assert (vfat.device, vfat.label, vfat.uuid, vfat.size_bytes) == (disks.loops["vfat"], "NIGHTJAR", FS_ID, 16 << 20)
    assert (vfat.mount_points, vfat.model, vfat.is_read_only) == ((), "", False)
    for volume in disks.volumes():
        assert "not on USB" in (refusal(volume, disks.volumes(), set()) or "")


def test_the_service_shows_a_loop_device_as_refused_though_its_id_is_confirmed(disks: Disks, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with bench(tmp_path / "data", tmp_path, drives=Drives(Bus(disks.room.address))) as service:

        def shown() -> list[tuple[StickState, bool]]:
            return [(stick.state, stick.is_confirmed) for stick in service.published.value if stick.fs_id == FS_ID]

        service.run_until(lambda: bool(shown()))
        service.run(3)
        assert shown() == [(StickState.REFUSED, False)]
        assert service.jobs.recent() == []
    assert disks.mounts(disks.loops["vfat"]) == []


@pytest.mark.parametrize("account", [PANEL, STRANGERS[0]], ids=lambda account: str(account.gid))
def test_polkit_refuses_to_mount_a_loop_device_and_the_error_says_so(disks: Disks, account: Account) -> None:
    code = f"import sys\nsys.argv = ['', {disks.loops['ext4']!r}]\n{TRY_TO_MOUNT}"
    ended = python(disks.room, account, code)
    assert ended.returncode == 0, ended.stderr
    mount, unmount = json.loads(ended.stdout)
    assert mount.startswith("DeniedError: the rules of this machine do not allow it (udisks2: ")
    assert "not mounted" in unmount


def test_udisks_and_the_kernel_take_the_options_that_are_asked_for(disks: Disks) -> None:
    drives, ext4 = Drives(Bus(disks.room.address)), disks.volume("ext4")
    where = drives.mount(ext4, mount_options("ext4", is_look_only=False))
    try:
        (options,) = disks.mounts(ext4.device)
        print(f"{ext4.device} at {where}: {sorted(options)}")
        assert options >= {"rw", "noexec", "nosuid", "nodev", "nosymfollow", "noatime", "errors=remount-ro"}
        assert disks.volume("ext4").mount_points == (str(where),)
        with pytest.raises(ServiceError, match="it is mounted already"):
            drives.mount(ext4, ())
    finally:
        drives.unmount(ext4)
    assert disks.volume("ext4").mount_points == ()
    drives.mount(ext4, mount_options("ext4", is_look_only=True))
    assert "ro" in disks.mounts(ext4.device)[0]
    drives.unmount(ext4)
    with pytest.raises(MachineError, match="errors=panic"):
        drives.mount(ext4, ("errors=panic",))
    assert disks.mounts(ext4.device) == []


def test_a_udisksd_that_is_killed_is_missed_and_comes_back(disks: Disks) -> None:
    drives, before = Drives(Bus(disks.room.address)), disks.volumes()
    with closing(drives.watch()) as watch:
        [number] = disks.room.client.bus("GetConnectionUnixProcessID", "s", SERVICE)
        disks.room.must("kill", "-KILL", str(number))
        while watch.take(START_S) is not RESYNC:
            pass
        with pytest.raises(UnavailableError, match=r"not available on this machine: udisks2$"):
            drives.volumes()
        disks.room.serve(SERVICE, UDISKSD)
        assert watch.take(START_S) is RESYNC
        wait_for(lambda: disks.volumes() == before, "the same volumes as before")
        drives.mount(disks.volume("ext4"), ())
        said = watch.take(START_S)
        while not (isinstance(said, Signal) and said.member == "PropertiesChanged" and "MountPoints" in str(said.body)):
            assert said is not None
            said = watch.take(START_S)
        drives.unmount(disks.volume("ext4"))
