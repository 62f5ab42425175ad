"""The panel's part in certificates, as the appliance runs it: asks another process, reads what that hands over.

`python -m tests.integration.host.panel DATA RUNTIME`; prints its port. It looks around every half second, not every 20 s.
"""

import signal
import socket
import sys
import time
from pathlib import Path

from appliance.domain.clock import SystemClock
from appliance.domain.errors import SecurityError
from appliance.store.files import DataFolder
from appliance.supervisor.health import HealthBoard
from appliance.web import certificates
from appliance.web.issuerapart import IssuerApart
from appliance.web.tls import Front
from appliance.web.waitress_side import ApplicationServer
from tests.integration.web.tlssite import app


def main(data: Path, runtime: Path) -> None:
    certificates.CHECK_EVERY_S = 0.5
    folder, clock = DataFolder(data), SystemClock()
    folder.open()
    keeper = certificates.CertificateKeeper(folder, clock, HealthBoard(clock), IssuerApart(folder, runtime, clock))
    while True:
        try:
            keeper.open()
            break
        except SecurityError:
            time.sleep(0.2)  # as the supervisor does: close, pause, open again
    server = ApplicationServer(app)
    server.start()
    listener = socket.create_server(("0.0.0.0", 0), backlog=16)  # noqa: S104 - of a network that nothing else is in
    front = Front(keeper.context, server.hand_over, keeper.is_ours)
    front.start([listener])
    print(listener.getsockname()[1], flush=True)
    while signal.sigtimedwait({signal.SIGTERM}, 0.1) is None:
        keeper.step()
    front.stop()
    server.stop(5)
    folder.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(Path(sys.argv[1]), Path(sys.argv[2]))
