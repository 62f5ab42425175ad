"""TARGET: a web server with TLS: a WebDAV folder (RFC 4918), or an address that takes PUT, or forms by POST."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from appliance.domain.errors import InputError, UploadError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.settings.targets import WebMethod
from appliance.uploads.faults import wrong_length
from appliance.uploads.form import Form, Part, field
from appliance.uploads.http import Https, parse_address, raise_for, type_of
from appliance.uploads.port import Progress

_CHECK = "nightjar-check.txt"
_NO_MOVE = {405, 501}


@dataclass(frozen=True, slots=True)
class WebPlace:
    """Where, how, and as whom."""

    address: str
    """https, of a folder; for POST of whatever takes the form."""
    method: WebMethod
    user: str
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    password: Secret[str] | None = None
    token: Secret[str] | None = None


class WebTarget:
    """A web server; see `Target`."""

    def __init__(self, place: WebPlace) -> None:
        try:
            parts = parse_address(place.address)
        except InputError as error:
            raise UploadError(Fault.PATH, str(error)) from error
        self._place = place
        self._origin = f"https://{parts.netloc}"
        self._path = parts.path or "/"
        self._query = f"?{parts.query}" if parts.query else ""
        self._folder = self._path if self._path.endswith("/") else f"{self._path}/"
        self._https = Https(parts.hostname or "", parts.port or 443, place.certificate)
        self._known_folders: set[str] = set()

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there."""
        match self._place.method:
            case WebMethod.WEBDAV:
                self._deliver_by_webdav(file, size, name, progress)
            case WebMethod.PUT:
                self._put(self._folder + quote(name) + self._query, file, size, name, progress)
            case WebMethod.POST:
                self._post(file, size, name, progress)

    def check(self) -> None:
        """Write a small file and remove it; a place that takes forms is only asked whether it is there and lets us in."""
        if self._place.method is WebMethod.POST:
            answer = self._https.ask("HEAD", self._path + self._query, self._headers())
            if answer.status not in {400, 405, 501}:  # it takes forms, and says so in its own way
                raise_for(answer, "HEAD")
            return
        if self._place.method is WebMethod.WEBDAV:
            self._find_folder()
        path = self._folder + _CHECK + self._query
        raise_for(self._https.ask("PUT", path, self._headers("text/plain"), b"Nightjar\n" * 100), "PUT")
        gone = self._https.ask("DELETE", path, self._headers())
        if gone.status not in {404, *_NO_MOVE}:  # many a place that takes PUT removes nothing
            raise_for(gone, "DELETE")

    def close(self) -> None:
        """Hang up."""
        self._known_folders.clear()
        self._https.close()

    def _deliver_by_webdav(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Write under another name, then move it over what lay there."""
        folder, _, base = name.rpartition("/")
        self._make_folders(folder, progress)
        path = self._folder + quote(name)
        part = self._folder + quote(f"{folder}/upload-{base}" if folder else f"upload-{base}")
        self._put(part, file, size, name, progress)
        found = self._https.ask("HEAD", part, self._headers())
        length = found.headers.get("content-length", "")
        if found.is_well and length.isdecimal() and int(length) != size:
            raise wrong_length(int(length), size)
        moved = self._https.ask("MOVE", part, {**self._headers(), "Destination": self._origin + path, "Overwrite": "T"})
        if moved.status in _NO_MOVE:
            file.seek(0)
            self._put(path, file, size, name, progress)
            self._https.ask("DELETE", part, self._headers())
            return
        raise_for(moved, "MOVE")

    def _make_folders(self, below: str, progress: Progress) -> None:
        """Make the folders below the address, which must be there: else a typing error would make a tree."""
        if below in self._known_folders:
            return
        if not self._known_folders:
            self._find_folder()
        path = self._folder
        for part in filter(None, below.split("/")):
            progress(0)
            path += f"{quote(part)}/"
            made = self._https.ask("MKCOL", path, self._headers())
            if made.status != 405:  # that one is there already
                raise_for(made, "MKCOL")
        self._known_folders |= {"", below}

    def _find_folder(self) -> None:
        answer = self._https.ask("PROPFIND", self._folder, {**self._headers(), "Depth": "0"})
        raise_for(answer, "PROPFIND")

    def _put(self, path: str, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        headers = self._headers(type_of(name))
        raise_for(self._https.ask("PUT", path, headers, file, size=size, progress=progress), "PUT")

    def _post(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Send a form with the fields `name` and `file` (RFC 7578)."""
        base = name.rpartition("/")[2]
        form = Form([field("name", name.encode()), Part("file", file, size, base, type_of(name))])
        headers = self._headers(form.content_type)
        path = self._path + self._query
        raise_for(
            self._https.ask("POST", path, headers, form, size=form.size, progress=lambda sent: progress(min(sent, size))), "POST"
        )

    def _headers(self, content_type: str = "") -> Mapping[str, str]:
        headers = {"Content-Type": content_type} if content_type else {}
        if self._place.token is not None:
            headers["Authorization"] = f"Bearer {_one_line(self._place.token)}"
        elif self._place.password is not None:
            pair = f"{self._place.user}:{self._place.password.reveal()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers


def _one_line(token: Secret[str]) -> str:
    text = token.reveal().strip()
    if not text.isascii() or not text.isprintable():
        raise UploadError(Fault.LOGIN, "The token holds signs that cannot be sent: enter it again.")
    return text
