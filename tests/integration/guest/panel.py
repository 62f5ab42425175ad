"""The panel in the guest, as a browser on the network meets it."""

import contextlib
import http.client
import socket
import ssl
from pathlib import Path

from tests.integration.guest.machine import Machine, wait_for
from tests.integration.process.appliance import Answer, Appliance
from tests.unit.web.world import ADMIN, PASSWORD

NAME = "nightjar.local"


class Panel(Appliance):
    """Asks over HTTPS through the forwarded port by the device's name, and trusts its own authority and nothing else."""

    def __init__(self, guest: Machine, name: str = NAME) -> None:
        super().__init__(guest.folder / "panel", port=guest.port)
        self.port, self._name = guest.port, name
        self._authority = Path(self.data, "ca.pem")

    def trust(self, guest: Machine) -> None:
        """Learn the guest's authority, wait until the panel answers, and log in."""
        self.meet(guest)
        self.login(ADMIN, PASSWORD)

    def meet(self, guest: Machine, limit_s: float = 300) -> None:
        """Learn the machine's authority and wait until the panel answers."""
        self._authority.parent.mkdir(parents=True, exist_ok=True)
        self._authority.write_text(wait_for(lambda: guest.run("cat", "/data/nightjar-tls/ca.pem").out, "the authority", limit_s))
        wait_for(self.answers, "the panel to answer", limit_s)

    def claim_with(self, code: str) -> None:
        """Claim the device with the code that it shows, and log in."""
        answer = self.post("/claim", code=code, name=ADMIN, password=PASSWORD, again=PASSWORD)
        assert answer.status == 303, answer.body
        self.login(ADMIN, PASSWORD)

    @property
    def origin(self) -> str:
        """Where its pages come from, as a browser says it."""
        return f"https://{self._name}"

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Make one request."""
        context = ssl.create_default_context(cafile=str(self._authority))
        connection = http.client.HTTPSConnection(self._name, timeout=60)
        with contextlib.closing(connection):
            connection.sock = self._connect(context)
            connection.request(method, path, body, {**({"Cookie": self.cookie} if self.cookie else {}), **headers})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.headers.get_all("Set-Cookie") or [], answer.read())

    def _connect(self, context: ssl.SSLContext, tries: int = 3) -> ssl.SSLSocket:
        """Connect; a handshake that takes too long on a busy computer is ended by the panel, and begun anew as a browser does."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        try:
            return context.wrap_socket(plain, server_hostname=self._name)
        except (ssl.SSLEOFError, ConnectionResetError):
            plain.close()
            if tries == 1:
                raise
        return self._connect(context, tries - 1)
