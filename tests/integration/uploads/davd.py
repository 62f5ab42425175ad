"""A real WebDAV server (wsgidav on cheroot) with TLS in a process of its own, and a plain one that takes PUT and POST."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.integration.uploads.certificates import Issued

ROOT = Path(__file__).resolve().parents[3]
USER, PASSWORD = "ada", "moons of Jupiter: four"


@dataclass
class Davd:
    """The server, and where it is."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """End the server at once."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@contextmanager
def davd(folder: Path, issued: Issued, *, port: int = 0, is_read_only: bool = False) -> Iterator[Davd]:
    """Serve a folder until the end of the block."""
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    log = issued.certificate.with_suffix(".log")
    arguments = [str(folder), str(issued.certificate), str(issued.key), str(port), "read-only" if is_read_only else ""]
    with log.open("ab") as out:
        command = [sys.executable, "-P", "-m", "tests.integration.uploads.davd", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    server = Davd(port, process, log)
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


def main(folder: str, certificate: str, key: str, port: str, mode: str) -> None:
    """Serve until the end."""
    from cheroot import wsgi
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from wsgidav.wsgidav_app import WsgiDAVApp  # type: ignore[import-untyped]

    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": {"root": folder, "readonly": mode == "read-only"}},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "verbose": 3,
            "lock_storage": True,
            "property_manager": None,
        }
    )
    server = wsgi.Server(("127.0.0.1", int(port)), app, numthreads=4)
    server.ssl_adapter = BuiltinSSLAdapter(certificate, key)
    server.ssl_adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    server.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
