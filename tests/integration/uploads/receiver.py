"""A real HTTPS receiver of webhooks: the standard library's server with TLS, which remembers what it was posted."""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.uploads.certificates import Issued


@dataclass
class Posted:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def tree(self) -> Any:  # noqa: ANN401 - JSON is any value
        return json.loads(self.body)


@dataclass
class Receiver:
    """The server, and what it has."""

    port: int = 0
    status: int = 204
    """What it answers."""
    posted: list[Posted] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}/hook"


@contextmanager
def receiver(issued: Issued, port: int = 0) -> Iterator[Receiver]:
    """Receive posts."""
    there = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(there.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that does not trust us hangs up in mid-handshake."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with Server(("127.0.0.1", port), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        there.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join(10)


def is_genuine(posted: Posted, key: str, now_s: float) -> bool:
    """Tell whether a post is the appliance's, as the manual says it."""
    at = posted.headers["X-Nightjar-Time"]
    right = hmac.new(key.encode(), at.encode() + b"." + posted.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, posted.headers["X-Nightjar-Signature"]) and abs(now_s - int(at)) < 300
