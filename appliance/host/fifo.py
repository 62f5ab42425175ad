"""The appliance's INDI server: another user's process under systemd, told by a FIFO which drivers to start and stop.

`nightjar-indi.service` starts the server without a driver. What is written here is one of two verbs and a name from the
list of installed drivers. A server that systemd started afresh knows no driver: it is recognised by its process id, which
the kernel tells of whoever listens on the server's socket, and is told again.
"""

import errno
import logging
import os
import re
import socket
import stat
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.domain.errors import CameraError, MachineError

log = logging.getLogger(__name__)

FIFO = Path("/run/nightjar-indi/fifo")
SOCKET_NAME = "/run/nightjar-indi/indiserver"
"""In the abstract name space: no file."""
PORT = 7624
"""INDI's own; the server cannot do without one, and the unit leaves it to this machine alone."""
RESTART_S = 20.0
"""A server that was told to restart is not missed for so long: longer than systemd waits for one that hangs."""
LOOK_EVERY_S = 2.0
_NAME = re.compile(r"(?:indi_[A-Za-z0-9_]{1,60}|nightjar-sky)\Z")
_CREDENTIALS = struct.Struct("3i")
_CONNECT_S = 1.0


def installed_drivers(folder: Path = Path("/usr/bin")) -> frozenset[str]:
    """Return the names of the INDI drivers that are installed."""
    return frozenset(
        path.name for path in folder.iterdir() if _NAME.match(path.name) and path.is_file() and os.access(path, os.X_OK)
    )


class FifoDriverHost:
    """An indiserver that systemd runs; see `DriverHost`."""

    def __init__(
        self,
        drivers: Sequence[str] | Callable[[], Sequence[str]],
        restart: Callable[[], None],
        *,
        installed: Callable[[], frozenset[str]] = installed_drivers,
        fifo: Path = FIFO,
        socket_name: str = SOCKET_NAME,
        port: int = PORT,
    ) -> None:
        """Take what to run.

        Parameters
        ----------
        drivers : sequence of str, or callable
            Names of the drivers that should run; a callable is asked again and again, and what it says is followed.
        restart : callable
            Has systemd restart the server, or start it; raises MachineError.
        installed : callable
            Gives the names that may be written at all.
        fifo, socket_name, port
            Where the server is; others than the appliance's in tests.
        """
        self._wanted = drivers if callable(drivers) else (lambda: drivers)
        self._running: tuple[str, ...] = ()
        self.address = (f"localhost:{socket_name}", port)
        self._restart, self._installed, self._fifo, self._socket_name = restart, installed, fifo, socket_name
        self._pipe: int | None = None
        self._told: int | None = None
        self._restarted_at: float | None = None
        self._looked_at = -LOOK_EVERY_S

    @property
    def drivers(self) -> tuple[str, ...]:
        """Names of the drivers that should run."""
        return tuple(self._wanted())

    @property
    def is_running(self) -> bool:
        """Whether a server listens, or was told so lately to restart that it cannot yet."""
        is_starting = self._restarted_at is not None and time.monotonic() - self._restarted_at < RESTART_S
        return is_starting or self._server() is not None

    def start(self) -> None:
        """Have the server started if it does not run, and tell it the drivers."""
        if self._server() is None:
            self.restart()
        else:
            self._tell_drivers()

    def restart(self) -> None:
        """Have systemd end the server with all its drivers and start it afresh; it is told the drivers once it listens."""
        self.close()  # with it goes what the old server has not read
        try:
            self._restart()
        except MachineError as error:
            raise CameraError(f"the INDI server cannot be restarted: {error}") from error
        self._restarted_at = time.monotonic()
        log.info("the INDI server was told to restart")

    def start_driver(self, name: str) -> None:
        """Start one driver."""
        self._command("start", name)

    def stop_driver(self, name: str) -> None:
        """Stop one driver; the server kills it."""
        self._command("stop", name)

    def tend(self) -> None:
        """Tell a server that is new which drivers to start; what it says itself is in the journal."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        try:
            self._tell_drivers()
        except CameraError as error:
            log.debug("the INDI server is not ready: %s", error)

    def close(self) -> None:
        """Let go of the FIFO; the server is systemd's and goes on."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def _tell_drivers(self) -> None:
        self._looked_at = time.monotonic()
        server, wanted = self._server(), self.drivers
        if server is None or (server == self._told and wanted == self._running):
            return
        former = self._running if server == self._told else ()
        for name in former:
            if name not in wanted:
                self.stop_driver(name)
        for name in wanted:
            if name not in former:
                # Whoever was here before us may have started it, and the server would run a second one at the same camera.
                self.stop_driver(name)
                self.start_driver(name)
        self._told, self._running, self._restarted_at = server, wanted, None
        log.info("the INDI server was told its drivers: pid %d, drivers %s", server, " ".join(wanted))

    def _server(self) -> int | None:
        """Return the process id of whoever listens on the server's socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(_CONNECT_S)
            try:
                connection.connect(f"\0{self._socket_name}")
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            except OSError:
                return None
        pid, _, _ = _CREDENTIALS.unpack(credentials)
        return int(pid)

    def _command(self, verb: str, name: str) -> None:
        if name not in self._installed():
            raise CameraError(f"no INDI driver {name[:80]!r} is installed")
        line = f"{verb} {name}\n".encode("ascii")
        try:
            os.write(self._opened(), line)
        except OSError as error:
            self.close()
            nobody = error.errno in (errno.ENXIO, errno.EPIPE)
            raise CameraError(
                f"the INDI server takes no commands: {'nobody reads its FIFO' if nobody else error.strerror}"
            ) from error

    def _opened(self) -> int:
        """Return the FIFO, which stays open: a reader that sees an end opens it anew and could miss the next line."""
        if self._pipe is None:
            self._pipe = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            if not stat.S_ISFIFO(os.fstat(self._pipe).st_mode):
                self.close()
                raise CameraError(f"{self._fifo} is no FIFO")
        return self._pipe
