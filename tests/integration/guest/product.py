"""What is put into the guest at each start: program and `rootfs-overlay/` as they will lie on the device, the test's agent."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.integration.guest.recipe import SITE, compile_for_guest

HERE = Path(__file__).parent
TEST = Path("usr/lib/nightjar-test")
MACHINE_ID = "5f0c6f2b9d3e4a718c2a6be1d90f4731"

AGENT_UNIT = """\
[Unit]
Description=The test's hand in the guest
DefaultDependencies=no
After=systemd-tmpfiles-setup.service dbus.socket data.mount
Before=nightjar.service nightjar-ca.service
Requires=dev-virtio\\x2dports-nightjar\\x2dtest.device
After=dev-virtio\\x2dports-nightjar\\x2dtest.device

[Service]
# What was put there when the disk was made, by whatever number the user has got here.
ExecStartPre=/usr/bin/chown -R nightjar:nightjar /data/nightjar
ExecStartPre=-/usr/bin/chown -R nightjar-ca:nightjar-ca /data/nightjar-ca
ExecStart=/usr/bin/python3 -I /usr/lib/nightjar-test/agent.py
OOMScoreAdjust=-1000

[Install]
WantedBy=multi-user.target
"""
# What the image will do when it is made: users, units, and the mark that nothing is older than /usr.
PREPARE = f"""\
echo {MACHINE_ID} >/etc/machine-id
echo nightjar >/etc/hostname
mkdir -p /data
echo '/dev/vdc /data ext4 noexec,nosuid,nodev,noatime 0 2' >/etc/fstab
systemd-sysusers
systemctl --root=/ --quiet enable UNITS nightjar-test-agent.service
systemctl --root=/ --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \\
    e2scrub_reap.service fstrim.timer man-db.timer getty@tty1.service serial-getty@ttyS0.service getty.target
systemctl --root=/ --quiet set-default multi-user.target
touch /etc/.updated /var/.updated
"""
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><limit name="service_start_timeout">120000</limit></busconfig>
"""
LIMITS = """\
[Manager]
DefaultDeviceTimeoutSec=5min
DefaultTimeoutStartSec=5min
DefaultEnvironment=SYSTEMD_BUS_TIMEOUT=300
"""
"""An emulated processor that is shared needs longer than the 25 s after which the bus calls a service missing, the 90 s that
systemd gives a device, and the 25 s in which systemd-timedated wants systemd to have read its units again.
"""
JOURNAL = """\
[Journal]
Storage=volatile
ForwardToConsole=yes
TTYPath=/dev/hvc0
MaxLevelConsole=info
RateLimitIntervalSec=0
"""


def pack(python: Path) -> bytes:
    """Return the tar that the initrd unpacks over the system.

    Parameters
    ----------
    python : Path
        Of the guest, see `recipe`.
    """
    overlay = ROOT / "rootfs-overlay"
    units = [path.name for path in sorted((overlay / "usr/lib/systemd/system").iterdir()) if path.is_file() and _is_enabled(path)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar, tempfile.TemporaryDirectory() as folder:
        for path in _known_to_git("rootfs-overlay"):
            if path != overlay / "README.md":
                _add(tar, path.relative_to(overlay), path.read_bytes(), path.stat().st_mode)
        site = Path(folder)
        for path in _known_to_git("appliance"):
            copy = site / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(path.stat().st_mode)
        compile_for_guest(python, site)
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            _add(tar, SITE / path.relative_to(site), path.read_bytes(), path.stat().st_mode)
        _add(tar, TEST / "agent.py", (HERE / "agent.py").read_bytes())
        _add(tar, TEST / "prepare", PREPARE.replace("UNITS", " ".join(f"'{unit}'" for unit in units)).encode())
        _add(tar, Path("usr/lib/systemd/system/nightjar-test-agent.service"), AGENT_UNIT.encode())
        _add(tar, Path("usr/share/dbus-1/system.d/nightjar-test.conf"), BUS.encode())
        _add(tar, Path("usr/lib/systemd/system.conf.d/nightjar-test.conf"), LIMITS.encode())
        _add(tar, Path("usr/lib/systemd/journald.conf.d/nightjar-test.conf"), JOURNAL.encode())
    return packed.getvalue()


def initrd_with(initrd: Path, tar: bytes) -> bytes:
    """Return an initrd with one more file, `/product.tar`: the kernel unpacks archives that follow one another."""
    given = initrd.read_bytes()
    return given + b"\0" * (-len(given) % 512) + _cpio("product.tar", tar) + _cpio("TRAILER!!!", b"")


def _cpio(name: str, content: bytes) -> bytes:
    """Return an entry of a cpio archive of the form `newc`, see cpio(5)."""
    is_end = name == "TRAILER!!!"
    fields = (0 if is_end else 1, 0 if is_end else 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def _known_to_git(folder: str) -> list[Path]:
    """Return the files of the source below a folder, without what lies there by chance."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    return [path for name in sorted(set(filter(None, listed))) if (path := ROOT / name).is_file()]


def _is_enabled(unit: Path) -> bool:
    return "[Install]" in unit.read_text(encoding="utf-8")


def _add(tar: tarfile.TarFile, path: Path, content: bytes, mode: int = 0o644) -> None:
    """Add a file of root's, readable by everybody as in an image."""
    entry = tarfile.TarInfo(str(path))
    entry.size, entry.mode = len(content), 0o755 if mode & 0o100 else 0o644
    tar.addfile(entry, io.BytesIO(content))
