"""A form with files (RFC 7578) as a body that is read in pieces: what is sent is never held as a whole."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.uploads.http import Readable


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form."""

    name: str
    content: Readable
    size: int
    """Bytes that `content` gives from where it stands."""
    file_name: str = ""
    """Empty for a plain field."""
    content_type: str = ""


def field(name: str, data: bytes, *, file_name: str = "", content_type: str = "") -> Part:
    """Return a part whose content is at hand."""
    return Part(name, _Bytes(data), len(data), file_name, content_type)


class Form:
    """A form around its parts; all names are ours, and need no quoting."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.boundary = secrets.token_hex(16)
        self.size = 0
        self._left: list[Readable] = []
        for part in parts:
            self._add_bytes(self._head(part))
            self._left.append(part.content)
            self.size += part.size
            self._add_bytes(b"\r\n")
        self._add_bytes(f"--{self.boundary}--\r\n".encode())

    @property
    def content_type(self) -> str:
        """The header of the request that carries it."""
        return f"multipart/form-data; boundary={self.boundary}"

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        while self._left:
            if piece := self._left[0].read(size):
                return piece
            self._left.pop(0)
        return b""

    def _head(self, part: Part) -> bytes:
        disposition = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{part.name}"'
        if part.file_name:
            disposition += f'; filename="{part.file_name}"'
        kind = [f"Content-Type: {part.content_type}"] if part.content_type else []
        return "\r\n".join([disposition, *kind, "", ""]).encode()

    def _add_bytes(self, data: bytes) -> None:
        self._left.append(_Bytes(data))
        self.size += len(data)


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        piece, self._data = self._data[:size], self._data[size:]
        return piece
