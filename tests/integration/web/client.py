"""A small HTTPS client that shows every byte, for what ordinary clients would not send."""

import socket
import ssl
from dataclasses import dataclass
from typing import Self


def trusting_nothing() -> ssl.SSLContext:
    """Return a client context that takes any certificate: what is tested here is not trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_CONTEXT = trusting_nothing()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One TLS connection."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = "127.0.0.1", timeout: float = 20.0) -> None:
        plain = socket.create_connection((host, port), timeout=timeout, source_address=(source, 0))
        self.socket = _CONTEXT.wrap_socket(plain)
        self.name = f"{host}:{port}"
        self._inbox = b""

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, method: str, target: str, body: bytes = b"", /, **headers: str) -> Answer:
        lines = [f"{method} {target} HTTP/1.1"]
        if "host" not in headers:
            lines.append(f"host: {self.name}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self.answer(has_body=method != "HEAD")

    def answer(self, *, has_body: bool = True) -> Answer:
        while b"\r\n\r\n" not in self._inbox:
            self._more()
        head, _, self._inbox = self._inbox.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        status = int(first.split()[1])
        length = int(headers.get("content-length", 0)) if has_body and status not in (204, 304) else 0
        while len(self._inbox) < length:
            self._more()
        body, self._inbox = self._inbox[:length], self._inbox[length:]
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except OSError:
            return True

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> None:
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError(f"closed after {self._inbox[:200]!r}")
        self._inbox += piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
