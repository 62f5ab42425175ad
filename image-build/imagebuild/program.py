"""The third stage, done at every build: the system as it will lie on the card, and the images that the disk is made of."""

import hashlib
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild import keyring
from imagebuild.bootfiles import set_dates
from imagebuild.room import run_in
from imagebuild.run import BuildError, run
from imagebuild.wheels import SITE, compile_tree

LEFTOVERS = (
    "boot/*", "dev/*", "run/*", "tmp/*", "var/tmp/*", "var/cache/*", "var/log/*", "var/lib/apt/lists/*",
    "var/lib/systemd/*", "var/lib/dbus/machine-id", "var/lib/dpkg/*-old", "var/lib/NetworkManager/*",
    "etc/apt/apt.conf.d/*", "etc/dpkg/dpkg.cfg.d/*", "etc/apt/sources.list*", "etc/apt/auth.conf.d", "etc/.pwd.lock",
    "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-", "etc/subgid-",
    "etc/ssl/private/*", "etc/resolv.conf",
    "etc/udev/hwdb.bin", "etc/ssh", "root/.*", "usr/share/python3/debpython/__pycache__",
)  # fmt: skip
"""What packages leave when they are installed: logs, caches, lists, and what must be another on every card."""
MASKED = (
    "system-generators/systemd-getty-generator", "system-generators/systemd-ssh-generator",
    "system-generators/systemd-run-generator", "system/systemd-firstboot.service", "system/getty.target",
    "system/getty@.service", "system/serial-getty@.service", "system/console-getty.service",
    "system/container-getty@.service", "system/autovt@.service",
    "system/sys-kernel-debug.mount", "system/sys-kernel-tracing.mount", "system/dev-hugepages.mount",
    "system/sys-fs-fuse-connections.mount", "system/proc-sys-fs-binfmt_misc.automount", "system/systemd-binfmt.service",
)  # fmt: skip
"""Below /etc/systemd: nobody logs in anywhere, is asked anything at a screen or looks into the kernel; the kernel's command line
runs nothing, and no programs of other kinds are run."""
KEPT_EMPTY = ("data", "boot/firmware")
INPUTS = ("appliance", "firmware-config", "image-build", "rootfs-overlay", "uv.lock")
"""What of the repository an image is made from; whatever else changes leaves it as it was."""
VERSION_OF_PROGRAM = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """The repository that an image is built from."""

    folder: Path

    @property
    def version(self) -> str:
        """The program's."""
        found = VERSION_OF_PROGRAM.search((self.folder / "appliance/__init__.py").read_text(encoding="utf-8"))
        if found is None:
            raise BuildError("appliance/__init__.py names no version")
        return found[1]

    @property
    def epoch(self) -> int:
        """The date of everything in the image: that of the newest commit that changed what an image is made from."""
        return int(run("git", "-C", self.folder, "log", "-1", "--format=%ct", "--", *INPUTS))

    @property
    def inputs(self) -> bytes:
        """What every file is that the image is made from; equal bytes make an equal image."""
        lines = [str(self.epoch)]
        for name in self._known(*INPUTS):
            path = self.folder / name
            content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            lines.append(f"{name} {path.lstat().st_mode & 0o100} {hashlib.sha256(content).hexdigest()}")
        return "\n".join(lines).encode()

    def files(self, below: str) -> Iterator[Path]:
        """Yield the files and links below a folder that git knows, relative to it, without what lies there by chance."""
        return (name.relative_to(below) for name in self._known(below))

    def _known(self, *below: str) -> Iterator[Path]:
        command = ["git", "-C", str(self.folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *below]
        listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
        for name in sorted(set(filter(None, listed))):
            path = self.folder / name
            if path.is_file() or path.is_symlink():
                yield Path(name)


def fill_root(
    root: Path, source: Source, overlays: Sequence[str], system: Path, wheels: Path, kernel: Path, tools: Path, taken: bytes
) -> None:
    """Lay everything into a root that does not exist yet.

    Parameters
    ----------
    root : Path
    source : Source
    overlays : sequence of str
        Folders of the repository whose files are laid over the system, one after the other.
    system, wheels, kernel : Path
        Results of the stages before.
    tools : Path
    taken : bytes
        The keyring: whose updates it takes.
    """
    run("cp", "--archive", "--reflink=auto", system / "root", root)
    for pattern in LEFTOVERS:
        for path in sorted(root.glob(pattern)):
            run("rm", "-rf", path)
    run("cp", "--archive", "--no-target-directory", wheels / "site", _made(root / SITE))
    run("cp", "--archive", "--no-target-directory", kernel / "root", root)
    site = root / SITE / "appliance"
    for name in source.files("appliance"):
        _copy(source.folder / "appliance" / name, site / name)
    compile_tree(site, tools)
    for overlay in overlays:
        for name in source.files(overlay):
            if name != Path("README.md"):
                _copy(source.folder / overlay / name, root / name)
    place = root / keyring.PLACE
    _made(place.parent)
    place.write_bytes(taken)
    place.chmod(0o644)
    _finish(root, source, tools)


def _finish(root: Path, source: Source, tools: Path) -> None:
    """Do what would otherwise be done at the first start: users, what starts by itself, marks that nothing is out of date."""
    compile_tree(root / "usr/lib/python3.13", tools)
    for name in MASKED:
        _made((root / "etc/systemd" / name).parent)
        (root / "etc/systemd" / name).unlink(missing_ok=True)
        (root / "etc/systemd" / name).symlink_to("/dev/null")
    binds = {"/mnt": root}
    environment = {"SOURCE_DATE_EPOCH": str(source.epoch)}
    run_in(tools, "systemd-sysusers", "--root=/mnt", binds=binds, environment=environment)
    run_in(tools, "systemctl", "--root=/mnt", "--quiet", "preset-all", binds=binds)
    run_in(tools, "systemctl", "--root=/mnt", "--quiet", "set-default", "multi-user.target", binds=binds)
    for name in KEPT_EMPTY:
        _made(root / name)
    for leftover in ("etc/.pwd.lock", "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-"):
        (root / leftover).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")
    for mark in ("etc/.updated", "var/.updated"):
        (root / mark).write_text(f"TIMESTAMP_NSEC={source.epoch}000000000\n")
    (root / "usr/lib/clock-epoch").write_text("")
    with (root / "usr/lib/os-release").open("a", encoding="utf-8") as file:
        file.write(f'IMAGE_ID=nightjar\nIMAGE_VERSION="{source.version}"\n')
    _close_accounts(root / "etc/shadow", source.epoch // 86400)
    _take_rights(root)
    set_dates(root, source.epoch)


def _close_accounts(shadow: Path, day: int) -> None:
    """Lock every account; no password is ever valid, and the days do not tell when the image was built."""
    lines = []
    for line in shadow.read_text().splitlines():
        name, _, _, *rest = line.split(":")
        lines.append(":".join((name, "!*", str(day), *rest)))
    shadow.write_text("\n".join(lines) + "\n")


def _take_rights(root: Path) -> None:
    """Take from every program the right to become another user or group: nobody logs in who could need one."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def pack_root(root: Path, image: Path, epoch: int, tools: Path) -> None:
    """Make the file system that the card's system is read from.

    No small files share a block, and the tables of names are not packed: a start reads some thousand files in no order, and
    would unpack what lies beside them each time.
    """
    options = ["-comp", "zstd", "-Xcompression-level", "15", "-b", "128K", "-no-fragments", "-noI"]
    options += ["-noappend", "-no-xattrs", "-no-progress", "-quiet"]
    options += ["-mkfs-time", str(epoch), "-all-time", str(epoch)]
    binds = {"/mnt": root, "/media": image.parent}
    run_in(tools, "mksquashfs", "/mnt", f"/media/{image.name}", *options, binds=binds)


def _copy(source: Path, place: Path) -> None:
    _made(place.parent)
    place.unlink(missing_ok=True)
    shutil.copyfile(source, place, follow_symlinks=False)
    if not place.is_symlink():
        place.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _made(folder: Path) -> Path:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
        one.chmod(0o755)
    return folder
