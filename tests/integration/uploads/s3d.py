"""A real object store (SeaweedFS) with TLS, a relay that can meddle with what is sent there, and curl to look at both."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.integration.uploads.certificates import Authority

WEED = Path(sys.executable).parent / "weed"
BUCKET = "sky"
KEY_ID, SECRET_KEY = "AKADA", "moons of Jupiter"
READER_ID, READER_KEY = "AKBOB", "rings of Saturn"
IDENTITIES = {
    "identities": [
        {
            "name": "ada",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {"name": "bob", "credentials": [{"accessKey": READER_ID, "secretKey": READER_KEY}], "actions": ["Read", "List"]},
    ]
}


@dataclass
class Store:
    """The store, and where it is."""

    folder: Path
    port: int
    plain_port: int
    """The same without TLS, for a relay."""
    authority: Authority
    process: "subprocess.Popen[bytes]"

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def curl(self, path: str, *arguments: str) -> bytes:
        """Ask as the owner; curl signs on its own."""
        command = ["curl", "--silent", "--show-error", "--http1.1", "--max-time", "60", "--cacert", str(self.folder / "ca.pem")]
        command += ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{KEY_ID}:{SECRET_KEY}", *arguments]
        if path:
            command.append(f"{self.endpoint}/{path}")
        return subprocess.run(command, check=True, capture_output=True, timeout=90).stdout

    def head(self, key: str) -> str:
        """Return what the store says of an object, its status first."""
        return self.curl(f"{BUCKET}/{quote(key)}", "--head").decode()

    def found(self, prefix: str = "") -> dict[str, bytes]:
        """Return every object under a prefix with its bytes."""
        listing = self.curl(f"{BUCKET}/?list-type=2").decode()
        assert "<IsTruncated>false" in listing
        keys = [key for key in re.findall(r"<Key>([^<]*)</Key>", listing) if key.startswith(prefix)]
        names = {key: self.folder / f"got-{number}" for number, key in enumerate(keys)}
        config = self.folder / "wanted"
        pairs = (f'url="{self.endpoint}/{BUCKET}/{quote(key)}"\noutput="{path}"\n' for key, path in names.items())
        config.write_text("".join(pairs))
        if keys:
            self.curl("", "--fail", "--config", str(config))
        return {key: path.read_bytes() for key, path in names.items()}

    def unfinished(self) -> list[str]:
        """Return the keys of uploads that were begun and neither completed nor ended."""
        return re.findall(r"<Key>([^<]*)</Key>", self.curl(f"{BUCKET}/?uploads=").decode())


@contextmanager
def store(folder: Path, authority: Authority, ports: list[int]) -> Iterator[Store]:
    """Run a store until the end of the block; what lies in its folder is there again the next time.

    Parameters
    ----------
    folder : Path
    authority : Authority
        Who has signed for it.
    ports : list of int
        Nine of them, see `free_ports`.
    """
    data = folder / "data"
    if not data.exists():
        data.mkdir(parents=True)
        (folder / "s3.json").write_text(json.dumps(IDENTITIES))
        (folder / "ca.pem").write_text(authority.pem)
    issued = authority.issue("store", "127.0.0.1", f"{BUCKET}.localhost")
    named = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    options = dict(zip((*named, "s3.port.grpc", "s3.port", "s3.port.https"), map(str, ports), strict=True))
    options |= {
        "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": str(data), "master.telemetry": "false", "s3": "true", "s3.iam": "false",
        "s3.cert.file": str(issued.certificate), "s3.key.file": str(issued.key), "s3.config": str(folder / "s3.json"),
        "s3.domainName": "localhost", "s3.autoCreateBucket": "false", "s3.port.iceberg": "0", "s3.port.lance": "0",
        "s3.localSocket": str(folder / "s3.sock"), "filer.localSocket": str(folder / "filer.sock"),
        "master.volumeSizeLimitMB": "64", "volume.max": "0", "master.electionTimeout": "1s",
    }  # fmt: skip
    log = folder / "log"
    with log.open("ab") as out:
        command = [str(WEED), "server", *(f"-{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    server = Store(folder, ports[8], ports[7], authority, process)
    try:
        until = time.monotonic() + 90
        while not _is_ready(server):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield server
    finally:
        server.kill()
        for kind, port in (("master", ports[1]), ("volume", ports[3]), ("filer", ports[5]), ("s3", ports[6])):
            Path(f"/tmp/seaweedfs-{kind}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - where it makes them


def free_ports() -> list[int]:
    """Return nine ports that nobody listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(9)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _is_ready(server: Store) -> bool:
    """Return whether the bucket takes files: the parts of the store find each other some time after it listens."""
    with suppress(subprocess.CalledProcessError):
        if "<Error>" in server.curl(f"{BUCKET}/?list-type=2").decode():
            server.curl(BUCKET, "--request", "PUT")
        server.curl(f"{BUCKET}/ready", "--fail", "--upload-file", str(server.folder / "s3.json"))
        server.curl(f"{BUCKET}/ready", "--fail", "--request", "DELETE")
        return True
    return False


class Relay:
    """TLS in front of a plain port: hears what is sent, may change it, and may swallow what is answered."""

    def __init__(
        self,
        certificate: tuple[Path, Path],
        port: int,
        alter: Callable[[bytes], bytes] = lambda data: data,
        lets_through: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        self.heard = bytearray()
        self._alter, self._lets_through, self._port = alter, lets_through, port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        """Carry one request after the other: the requests are read to their end before they are passed on in pieces."""
        with suppress(OSError, ValueError), closing(self._context.wrap_socket(plain, server_side=True)) as client:
            client.settimeout(60)
            with socket.create_connection(("127.0.0.1", self._port), timeout=60) as there:
                while head := _until(client, b"\r\n\r\n"):
                    left = _length(head)
                    self.heard += head
                    there.sendall(self._alter(head))
                    while left:
                        piece = client.recv(min(left, 1 << 16))
                        if not piece:
                            return
                        self.heard += piece
                        left -= len(piece)
                        there.sendall(self._alter(piece))
                    answer = _until(there, b"\r\n\r\n")
                    is_head = head.startswith(b"HEAD")
                    body = b"" if is_head else _exactly(there, _length(answer))
                    if not self._lets_through(head):
                        return
                    client.sendall(answer + body)


def _until(stream: socket.socket, mark: bytes) -> bytes:
    found = b""
    while not found.endswith(mark):
        piece = stream.recv(1)
        if not piece:
            return b""
        found += piece
    return found


def _exactly(stream: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        piece = stream.recv(length - len(found))
        if not piece:
            raise OSError("the store hung up")
        found += piece
    return found


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found.group(1)) if found else 0
