"""A real OpenSSH server of the test's own, on loopback, for the user who runs the tests."""

import getpass
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.uploads.served import Served, free_port, served

SSHD = Path("/usr/sbin/sshd")
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication {passwords}
KbdInteractiveAuthentication no
PermitRootLogin yes
LogLevel VERBOSE
Subsystem sftp {subsystem}
"""


@dataclass
class Sshd(Served):
    """The server, and what a client needs to know of it."""

    folder: Path

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    @property
    def client_key(self) -> str:
        return (self.folder / "client").read_text()


def make_keys(folder: Path, kind: str = "ed25519") -> None:
    """Make host key and client key; an earlier host key is replaced."""
    for name in ("host", "client"):
        for path in (folder / name, folder / f"{name}.pub"):
            if name == "host" or not (folder / "client").exists():
                path.unlink(missing_ok=True)
        if not (folder / name).exists():
            command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(folder / name)]
            subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    (folder / "authorized").write_text((folder / "client.pub").read_text())


@contextmanager
def sshd(
    folder: Path,
    *,
    port: int = 0,
    passwords: bool = False,
    file_limit_kib: int = 0,
    is_mute: bool = False,
    is_read_only: bool = False,
) -> Iterator[Sshd]:
    """Run a server until the end of the block.

    Parameters
    ----------
    folder : Path
        With the keys of `make_keys`.
    port : int
        By default a free one.
    passwords : bool
        Whether it asks for passwords, too.
    file_limit_kib : int
        Files may not become larger, as with a quota that is full; 0 for none.
    is_mute : bool
        Whether it takes the login and then says nothing of files, as one whose disk hangs.
    is_read_only : bool
        Whether it lets nobody write.
    """
    port = port or free_port()
    subsystem = (
        "internal-sftp -R" if is_read_only else "internal-sftp"
    )  # no shell between: what a user's shell does first is not ours to wait for
    if is_mute:
        mute = folder / "mute-sftp-server"
        mute.write_text("#!/bin/sh\nexec sleep 600\n")
        mute.chmod(0o755)
        subsystem = str(mute)
    config = folder / "sshd_config"
    config.write_text(CONFIG.format(port=port, folder=folder, passwords="yes" if passwords else "no", subsystem=subsystem))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in before a login; asked for as root only
    limited = ["bash", "-c", f"trap '' XFSZ; ulimit -f {file_limit_kib}; exec \"$@\"", "bash"] if file_limit_kib else []
    log = folder / "sshd.log"
    with served([*limited, SSHD, "-D", "-e", "-f", config], port, log) as server:
        yield Sshd(port, server.process, log, folder)
