"""TARGET: an indi-allsky's SyncAPI, version 1: a Nightjar joins a network of that program.

A request is a form with metadata and media, by PUT to a path for each kind, signed as `signingv1.py` says. The camera is
made known first; afterwards the other side knows it by its uuid.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from appliance.domain.errors import InputError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.frame import StoredFrame
from appliance.domain.secret import Secret
from appliance.domain.syncv1 import V1Kind
from appliance.security.signingv1 import SLOT_S, SLOTS_BEFORE, authorization_v1, sign_v1
from appliance.uploads.form import Form, Part, field
from appliance.uploads.http import Answer, Https, parse_address, raise_for
from appliance.uploads.port import Progress, Sender
from appliance.uploads.v1metadata import Metadata, of_camera, of_frame, of_product

_UNKNOWN_CAMERA, _EXISTS, _NOT_LET_IN = "camera not found", "file_exists", "authentication failed"


@dataclass(frozen=True, slots=True)
class V1Place:
    """Where, and as whom."""

    address: str
    """https, with what stands before `/sync/v1/`."""
    user: str
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    key: Secret[str] | None = None


class IndiAllSkyTarget:
    """An indi-allsky that other ones sync to; see `Target`."""

    def __init__(
        self,
        place: V1Place,
        *,
        sender: Callable[[], Sender],
        frame_of: Callable[[str], StoredFrame | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take where to send to.

        Parameters
        ----------
        place : V1Place
        sender : callable
            Returns who sends.
        frame_of : callable
            Returns a stored frame by its picture's own name.
        now : callable
            Unix time: a signature is good for some of the other side's minutes.

        Raises
        ------
        UploadError
            If there is no such place, or no key for it.
        """
        try:
            parts = parse_address(place.address)
        except InputError as error:
            raise UploadError(Fault.PATH, str(error)) from error
        if place.key is None:
            raise UploadError(Fault.LOGIN, "No API key was entered for this place and user.")
        self._user, self._key, self._sender, self._frame_of, self._now = place.user, place.key, sender, frame_of, now
        self._path = parts.path.rstrip("/")
        self._https = Https(parts.hostname or "", parts.port or 443, place.certificate)
        self._is_announced = False

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress) -> None:
        """Bring a file there, after its camera."""
        kind, metadata = self._described(name)
        if not self._is_announced:
            self._announce(progress)
        began_s = self._now()
        answer = self._put(kind, metadata, name, file, size, progress)
        if _error_of(answer) == _UNKNOWN_CAMERA:
            self._announce(progress)
            file.seek(0)
            answer = self._put(kind, metadata, name, file, size, progress)
        if _error_of(answer) == _EXISTS:  # a picture of that second is there: the answer to an earlier try was lost
            return
        if _error_of(answer) == _NOT_LET_IN and self._now() - began_s > SLOT_S * (SLOTS_BEFORE - 1):
            raise UploadRefusedError(
                "It took so long that the other side no longer takes its signature: raise Speed, or send less."
            )
        self._take(answer, kind)

    def check(self) -> None:
        """Make the camera known: the address, the user and the key are right where that is taken."""
        self._announce(lambda _: None)

    def close(self) -> None:
        """Hang up."""
        self._is_announced = False
        self._https.close()

    def _described(self, name: str) -> tuple[V1Kind, Metadata]:
        """Return what a file is, with the metadata that the other side wants of it."""
        night, _, base = name.partition("/")
        sender, now = self._sender(), datetime.fromtimestamp(self._now()).astimezone()
        product = of_product(base, night, sender, now)
        if product is not None:
            return product
        frame = self._frame_of(base)
        if frame is None:
            raise UploadRefusedError(
                "The numbers of this picture are no longer known, and the other side does not take it without."
            )
        return V1Kind.IMAGE, of_frame(frame, sender)

    def _announce(self, progress: Progress) -> None:
        progress(0)
        metadata = of_camera(self._sender(), datetime.fromtimestamp(self._now()).astimezone())
        self._take(self._put(V1Kind.CAMERA, metadata, "camera.ext", None, 0, progress), V1Kind.CAMERA)
        self._is_announced = True

    def _put(self, kind: V1Kind, metadata: Metadata, name: str, file: BinaryIO | None, size: int, progress: Progress) -> Answer:
        text = json.dumps({**metadata, "file_size": size}, allow_nan=False).encode()
        media = (
            field("media", b"", file_name=name) if file is None else Part("media", file, size, name.rpartition("/")[2], _BYTES)
        )
        form = Form([field("metadata", text, file_name="metadata.json", content_type="application/json"), media])
        headers = {
            "Content-Type": form.content_type,
            "Authorization": authorization_v1(self._user, sign_v1(self._key, text, now_s=self._now())),
        }
        path = self._path + kind.path
        return self._https.ask("PUT", path, headers, form, size=form.size, progress=lambda sent: progress(min(sent, size)))

    def _take(self, answer: Answer, kind: V1Kind) -> None:
        """Return where the other side has taken it.

        Raises
        ------
        UploadRefusedError
            If this file is not taken.
        UploadError
        """
        error = _error_of(answer)
        if error == _NOT_LET_IN:
            raise UploadError(Fault.LOGIN, f"The other side says: {error}. {self._apart(answer)}")
        if error == _UNKNOWN_CAMERA:
            raise UploadError(Fault.BROKEN, "The other side forgot this camera a moment after it was made known.")
        if error:
            raise UploadRefusedError(f"The other side says: {error[:200]}")
        raise_for(answer, f"PUT {kind.word}")
        if "id" not in _tree_of(answer):
            raise UploadError(Fault.PATH, "What answers there is no indi-allsky: check Address.")

    def _apart(self, answer: Answer) -> str:
        """Say how far the clocks stand apart, where that may be why."""
        try:
            apart_s = parsedate_to_datetime(answer.headers.get("date", "")).timestamp() - self._now()
        except ValueError:
            return "User or API key are wrong, or the clocks stand more than five minutes apart."
        if abs(apart_s) < SLOT_S:
            return "User or API key are wrong there."
        side = "ahead of" if apart_s > 0 else "behind"
        return f"Its clock is {abs(apart_s):.0f} s {side} this one; set both by network time."


_BYTES = "application/octet-stream"


def _error_of(answer: Answer) -> str:
    return str(_tree_of(answer).get("error", "")) if answer.status == 400 else ""


def _tree_of(answer: Answer) -> Mapping[str, object]:
    try:
        tree = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
