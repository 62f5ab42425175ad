"""A RAUC as new as the appliance's: Debian 12 has one that cannot be asked what is in a bundle (`InspectBundle` came with 1.9).

Where the machine's own is too old, that of Debian 13 is unpacked into the cache and started with its own libraries.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.integration.guest.recipe import KEYRING, RELEASE

NEEDED = (1, 9)
COMMANDS = ("rauc", "mmdebstrap", "mksquashfs", "mount", "losetup")
_LIBRARIES = Path("usr/lib/x86_64-linux-gnu")


@cache
def rauc_command() -> tuple[str, ...]:
    """Return what starts RAUC here."""
    said = subprocess.run(["rauc", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is not None and (int(found[1]), int(found[2])) >= NEEDED:
        return ("rauc",)
    root = _unpacked()
    libraries = root / _LIBRARIES
    return (str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(root / "usr/bin/rauc"))


def _unpacked() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nightjar" / f"rauc-{RELEASE}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"rauc-{RELEASE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _unpack(Path(scratch), Path(scratch, "root"))
                Path(scratch, "root").rename(folder)
    return folder


def _unpack(scratch: Path, root: Path) -> None:
    said = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    ways = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    kept = [line for line in said.splitlines() if line.startswith(ways) and '""' not in line]
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--architectures=amd64", "--include=rauc"]
    command += [f"--aptopt={line}" for line in kept]
    command += [RELEASE, str(scratch / "rauc.tar"), f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {RELEASE} main"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if ended.returncode:
        raise RuntimeError(f"mmdebstrap failed: {ended.stderr[-2000:]}")
    root.mkdir()
    wanted = ["./usr/bin/rauc", f"./{_LIBRARIES}"]
    command = ["tar", "--extract", f"--file={scratch / 'rauc.tar'}", f"--directory={root}", *wanted]
    subprocess.run(command, check=True, timeout=120)
    for name in ("gconv", "perl-base", "security"):
        shutil.rmtree(root / _LIBRARIES / name, ignore_errors=True)
