"""Servers in processes of their own, which tests start on loopback, kill and start again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.integration.process.appliance import children_of

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Served:
    """A server, and where it is."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """End the server at once, with every connection that it serves in a process of its own."""
        todo = [self.process.pid]
        while todo:
            pid = todo.pop()
            with suppress(OSError):
                todo += children_of(pid)
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self._wait_until_closed()

    def _wait_until_closed(self) -> None:
        """Wait until nobody listens: a process that the server had just begun may still hold its port."""
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except ConnectionRefusedError:
                return
            except OSError:
                pass  # hung up on: it is on its way out
            assert time.monotonic() < until, f"something still listens on port {self.port}"
            time.sleep(0.01)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def served(command: Sequence[str | Path], port: int, log: Path) -> Iterator[Served]:
    """Run a server until the end of the block, and begin the block when its port answers."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    server = Served(port, process, log)
    try:
        until = time.monotonic() + 30
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield server
    finally:
        server.kill()
