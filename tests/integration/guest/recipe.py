"""How the guest is made: a small Debian trixie with the packages of the appliance, without the program, kept in a cache.

What lies in the cache follows from this file and from uv.lock alone. The program is put in at each start (`product.py`), so that
a change of it makes nothing anew.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.conftest import ROOT

COMMANDS = ("mmdebstrap", "sqfstar", "mksquashfs", "unsquashfs", "mkfs.ext4", "qemu-system-x86_64", "apt-config")
"""What makes and runs the guest."""

RELEASE = "trixie"
SOURCES = (
    ("http://deb.debian.org/debian", RELEASE),
    ("http://deb.debian.org/debian", f"{RELEASE}-updates"),
    ("http://deb.debian.org/debian-security", f"{RELEASE}-security"),
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    "systemd", "systemd-sysv", "systemd-timesyncd", "udev", "kmod", "dbus", "polkitd", "udisks2", "network-manager",
    "linux-image-amd64", "initramfs-tools", "zstd",
    "exfatprogs", "dosfstools", "e2fsprogs", "fdisk",
    "python3", "ca-certificates", "openssl", "indi-bin", "iproute2", "procps",
)  # fmt: skip
PYTHON, PLATFORM = "3.13", "x86_64-manylinux_2_28"
SITE = Path("usr/local/lib/python3.13/dist-packages")
"""Where the guest's Python finds the wheels and the program."""

INITRD_MODULES = ("virtio_pci", "virtio_blk", "squashfs", "overlay")
INITRD_HOOK = """\
#!/bin/sh
# Above the read-only system and the wheels comes a layer of memory, and in it what the test brought in the initrd.
[ "$1" = prereqs ] && exit 0
set -e
mkdir -p /layers/system /layers/wheels /layers/memory
mount -o move "$rootmnt" /layers/system
mount -t squashfs -o ro /dev/vdb /layers/wheels
mount -t tmpfs -o mode=0755 memory /layers/memory
mkdir /layers/memory/above /layers/memory/work
layers=lowerdir=/layers/wheels:/layers/system,upperdir=/layers/memory/above,workdir=/layers/memory/work
mount -t overlay -o "$layers" overlay "$rootmnt"
# The overlay holds layers of its own; run-init wants no mount left here.
for layer in system wheels memory; do umount "/layers/$layer"; done
chroot "$rootmnt" /usr/bin/tar --extract --directory=/ --file=- --overwrite --keep-directory-symlink </product.tar
chroot "$rootmnt" /bin/sh -eu /usr/lib/nightjar-test/prepare
"""
PYTHON_FILES = (
    "usr/bin/python3.13", "usr/lib/python3.13", "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    *(f"usr/lib/x86_64-linux-gnu/lib{name}.so*" for name in ("c", "m", "z", "expat")),
)  # fmt: skip
"""Enough of the guest to compile Python's files for it here: an emulated processor takes minutes over that at each start."""
FROM_SOURCE = {"pysftp"}
"""Published as source only; pure Python."""
NOT_PACKED = ("-noI", "-noD", "-noF", "-noX")
"""Unpacking costs an emulated processor more than reading."""
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*")
KEPT_DAYS = 14
"""A guest of another recipe that nobody used for so long is removed."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a guest starts from."""

    kernel: Path
    initrd: Path
    system: Path
    wheels: Path
    python: Path
    """Root of the guest's Python, for `compile_for_guest`."""


