"""A real WebDAV server (wsgidav on cheroot) with TLS in a process of its own, and a plain one that takes PUT and POST."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.uploads.certificates import Issued
from tests.integration.uploads.served import Served, free_port, served

USER, PASSWORD = "ada", "moons of Jupiter: four"


class Davd(Served):
    """The server, and where it is."""

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}/"


@contextmanager
def davd(folder: Path, issued: Issued, *, port: int = 0, is_read_only: bool = False) -> Iterator[Davd]:
    """Serve a folder until the end of the block."""
    port = port or free_port()
    arguments = [str(folder), str(issued.certificate), str(issued.key), str(port), "read-only" if is_read_only else ""]
    command = [sys.executable, "-P", "-m", "tests.integration.uploads.davd", *arguments]
    with served(command, port, issued.certificate.with_suffix(".log")) as server:
        yield Davd(server.port, server.process, server.log)


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
