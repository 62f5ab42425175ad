"""A web server of a channel's makers on loopback, over TLS, and the lists that they sign with openssl."""

import base64
import hashlib
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.integration.uploads.certificates import Authority

COMPATIBLE = "nightjar-test"


@dataclass
class Site:
    """What is served, and what was asked."""

    folder: Path
    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request."""
    cut_after: int | None = None
    """How many bytes of an answer are sent before the connection is cut."""
    redirect: str = ""
    can_go_on: bool = True

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.address}/channel.json"

    def key(self, name: str = "channel") -> str:
        """Return a public key as the settings take it, made as the manual tells."""
        file = self.folder / f"{name}.key"
        if not file.exists():
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True, capture_output=True)
        told = subprocess.run(
            ["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True
        ).stdout
        return base64.b64encode(told[-32:]).decode()

    def publish(self, serial: int, *releases: dict[str, Any], signed_by: str = "channel") -> None:
        """Serve a list, signed as the manual tells."""
        self.key(signed_by)
        tree = {"format": 1, "serial": serial, "made_at": "2026-11-29T20:00:00+00:00", "releases": releases}
        file = self.folder / "channel.json"
        file.write_text(json.dumps(tree))
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(self.folder / f"{signed_by}.key"), "-in", str(file)]
        signature = subprocess.run(command, check=True, capture_output=True).stdout
        self.files["/channel.json"], self.files["/channel.json.sig"] = file.read_bytes(), base64.b64encode(signature) + b"\n"

    def release(self, version: str, data: bytes, **more: object) -> dict[str, Any]:
        """Serve a bundle, and return what the list says of it."""
        self.files[f"/{version}.raucb"] = data
        return {
            "version": version, "compatible": COMPATIBLE, "url": f"{self.address}/{version}.raucb", "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(), "notes": "Quieter nights", "percent": 100, **more,
        }  # fmt: skip


@contextmanager
def channel_site(folder: Path) -> Iterator[tuple[Site, str]]:
    """Serve until the end of the block; give the site, and the authority that its certificate is of."""
    site = Site(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append((self.path, asked))
            if site.redirect:
                self.send_response(302)
                self.send_header("Location", site.redirect)
                self.end_headers()
                return
            body = site.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and site.can_go_on else 0
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            sent = body[begin:] if site.cut_after is None else body[begin : begin + site.cut_after]
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing: clients leave in the middle here."""

    authority = Authority(folder)
    issued = authority.issue("site", "localhost", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    site.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site, authority.pem
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
