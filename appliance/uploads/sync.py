"""TARGET: another Nightjar. Signed requests bring pictures with their numbers, keograms, star trails and films, in chunks.

The key never travels. Whom they go to, the fingerprint of the other's authority decides, and nothing else.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from pathlib import PurePosixPath
from typing import BinaryIO

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.frame import StoredFrame
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, Numbers, ThingKind, metadata_of
from appliance.domain.secret import Secret
from appliance.security.signedheader import signed_header
from appliance.uploads.http import Answer, Https, parse_address
from appliance.uploads.port import Progress, Sender
from appliance.uploads.trust import authority_of

HERE = "/api/v1/sync"
AUTHORITY = "/certificate/nightjar-ca.pem"
FIRST_CHUNK, SMALLEST_CHUNK, LARGEST_CHUNK = 256 << 10, 16 << 10, 8 << 20
CHUNK_S = 5.0
"""A chunk is as large as what goes over the line in this time: a cut costs no more, and no place there is held for long."""
MOST_WAITS = 6
"""How often a busy receiver is asked again at once, before the upload waits its turn."""
LONGEST_WAIT_S = 10
_PIECE = 1 << 20
_FAULTS: Mapping[int, Fault] = {
    HTTPStatus.UNAUTHORIZED: Fault.LOGIN,
    HTTPStatus.NOT_FOUND: Fault.PATH,
    HTTPStatus.METHOD_NOT_ALLOWED: Fault.PATH,
    HTTPStatus.MISDIRECTED_REQUEST: Fault.NAME,
    HTTPStatus.INSUFFICIENT_STORAGE: Fault.FULL,
}


@dataclass(frozen=True, slots=True)
class SyncPlace:
    """Where, and with which key."""

    address: str
    """https, of the other's panel."""
    fingerprint: str
    """SHA-256 of its authority, in pairs of hexadecimal digits."""
    key: Secret[str] | None
    sender: Sender
    frame_of: Callable[[str], StoredFrame | None]


