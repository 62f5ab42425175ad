"""A real FTP server, pyftpdlib, with TLS in a process of its own."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.uploads.certificates import Issued
from tests.integration.uploads.served import Served, free_port, served

USER, PASSWORD = "ada", "rings of Saturn"


@contextmanager
def ftpd(
    folder: Path,
    issued: Issued,
    *,
    port: int = 0,
    tls: str = "explicit",
    may_write: bool = True,
    is_full: bool = False,
) -> Iterator[Served]:
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
    port = port or free_port()
    told = json.dumps([str(folder), str(issued.certificate), str(issued.key), port, tls, may_write, is_full])
    command = [sys.executable, "-P", "-m", "tests.integration.uploads.ftpd", told]
    with served(command, port, issued.certificate.with_suffix(".log")) as server:
        yield server


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
