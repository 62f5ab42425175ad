"""A receiving Nightjar for tests: the real panel over real TLS, a peer in it, and the sender's side of the pairing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.domain.frame import StoredFrame
from appliance.domain.peer import Peer, PeerLimits
from appliance.domain.secret import Secret
from appliance.uploads.port import Sender
from appliance.uploads.sync import SyncPlace, SyncTarget
from appliance.web.parts import Listen
from appliance.web.service import WebService
from tests.unit.web.world import World, make_world

SENDER = Sender("7Q2M9KD4", "Hilltop", "0.1.0")


@dataclass
class Observatory:
    """A receiving panel that runs."""

    world: World
    port: int
    peer: Peer
    key: Secret[str]

    @property
    def fingerprint(self) -> str:
        return self.world.parts.certificates.fingerprint

    def place(
        self, frame_of: Callable[[str], StoredFrame | None] = lambda _: None, *, port: int = 0, key: Secret[str] | None = None
    ) -> SyncPlace:
        """Return what the sender's admin has pasted."""
        return SyncPlace(f"https://127.0.0.1:{port or self.port}", self.fingerprint, key or self.key, SENDER, frame_of)

    def target(self, frame_of: Callable[[str], StoredFrame | None] = lambda _: None, *, port: int = 0) -> SyncTarget:
        return SyncTarget(self.place(frame_of, port=port))


@contextmanager
def observatory(folder: Path) -> Iterator[Observatory]:
    """Run one, claimed, with a peer named Hilltop."""
    with make_world(folder, Listen(port=0)) as world:
        world.claim()
        settings = world.parts.settings.published.value
        retention = settings.retention.model_copy(update={"reserve_mib": 1})
        world.parts.settings.save(settings.model_copy(update={"retention": retention}), "test")
        service = WebService(world.parts)
        service.open()
        try:
            peer, key = world.parts.peer_gate.make("Hilltop", PeerLimits())
            yield Observatory(world, service.port, peer, key)
        finally:
            service.close()


class Relay:
    """A stretch of network that can be cut: passes bytes on between two sockets, and drops every connection at a cut."""

    def __init__(self, port: int) -> None:
        self._to, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._passing: list[threading.Thread] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.budget: int | None = None
        """How many more bytes pass before the next cut; None for all."""
        self.cuts = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Drop every connection, without a word."""
        self.cuts += 1
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _end(*pair)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        self.cut()
        for thread in self._passing:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((near, far))
            thread = threading.Thread(target=self._pass_both, args=(near, far), daemon=True)
            self._passing.append(thread)
            thread.start()

    def _pass_both(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
        back.start()
        self._pass(near, far)
        back.join()
        near.close()
        far.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(1 << 14):
                target.sendall(piece)
                if self.budget is not None:
                    self.budget -= len(piece)
                    if self.budget <= 0:
                        self.budget = None
                        self.cut()
        except OSError:
            return
        finally:
            _end(source, target)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def film(folder: Path, side: int = 64, frames: int = 12) -> bytes:
    """Return a small MP4 made by a real encoder."""
    path = folder / "made.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12, (side, side))
    rng = np.random.default_rng(3)
    for _ in range(frames):
        writer.write(rng.integers(0, 255, (side, side, 3), dtype=np.uint8))
    writer.release()
    return path.read_bytes()