class SyncTarget:
    """Another Nightjar; see `Target`."""

    def __init__(
        self, place: SyncPlace, *, now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        try:
            parts = parse_address(place.address)
        except InputError as error:
            raise UploadError(Fault.PATH, str(error)) from error
        if place.key is None:
            raise UploadError(Fault.LOGIN, "Enter the key that the other Nightjar shows.")
        self._place, self._key, self._now, self._sleep = place, place.key, now, sleep
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._https: Https | None = None
        self._chunk, self._largest = FIRST_CHUNK, LARGEST_CHUNK

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there; what an interrupted transfer has brought already stays there and is not sent again.

        `progress` is told what is sent this time: a line that is to be spared is spared for what goes over it.
        """
        announced = self._announced(file, size, name, progress)
        path, metadata = _path(announced.key), metadata_of(announced)
        self._greet()
        have = 0 if size <= self._chunk else self._have(self._ask("GET", path, metadata, progress), size)
        sent, stuck = 0, 0
        while have < size:
            file.seek(have)
            chunk = file.read(min(self._chunk, size - have))
            if not chunk:
                raise UploadError(Fault.BROKEN, "the file has become shorter")
            begin_s, before = time.monotonic(), have
            answer = self._ask("PUT", f"{path}?offset={have}", metadata, progress, chunk, sent)
            have = self._have(answer, size)
            sent += len(chunk)
            self._pace(len(chunk), time.monotonic() - begin_s)
            stuck = 0 if have > before else stuck + 1
            if stuck > 2:
                raise UploadError(Fault.BROKEN, f"the other side stays at {have} of {size} bytes")

    def check(self) -> None:
        """Ask the other side, with a signed question, who it is."""
        self._greet()

    def close(self) -> None:
        """Hang up."""
        https, self._https = self._https, None
        if https is not None:
            https.close()

    def _announced(self, file: BinaryIO, size: int, name: str, progress: Progress) -> Announced:
        """Return what a file is, by its name here, and what is told of it.

        Raises
        ------
        UploadRefusedError
            If it is nothing that another Nightjar shows.
        """
        path = PurePosixPath(name)
        frame = self._place.frame_of(path.name)
        try:
            if frame is not None:
                numbers = Numbers(frame.started_at, frame.exposure, frame.measurement, frame.sensor_temperature_c)
                return Announced(Key(ThingKind.FRAME, frame.night, str(frame.id)), size, _hash_of(file, progress), numbers)
            kind = ThingKind.FILM if path.suffix == ".mp4" else ThingKind.PRODUCT
            key = Key(kind, NightId(path.parent.name), path.stem)
        except (ValueError, InputError) as error:
            raise UploadRefusedError(f"Another Nightjar shows nothing of this name: {name}") from error
        return Announced(key, size, _hash_of(file, progress), None)

    def _greet(self) -> None:
        """Find out, once a connection, whether it is the right one and takes our key."""
        if self._https is not None:
            return
        authority = authority_of(self._host, self._port, AUTHORITY, self._place.fingerprint)
        self._https = Https(self._host, self._port, authority)
        sender = self._place.sender
        told = "".join(filter(str.isascii, f"{sender.site_name} ({sender.device_id}), Nightjar {sender.version}"))
        try:
            answer = self._ask("GET", HERE, told, lambda _: None)
            self._largest = max(SMALLEST_CHUNK, min(LARGEST_CHUNK, _number(_told(answer)["chunk_bytes"])))
        except (KeyError, TypeError, ValueError) as error:
            raise UploadError(Fault.PATH, "What answers there is no Nightjar that takes pictures.") from error

    def _ask(self, method: str, path: str, metadata: str, progress: Progress, body: bytes = b"", sent: int = 0) -> Answer:
        """Make one signed request; a busy receiver is asked again."""
        if self._https is None:
            raise ValueError("nobody was greeted")
        for _ in range(MOST_WAITS):
            try:
                signed = signed_header(self._key, method, path, body=body, metadata=metadata, time_s=int(self._now()))
                headers = {"Authorization": signed, "Nightjar-Metadata": metadata, "Content-Type": "application/octet-stream"}
                answer = self._https.ask(
                    method, path, headers, BytesIO(body), size=len(body), progress=lambda done: progress(sent + done)
                )
            except UploadError as error:
                raise UploadError(error.fault, str(error)) from error  # what it shows is not for anybody to trust here
            except InputError as error:
                raise UploadError(Fault.LOGIN, str(error)) from error
            if answer.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
                return _good(answer)
            for _ in range(_seconds(answer)):
                self._sleep(1.0)
                progress(sent)
        raise UploadError(Fault.BROKEN, "the other side is busy")

    def _have(self, answer: Answer, size: int) -> int:
        """Return how many bytes the other side has; all of them only when it has stored them."""
        try:
            told = _told(answer)
            have = _number(told["have"])
            is_stored = told["state"] == "stored"
        except (KeyError, TypeError, ValueError) as error:
            raise UploadError(Fault.BROKEN, "no answer that could be understood") from error
        if is_stored:
            return size
        return max(0, min(have, size - 1))

    def _pace(self, sent: int, took_s: float) -> None:
        """Choose the size of the next chunk by how fast the last one went."""
        fits = int(sent / max(took_s, 0.01) * CHUNK_S)
        self._chunk = max(SMALLEST_CHUNK, min(fits, 4 * self._chunk, self._largest))


def _path(key: Key) -> str:
    return f"{HERE}/{key.kind.value}/{key.night}/{key.name}"


def _hash_of(file: BinaryIO, progress: Progress) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
        progress(0)
    return digest.hexdigest()


def _told(answer: Answer) -> dict[str, object]:
    told = json.loads(answer.body)
    if not isinstance(told, dict):
        raise TypeError("not an object")
    return told


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number: {value!r}")
    return value


def _seconds(answer: Answer) -> int:
    text = answer.headers.get("retry-after", "")
    return max(1, min(int(text) if text.isascii() and text.isdigit() else 1, LONGEST_WAIT_S))


def _good(answer: Answer) -> Answer:
    """Return an answer that says how far a thing has come.

    Raises
    ------
    UploadRefusedError
        If this thing is not taken.
    UploadError
        With what the other side said.
    """
    try:
        told = _told(answer)
    except (ValueError, TypeError):
        told = {}
    if answer.is_well or (answer.status == HTTPStatus.CONFLICT and "have" in told):
        return answer
    said = str(told.get("detail", f"{answer.status} {answer.reason}"))[:300]
    if told.get("reason") == "clock":
        raise UploadError(Fault.CLOCK, said)
    if answer.status == HTTPStatus.BAD_REQUEST:
        raise UploadRefusedError(f"The other Nightjar does not take it: {said}")
    raise UploadError(_FAULTS.get(answer.status, Fault.BROKEN), said)
