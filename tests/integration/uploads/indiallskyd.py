"""A stand-in for indi-allsky's receiver of SyncAPI v1: with TLS, and as strict as that program's views and tables are.

Written down from what its public source asks of a request, in the order in which it asks; what would end there in an
error 500 (a key that is missing, a number that is none) ends here so, too.
"""

import email
import email.policy
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.uploads.certificates import Issued

USER, KEY = "attic", "0123456789abcdef" * 4
_IMAGE_KEYS = (
    "createDate", "dayDate", "moonmode", "night", "adu_roi", "exposure", "exp_elapsed", "gain", "binmode", "temp", "calibrated",
    "adu", "stable", "moonphase", "sqm", "stars", "detections", "process_elapsed", "height", "width",
)  # fmt: skip
_NOT_NULL = ("exposure", "gain", "adu", "dayDate", "createDate", "detections")
_CAMERA_COLUMNS = {
    "driver", "friendlyName", "hidden", "minGain", "maxGain", "minBinning", "maxBinning", "minExposure", "maxExposure", "width",
    "height", "bits", "pixelSize", "cfa", "location", "latitude", "longitude", "elevation", "tz", "utc_offset", "alt", "az",
    "nightSunAlt", "owner", "lensName", "lensFocalLength", "lensFocalRatio", "lensImageCircle", "lensOffsetX", "lensOffsetY",
    "daytime_capture", "daytime_capture_save", "daytime_timelapse", "capture_pause", "s3_prefix", "web_nonlocal_images",
    "web_local_images_admin", "data", "type", "name", "uuid", "file_size",
}  # fmt: skip
_OF_A_NIGHT = {"video", "keogram", "startrail", "startrailvideo"}


class RefusedError(Exception):
    """What is answered with 400 and a word."""


@dataclass
class Book:
    """What has arrived."""

    cameras: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[tuple[object, ...], tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    """Kind, camera and what makes an entry the only one of its kind: metadata and media."""
    heads: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    ids: int = 0
    says: tuple[int, bytes] | None = None
    """What is answered in place of all that."""
    clock_apart_s: float = 0.0

    def take(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
        """Do with a request what the other program does."""
        files = _files(headers["content-type"], body)
        if "metadata" not in files:
            raise RefusedError("")
        metadata_bytes = files["metadata"][1]
        self._authorize(headers.get("authorization", ""), metadata_bytes)
        kind = path.removeprefix("/indi-allsky/sync/v1/")
        if kind not in {*_OF_A_NIGHT, "camera", "image"}:
            raise KeyError(path)
        if method != "PUT":
            raise RefusedError("this stand-in takes PUT")
        metadata = json.loads(metadata_bytes)
        if kind == "camera":
            return self._camera(metadata)
        name, media = files["media"]
        if len(media) != metadata.get("file_size", -1):
            raise RefusedError("authentication failed")
        if metadata["camera_uuid"] not in self.cameras:
            raise RefusedError("camera not found")
        self.cameras[metadata["camera_uuid"]]["utc_offset"] = int(metadata["utc_offset"])
        metadata["createDate"] += metadata["utc_offset"]
        self._check(kind, metadata, name)
        key: tuple[object, ...]
        if kind == "image":
            key = (kind, metadata["camera_uuid"], metadata["createDate"])
            if key in self.entries:
                raise RefusedError("file_exists")
        else:
            key = (kind, metadata["camera_uuid"], metadata["dayDate"], bool(metadata["night"]))
        self.entries[key] = (metadata, media)
        self.ids += 1
        return {"id": self.ids, "url": f"images/{name}"}

    def media(self, kind: str) -> list[bytes]:
        """Return the media of a kind."""
        return [media for key, (_, media) in self.entries.items() if key[0] == kind]

    def _authorize(self, header: str, metadata: bytes) -> None:
        try:
            _, rest = header.split(" ")
            user, shown = rest.split(":")
        except ValueError:
            raise RefusedError("authentication failed") from None
        floor = int((time.time() + self.clock_apart_s) // 300)
        right = [
            hmac.new(KEY.encode(), str(slot).encode() + metadata, hashlib.sha3_512).hexdigest()
            for slot in (floor, floor - 1, floor + 1, floor - 2, floor - 3, floor - 4)
        ]
        if user != USER or shown not in right:
            raise RefusedError("authentication failed")

    def _camera(self, metadata: dict[str, Any]) -> dict[str, object]:
        assert not metadata.keys() - _CAMERA_COLUMNS, "a key that is no column of the camera's table"
        assert len(metadata["uuid"]) == 36
        assert len(metadata["name"]) <= 90
        metadata.get("data", {}).items()
        for name in ("latitude", "longitude", "nightSunAlt", "utc_offset", "elevation"):
            assert isinstance(metadata[name], (int, float)), name  # its pages compute with them
        self.cameras[metadata["uuid"]] = metadata
        return {"id": 1 + list(self.cameras).index(metadata["uuid"])}

    def _check(self, kind: str, metadata: dict[str, Any], name: str) -> None:
        time.strptime(metadata["dayDate"], "%Y%m%d")
        assert isinstance(metadata["createDate"], (int, float))
        assert isinstance(metadata["night"], bool)
        assert name.endswith((".jpg", ".mp4"))
        assert "/" not in name
        metadata.get("data", {}).items()
        if kind == "image":
            for key in _IMAGE_KEYS:
                metadata[key]
            assert all(metadata[key] is not None for key in _NOT_NULL)
            float(metadata["gain"])
            max([metadata["sqm"], 0.0])  # its pages compare them
            max([metadata["stars"], 0])
        else:
            assert metadata.get("success", False), "shown as failed"


def _files(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Return the parts with a file name, read by the standard library's parser of mail."""
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body, policy=email.policy.HTTP)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename():
            found[str(name)] = (str(part.get_filename()), content)
    return found


@contextmanager
def indiallskyd(issued: Issued, port: int = 0) -> Iterator[tuple[Book, str]]:
    """Serve until the end of the block; yield what arrives and the address."""
    book = Book()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            book.heads.append((self.command, self.path, headers))
            try:
                status, answer = book.says or (200, json.dumps(book.take(self.command, self.path, headers, body)).encode())
            except RefusedError as error:
                status, answer = 400, json.dumps({"error": str(error)}).encode()
            except KeyError as error:
                status, answer = (404 if str(error).startswith("'/") else 500), f"<h1>{error}</h1>".encode()
            except (AssertionError, TypeError, ValueError) as error:
                status, answer = 500, repr(error).encode()
            self.send_response_only(status)
            self.send_header("Date", self.date_time_string(int(time.time() + book.clock_apart_s)))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its parent
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield book, f"https://127.0.0.1:{server.server_address[1]}/indi-allsky"
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()
