"""Who runs the INDI server: a child of ours in development, something else (systemd, another machine) behind a fixed address.

The child's server listens on an abstract UNIX socket with a name of its own per run and, since indiserver cannot do
without, on a free TCP port. It dies with us, also when we are killed: `setpriv --pdeathsig` asks the kernel for that. The
kernel counts the *thread* that started the child as its parent, so start it from a thread that lives as long as it should.
"""

import errno
import fcntl
import logging
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from appliance.domain.errors import CameraError

log = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20
"""Room for what the server says while nobody reads; when it is full the server waits."""
_LINE_MAX = 300
_READ_MAX = 1 << 16
_STOP_S = 3.0


class DriverHost(Protocol):
    """Starts, restarts and stops an INDI server and its drivers."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for `setServer`; they may change at a restart."""
        ...

    @property
    def drivers(self) -> tuple[str, ...]:
        """Names of the drivers that should run."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether the server is alive, as far as can be known."""
        ...

    def start(self) -> None:
        """Start the server if it does not run; raises CameraError."""
        ...

    def restart(self) -> None:
        """End the server with all its drivers and start it afresh; raises CameraError."""
        ...

    def start_driver(self, name: str) -> None:
        """Start one driver; raises CameraError."""
        ...

    def stop_driver(self, name: str) -> None:
        """Stop one driver, also one that hangs; raises CameraError."""
        ...

    def tend(self) -> None:
        """Log what the server has said since the last time; never blocks."""
        ...

    def close(self) -> None:
        """End everything that was started; does not raise."""
        ...


