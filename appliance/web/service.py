"""The web service: certificates, application server and TLS front, opened, watched and closed together."""

import logging
import socket
import time

from appliance.domain.errors import NightjarError, StartError
from appliance.supervisor.service import Beat
from appliance.web.app import Panel
from appliance.web.backupdoor import PATHS as BACKUPS
from appliance.web.backupdoor import leave_for
from appliance.web.door import leave_by_path, no_leave
from appliance.web.limits import Limits
from appliance.web.parts import Listen, WebParts
from appliance.web.tls import Front
from appliance.web.updategate import UPLOAD, UpdateGate
from appliance.web.v1gate import PREFIX
from appliance.web.waitress_side import ApplicationServer
from appliance.web.welcome import welcome

log = logging.getLogger(__name__)

BACKLOG = 256
_STUCK_AFTER_S = 30.0


class WebService:
    """Serves the panel; threads of its own: the TLS loop, waitress's loop and waitress's workers."""

    def __init__(self, parts: WebParts, beat: Beat = lambda: None, *, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._parts, self._beat, self._limits = parts, beat, limits
        self._panel: Panel | None = None
        self._server: ApplicationServer | None = None
        self._front: Front | None = None
        self._answered_at = 0.0
        self.port = 0
        """Where the panel is reached, after `open`."""

    def open(self) -> None:
        """Load or make the certificates, listen and serve.

        Raises
        ------
        StartError
            If the address cannot be listened on.
        SecurityError
            If there are no certificates and none can be made.
        """
        parts = self._parts
        parts.certificates.open(self._beat)
        parts.peer_gate.open()
        parts.v1_gate.arrivals.open()
        self._beat()
        secure = listening(parts.listen)
        self.port = int(secure[0].getsockname()[1])
        self._panel = Panel(parts)
        self._server = ApplicationServer(self._panel)
        self._server.start()
        self._front = Front(
            parts.certificates.context,
            self._server.hand_over,
            parts.certificates.is_ours,
            hsts=parts.certificates.hsts,
            ask_leave=leave_by_path(
                {
                    "/api/v1/sync/": parts.peer_gate.ask_leave,
                    PREFIX: parts.v1_gate.leave,
                    UPLOAD: UpdateGate(parts.gate).ask_leave,
                    **dict.fromkeys(BACKUPS, leave_for(parts.gate, self._panel.backups)),
                },
                no_leave(self._limits),
            ),
            page_at=self._page_at,
            limits=self._limits,
        )
        self._front.start(secure, [plain.dup() for plain in parts.listen.plain_sockets])
        self._answered_at = time.monotonic()
        log.info("panel serves: port %d", self.port)

    def step(self) -> None:
        """Look after the certificates and the machine, and make sure that both loops come round.

        Raises
        ------
        NightjarError
            If one has ended or hangs; the worker then builds the service afresh.
        """
        if self._panel is None or self._server is None or self._front is None:
            raise NightjarError("the web service was not opened")
        self._parts.certificates.step()
        self._server.check()
        self._panel.step()
        if self._front.is_answering(timeout=1.0):
            self._answered_at = time.monotonic()
            time.sleep(0.5)
        elif time.monotonic() - self._answered_at > _STUCK_AFTER_S:
            raise NightjarError(f"the TLS front gave no sign for {_STUCK_AFTER_S:.0f} s")

    def _page_at(self, address: str) -> str | None:
        """Return what is told without TLS in the machine's own Wi-Fi network."""
        point = self._parts.network_situation.value.point
        return welcome(point, self._parts.certificates.fingerprint) if point is not None and point.address == address else None

    def close(self) -> None:
        """Stop listening, end every connection and thread."""
        if self._front is not None:
            self._front.stop()
        if self._server is not None:
            self._server.stop(timeout=3.0)
        self._front = self._server = self._panel = None


def listening(listen: Listen) -> list[socket.socket]:
    """Return sockets that listen: copies of those handed over, which a restart of the service needs again, or a new one.

    Raises
    ------
    StartError
        If address and port cannot be had.
    """
    if listen.sockets:
        return [handed.dup() for handed in listen.sockets]
    try:
        family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
        both = listen.address == "::" and socket.has_dualstack_ipv6()
        return [socket.create_server((listen.address, listen.port), family=family, backlog=BACKLOG, dualstack_ipv6=both)]
    except OSError as error:
        raise StartError(f"cannot listen on {listen.address} port {listen.port}: {error.strerror}") from error
