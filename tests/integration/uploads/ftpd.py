"""A real FTP server, pyftpdlib, with TLS in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.integration.process.appliance import children_of
from tests.integration.uploads.certificates import Issued

ROOT = Path(__file__).resolve().parents[3]
USER, PASSWORD = "ada", "rings of Saturn"


@dataclass
class Ftpd:
    """The server, and where it is."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """End the server with every connection that it serves."""
        todo = [self.process.pid]
        while todo:
            pid = todo.pop()
            with suppress(OSError):
                todo += children_of(pid)
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def ftpd(
    folder: Path,
    issued: Issued,
    *,
    port: int = 0,
    tls: str = "explicit",
    may_write: bool = True,
    is_full: bool = False,
) -> Iterator[Ftpd]:
    """Serve a folder.

    Parameters
    ----------
    folder : Path
    issued : Issued
    port : int
        By default a free one.
    tls : str
        `explicit` or `implicit`, and then nobody is let in without; or `none`.
    may_write : bool
        Whether its user may write.
    is_full : bool
        Whether its user's quota is used up.
    """
    log = issued.certificate.with_suffix(".log")
    port = port or _free_port()
    told = json.dumps([str(folder), str(issued.certificate), str(issued.key), port, tls, may_write, is_full])
    yield from _served([sys.executable, "-P", "-m", "tests.integration.uploads.ftpd", told], port, log)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _served(command: list[str], port: int, log: Path) -> Iterator[Ftpd]:
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    server = Ftpd(port, process, log)
    try:
        until = time.monotonic() + 30
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield server
    finally:
        server.kill()


def main(folder: str, certificate: str, key: str, port: int, tls: str, may_write: bool, is_full: bool) -> None:
    """Serve until the end."""
    from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler  # type: ignore[import-untyped]
    from pyftpdlib.log import config_logging  # type: ignore[import-untyped]
    from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]

    config_logging(level=10)
    users = DummyAuthorizer()
    users.add_user(USER, PASSWORD, folder, perm="elradfmw" if may_write else "elr")
    handler = type("Handler", (FTPHandler if tls == "none" else TLS_FTPHandler,), {"authorizer": users})
    if tls != "none":
        handler.certfile, handler.keyfile = certificate, key  # type: ignore[attr-defined]
        handler.tls_control_required = handler.tls_data_required = True  # type: ignore[attr-defined]
    if tls == "implicit":

        class Implicit(handler):  # type: ignore[misc,valid-type]
            def handle(self) -> None:
                self.secure_connection(self.ssl_context)
                super().handle()

        handler = Implicit
    if is_full:
        handler.ftp_STOR = lambda self, *_, **__: self.respond("552 Disk quota exceeded.")  # type: ignore[attr-defined] # as ProFTPD says it
    FTPServer(("127.0.0.1", port), handler).serve_forever()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
