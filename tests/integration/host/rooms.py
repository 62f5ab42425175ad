"""A machine within the machine: network, host name and mounts of its own, other users, nothing of the real ones changed.

What runs in it sees `/proc` as the sandboxed units do: processes, and nothing else.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import waitress

ROOT = Path(__file__).parents[3]
COMMANDS = ("unshare", "nsenter", "setpriv", "mount", "ip", "hostname", "chroot")

BEGIN = f"""
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/project /mnt/python /mnt/packages
mount --bind {ROOT} /mnt/project
mount --bind {sys.base_prefix} /mnt/python
mount --bind {Path(waitress.__file__).parents[1]} /mnt/packages
mount -t proc -o subset=pid proc /proc
ip link set lo up
hostname roof
echo ready
exec sleep infinity
"""

PYTHON = f"/mnt/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
"""This Python and the project at places that every user may enter, wherever they lie here."""
ENVIRONMENT = {
    "PYTHONHOME": "/mnt/python",
    "PYTHONPATH": "/mnt/project:/mnt/packages",
    "LD_LIBRARY_PATH": "/mnt/python/lib",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
}


@dataclass(frozen=True)
class User:
    """A number that nobody here has, and a group of the same number; no capability, and no way to get one."""

    number: int

    @property
    def command(self) -> list[str]:
        return [
            "setpriv", f"--reuid={self.number}", f"--regid={self.number}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs",
        ]  # fmt: skip


@dataclass(frozen=True)
class Room:
    holder: int

    def command(self, *command: str | Path, user: User | None = None) -> list[str]:
        enter = ["nsenter", f"--target={self.holder}", "--net", "--uts", "--mount", f"--wdns={'/'}"]
        return [*enter, *(user.command if user else ()), *map(str, command)]

    def run(
        self, *command: str | Path, user: User | None = None, environment: Mapping[str, str] = ENVIRONMENT
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*command, user=user), env=environment, capture_output=True, text=True, check=False, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def must(self, *command: str | Path, user: User | None = None) -> str:
        ended = self.run(*command, user=user)
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout


@contextmanager
def room() -> Iterator[Room]:
    """Make one, and end it: with its holder and what still runs in it the kernel removes its network and mounts."""
    command = ["unshare", "--net", "--uts", "--mount", "sh", "-euc", BEGIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "ready\n"
            yield Room(holder.pid)
        finally:
            holder.kill()


def missing_right() -> str:
    """Return why no room can be made, or an empty text."""
    return "" if os.geteuid() == 0 else "needs root: users and name spaces of its own"