class StaticDriverHost:
    """A server that others run: it can be reached and not restarted."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.drivers: tuple[str, ...] = ()
        self.is_running = True

    def start(self) -> None:
        """Nothing to do: others run it."""

    def restart(self) -> None:
        """Nothing to do: others run it."""

    def start_driver(self, name: str) -> None:
        """Refuse: the drivers are not ours."""
        raise CameraError(f"driver {name!r} runs on a server that is not ours")

    def stop_driver(self, name: str) -> None:
        """Refuse: the drivers are not ours."""
        raise CameraError(f"driver {name!r} runs on a server that is not ours")

    def tend(self) -> None:
        """Nothing is heard from here."""

    def close(self) -> None:
        """Nothing was started."""


class ChildDriverHost:
    """An indiserver that is a child of this process."""

    def __init__(
        self, drivers: tuple[str | Path, ...], *, environment: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        """Take what to run.

        Parameters
        ----------
        drivers : tuple of str or Path
            Names of INDI drivers on the path, or paths of executables.
        environment : mapping, optional
            Added to this process's environment for the server and its drivers.
        port : int, optional
            TCP port, for tests; else a free one is chosen at each start.
        """
        self._programs = {_driver_word(driver): driver for driver in drivers}
        self.drivers = tuple(self._programs)
        self._environment = dict(environment or {})
        self._wanted_port = port
        self._socket_name = f"/nightjar-{os.getpid()}-{secrets.token_hex(8)}"
        self._port = port or 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for `setServer`."""
        return f"localhost:{self._socket_name}", self._port

    @property
    def port(self) -> int:
        """TCP port of the server."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the server, which is also that of its process group."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the server is alive."""
        return self._process is not None and not _has_ended(self._process.pid)

    def start(self) -> None:
        """Start the server if it does not run."""
        if self.is_running:
            return
        self._end()
        programs = {name: shutil.which(name) for name in ("setpriv", "indiserver")}
        missing = [name for name, path in programs.items() if path is None]
        if missing:
            raise CameraError(f"{' and '.join(missing)} not found; the Debian packages are util-linux and indi-bin")
        self._port = self._wanted_port or _free_port()
        fifo = self._make_folder()
        command = [cast("str", programs["setpriv"]), "--pdeathsig", "KILL", cast("str", programs["indiserver"])]
        command += ["-u", self._socket_name, "-p", str(self._port), "-f", str(fifo), *self.drivers]
        # HOME is ours: drivers read ~/.indi, and what another program saved there would change frames.
        search = f"{fifo.parent}:{os.environ.get('PATH', os.defpath)}"
        environment = os.environ | {"HOME": str(fifo.parent), "PATH": search} | self._environment
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of our own words, no shell
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=environment, cwd=fifo.parent, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CameraError(f"cannot start indiserver: {error.strerror}") from error
        self._listen()
        log.info("indiserver started: pid %d, port %d, drivers %s", self._process.pid, self._port, " ".join(self.drivers))

    def restart(self) -> None:
        """End the server with all its drivers, hanging ones too, and start it afresh."""
        self._end()
        self.start()

    def start_driver(self, name: str) -> None:
        """Start one driver, by the server's FIFO."""
        self._command("start", name)

    def stop_driver(self, name: str) -> None:
        """Stop one driver; the server kills it."""
        self._command("stop", name)

    def tend(self) -> None:
        """Log what the server and its drivers wrote."""
        if self._process is None or self._process.stderr is None:
            return
        try:
            self._heard += os.read(self._process.stderr.fileno(), _READ_MAX)
        except BlockingIOError:
            return
        *lines, self._heard = self._heard.split(b"\n")
        self._heard = self._heard[-_LINE_MAX:]
        for line in lines:
            log.debug("indiserver: %s", line[:_LINE_MAX].decode("utf-8", "replace").encode("unicode_escape").decode("ascii"))

    def close(self) -> None:
        """End the server and every process of its group, and remove its folder."""
        self._end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _make_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="nightjar-indi-"))
        fifo = self._folder / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        for word, program in self._programs.items():
            if isinstance(program, Path) and word != str(program):
                wrapper = self._folder / word
                wrapper.write_text(f"#!/bin/sh\nexec {shlex.quote(str(program))}\n")
                wrapper.chmod(0o700)
        return fifo

    def _listen(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        pipe = self._process.stderr.fileno()
        os.set_blocking(pipe, False)
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError as error:  # over the user's limit: the kernel's own size has to do
            log.debug("pipe not enlarged: %s", error.strerror)

    def _command(self, verb: str, name: str) -> None:
        """Write a line into the FIFO; only names that were given at the start are taken."""
        if name not in self.drivers:
            raise CameraError(f"{name!r} is none of the drivers {', '.join(self.drivers)}")
        if self._folder is None or not self.is_running:
            raise CameraError("indiserver does not run")
        try:
            pipe = os.open(self._folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            reason = "nobody reads its FIFO" if error.errno == errno.ENXIO else error.strerror
            raise CameraError(f"indiserver takes no commands: {reason}") from error
        try:
            os.write(pipe, f"{verb} {name}\n".encode("ascii"))
        except OSError as error:
            raise CameraError(f"indiserver takes no commands: {error.strerror}") from error
        finally:
            os.close(pipe)

    def _end(self) -> None:
        """End the whole process group. The leader is reaped last: until then its number can belong to nobody else."""
        process, self._process = self._process, None
        if process is None:
            return
        if not _has_ended(process.pid):
            os.kill(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_S
            while not _has_ended(process.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
        self._heard = b""


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return cast("int", server.getsockname()[1])


def _driver_word(driver: str | Path) -> str:
    """Return a driver as one word of the FIFO's language, which has no quoting.

    A path that is no such word is run by its last part, from a wrapper in the server's folder.
    """
    word = str(driver)
    if isinstance(driver, Path) and not _is_word(word):
        word = driver.name
    if not _is_word(word):
        raise CameraError(f"a driver's name cannot be {word!r}")
    return word


def _is_word(text: str) -> bool:
    return (
        bool(text) and text.isascii() and text.isprintable() and not any(c in text for c in " \"'@") and not text.startswith("-")
    )
