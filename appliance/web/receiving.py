"""What peers send is taken in: recognised by what is in it, bounded, and stored only when it is whole."""

import hashlib
import mmap
from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.errors import InputError
from appliance.domain.peer import Announced, Peer, ThingKind
from appliance.imaging.recognise import recognise_jpeg, recognise_mp4, thumb_of_jpeg
from appliance.store.arriving import ArrivingStore
from appliance.store.files import DataFolder
from appliance.store.received import Form, ReceivedStore
from appliance.web.answers import BusyError, TurnedAwayError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """How far a thing has come."""

    is_stored: bool
    have: int
    """Bytes that are here."""
    is_new: bool = False
    """Whether this request has stored it."""


class Receiver:
    """Takes things of every peer in."""

    def __init__(
        self, received: ReceivedStore, arriving: ArrivingStore, folder: DataFolder, reserve_bytes: Callable[[], int]
    ) -> None:
        self._received, self._arriving, self._folder, self._reserve_bytes = received, arriving, folder, reserve_bytes

    def look(self, peer: Peer, announced: Announced) -> Arrival:
        """Return how far a thing has come."""
        found = self._received.find(peer.id, announced.key)
        if found is not None and found.sha256 == announced.sha256:
            return Arrival(is_stored=True, have=found.size)
        return Arrival(is_stored=False, have=self._arriving.have(peer.id, announced))

    def take(self, peer: Peer, announced: Announced, offset: int, data: bytes) -> Arrival:
        """Take bytes of a thing; store it when they are its last.

        Bytes that go on elsewhere than the last ones ended are not taken: the answer says where to go on.

        Raises
        ------
        TurnedAwayError
            If there is no room for this peer, or the bytes are not what was announced.
        InputError
            If they are nothing that is shown here.
        BusyError
            If another request brings the same thing.
        DiskFullError
        """
        now = self.look(peer, announced)
        if now.is_stored:
            return now
        if offset + len(data) > announced.size:
            raise InputError("These are more bytes than were announced.")
        self._check_room(peer, announced, now.have)
        if len(data) == announced.size:
            return self.take_whole(peer, announced, data)
        try:
            have = self._arriving.add(peer.id, announced, data, offset)
        except BlockingIOError as error:
            raise BusyError("Another request brings the same thing just now.", 5) from error
        if have != announced.size:
            return Arrival(is_stored=False, have=have)
        return self._finish(peer, announced)

    def take_whole(self, peer: Peer, announced: Announced, data: bytes) -> Arrival:
        """Store a thing of which all bytes are here."""
        if hashlib.sha256(data).hexdigest() != announced.sha256:
            raise _other_bytes()
        form = _form(announced, data)
        is_new = self._received.keep(peer.id, announced, form, data)
        self._arriving.drop(peer.id, announced)
        return Arrival(is_stored=True, have=announced.size, is_new=is_new)

    def _finish(self, peer: Peer, announced: Announced) -> Arrival:
        try:
            if self._arriving.digest(peer.id, announced) != announced.sha256:
                raise _other_bytes()
            part = self._arriving.path(peer.id, announced)
            form = self._form_of_file(announced, part)
        except (TurnedAwayError, InputError):
            self._arriving.drop(peer.id, announced)
            raise
        return Arrival(is_stored=True, have=announced.size, is_new=self._received.keep(peer.id, announced, form, part=part))

    def take_file(self, peer: Peer, announced: Announced, part: str) -> None:
        """Store a thing of which all bytes lie in a file of the data folder, hashed already; the file is moved.

        Raises
        ------
        TurnedAwayError
            If there is no room for this peer.
        InputError
            If it is nothing that is shown here.
        DiskFullError
        """
        self._check_room(peer, announced, announced.size)
        self._received.keep(peer.id, announced, self._form_of_file(announced, part), part=part)

    def _form_of_file(self, announced: Announced, part: str) -> Form:
        with (
            self._folder.path_of(part).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            return _form(announced, data)

    def _check_room(self, peer: Peer, announced: Announced, have: int) -> None:
        if self._received.bytes_of(peer.id) + announced.size > peer.limits.most_mib * MIB:
            raise TurnedAwayError(
                507, "limit", f"This appliance keeps at most {peer.limits.most_mib} MiB of yours, and one night has them all."
            )
        self._received.check_room(announced.size - have, self._reserve_bytes())


def _form(announced: Announced, data: bytes | memoryview) -> Form:
    """Return what is in the bytes; InputError if that is not what such a thing holds."""
    kind = announced.key.kind
    if kind is ThingKind.FILM:
        film = recognise_mp4(lambda at, size: bytes(data[at : at + size]), len(data))
        return Form(film.width, film.height)
    seen = recognise_jpeg(data)
    thumb = thumb_of_jpeg(data)  # which proves that all of it can be decoded
    return Form(seen.width, seen.height, thumb if kind is ThingKind.FRAME else b"")


def _other_bytes() -> TurnedAwayError:
    return TurnedAwayError(422, "bytes", "The bytes are not those that were announced; send it again from its beginning.")