def base() -> Base:
    """Return the parts of the guest; make what the cache lacks."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    lock = hashlib.sha256((ROOT / "uv.lock").read_bytes()).hexdigest()[:16]
    system = _cached(f"system-{recipe}", _make_system)
    python = system / "python"
    wheels = _cached(f"wheels-{recipe}-{lock}", lambda made, between: _make_wheels(made, between, python))
    return Base(system / "vmlinuz", system / "initrd.img", system / "system.squashfs", wheels / "wheels.squashfs", python)


def compile_for_guest(python: Path, tree: Path) -> None:
    """Compile every module below a folder with the guest's Python."""
    libraries = python / "usr/lib/x86_64-linux-gnu"
    command = [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(python / "usr/bin/python3.13")]
    command += ["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(tree), str(tree)]
    # Some wheels bring files that are no Python 3.13; nobody imports them, and compileall says so with a 1.
    _run(command, timeout_s=300, environment={"PYTHONHOME": str(python / "usr"), "PATH": os.environ["PATH"]}, permitted=(0, 1))
    if next(tree.rglob("*.pyc"), None) is None:
        raise RuntimeError(f"the guest's Python compiled nothing below {tree}")


def _cached(name: str, make: Callable[[Path, Path], None]) -> Path:
    """Return the folder of that name, made by the one who comes first.

    Parameters
    ----------
    name : str
    make : callable
        Fills its first folder, which is kept; the second is for what comes in between.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nightjar" / "guest"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with _alone(cache / "lock"):
        if not folder.is_dir():
            began_s = time.monotonic()
            with tempfile.TemporaryDirectory(dir=cache, prefix="new-", ignore_cleanup_errors=True) as new:
                made, between = Path(new, "made"), Path(new, "between")
                made.mkdir()
                between.mkdir()
                make(made, between)
                made.rename(folder)
            print(f"guest: made {name} in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
        os.utime(folder)
        for other in cache.iterdir():
            if other.is_dir() and other.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                shutil.rmtree(other, ignore_errors=True)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process in at a time: two test runs that start together make one guest."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_system(made: Path, between: Path) -> None:
    """Install Debian; without root mmdebstrap uses a user name space."""
    (between / "hook").write_text(INITRD_HOOK)
    (between / "hook").chmod(0o755)
    (between / "modules").write_text("\n".join(INITRD_MODULES) + "\n")
    (between / "guest.conf").write_text("MODULES=list\nCOMPRESS=zstd\n")
    tree = "/etc/initramfs-tools"
    hooks = [
        f"copy-in {shlex.quote(str(between / 'modules'))} {tree}",
        f"copy-in {shlex.quote(str(between / 'guest.conf'))} {tree}/conf.d",
        f"upload {shlex.quote(str(between / 'hook'))} {tree}/scripts/init-bottom/guest",
        f'chmod 0755 "$1{tree}/scripts/init-bottom/guest"',
    ]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--architectures=amd64", f"--include={','.join(PACKAGES)}"]
    command += [f"--aptopt={option}" for option in _settings_of_apt()]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command += [f'--essential-hook=mkdir -p "$1{tree}/conf.d" "$1{tree}/scripts/init-bottom"']
    command += [f"--essential-hook={hook}" for hook in hooks]
    command += [f"--customize-hook=download /{name} {shlex.quote(str(made / name))}" for name in ("vmlinuz", "initrd.img")]
    command += [RELEASE, str(between / "system.tar")]
    command += [f"deb [signed-by={KEYRING}] {url} {suite} main" for url, suite in SOURCES]
    _run(command, timeout_s=900)
    with (between / "system.tar").open("rb") as tar:
        _run(["sqfstar", "-quiet", "-no-progress", *NOT_PACKED, str(made / "system.squashfs")], timeout_s=120, stdin=tar)
    unsquash = ["unsquashfs", "-quiet", "-no-progress", "-dest", str(made / "python"), str(made / "system.squashfs")]
    _run([*unsquash, *PYTHON_FILES], timeout_s=120)


def _settings_of_apt() -> list[str]:
    """Return how this machine's own apt reaches Debian: proxies, and whether the mirror is a frozen one."""
    said = _run(["apt-config", "dump", "Acquire"], timeout_s=20).splitlines()
    ways = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    kept = [line for line in said if line.startswith(ways) and '""' not in line]
    return [*kept, 'Acquire::Languages "none";', 'APT::Install-Recommends "false";']


def _make_wheels(made: Path, between: Path, python: Path) -> None:
    """Fill the guest's site-packages with what uv.lock names, each wheel held to its hash."""
    uv = [str(Path(sys.executable).with_name("uv")), "--quiet", "--system-certs"]
    wanted, site = between / "wanted.txt", between / "root" / SITE
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--project", str(ROOT), "--output-file", str(wanted)]
    _run([*uv, *export], timeout_s=60)
    install = ["pip", "install", "--target", str(site), "--python-version", PYTHON, "--python-platform", PLATFORM]
    named = [line.partition("==")[0] for line in wanted.read_text().splitlines() if "==" in line and line[0].isalnum()]
    install += [word for name in named if name not in FROM_SOURCE for word in ("--only-binary", name)]
    install += ["--no-deps", "--require-hashes", "--requirement", str(wanted)]
    _run([*uv, *install], timeout_s=300)
    compile_for_guest(python, site)
    squash = ["mksquashfs", str(between / "root"), str(made / "wheels.squashfs")]
    _run([*squash, "-all-root", "-quiet", "-no-progress", *NOT_PACKED], timeout_s=120)


def _run(
    command: list[str],
    *,
    timeout_s: float,
    stdin: IO[bytes] | None = None,
    environment: dict[str, str] | None = None,
    permitted: tuple[int, ...] = (0,),
) -> str:
    """Run a step of the recipe; what it said is in the error."""
    ended = subprocess.run(
        command,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        text=True,
        check=False,
        env=environment,
    )
    if ended.returncode not in permitted:
        raise RuntimeError(f"{command[0]} failed with {ended.returncode}: {(ended.stderr or ended.stdout)[-3000:]}")
    return ended.stdout
