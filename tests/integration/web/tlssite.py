"""A small site with the real keeper and the real TLS front, as a process of its own: `python -m ...tlssite FOLDER yes|no`.

Prints its port; `yes` names our configuration to OpenSSL before it is loaded, as the program does, `no` leaves that out.
"""

import sys

from appliance.security.openssl import name_configuration

if __name__ == "__main__" and sys.argv[2] == "yes":
    assert name_configuration()

import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from appliance.domain.clock import SystemClock
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web.certificates import CertificateKeeper
from appliance.web.issuer import Issuer
from appliance.web.tls import Front
from appliance.web.waitress_side import ApplicationServer


def app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = b"<!doctype html><title>a trusted panel</title>"
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]


def main(root: Path) -> None:
    folder, clock = DataFolder(root), SystemClock()
    folder.open()
    keeper = CertificateKeeper(folder, clock, HealthBoard(clock), Issuer(folder, "7K3M9QXZ"))
    keeper.open()
    server = ApplicationServer(app)
    server.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    front = Front(keeper.context, server.hand_over, keeper.is_ours)
    front.start([listener])
    print(listener.getsockname()[1], flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    front.stop()
    server.stop(5)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(Path(sys.argv[1]))
