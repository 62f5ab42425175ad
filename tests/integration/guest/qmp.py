"""QEMU's monitor: a word and its answer, and what happens meanwhile."""

import contextlib
import json
import queue
import socket
import threading
import time
from pathlib import Path
from typing import Any


class QmpError(RuntimeError):
    """QEMU refused a command."""


class Monitor:
    """A connection to QEMU's monitor; one thread reads, whoever asks waits for its answer."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                self._socket.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        self.events: list[dict[str, Any]] = []
        """All that happened since the start, in order."""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.run("qmp_capabilities")

    def _read(self) -> None:
        inbox = b""
        while True:
            try:
                piece = self._socket.recv(1 << 16)
            except OSError:
                piece = b""
            if not piece:
                self._answers.put({"error": {"desc": "QEMU has ended"}})
                return
            inbox += piece
            *lines, inbox = inbox.split(b"\n")
            for said in map(json.loads, lines):
                if "event" in said:
                    with self._changed:
                        self.events.append(said)
                        self._changed.notify_all()
                elif "QMP" not in said:
                    self._answers.put(said)

    def run(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - QEMU's answers have no common form
        """Run a command; arguments are called as in QEMU with `_` for `-`."""
        with self._lock:
            named = {name.replace("_", "-"): value for name, value in arguments.items()}
            self._socket.sendall(json.dumps({"execute": command, "arguments": named}).encode() + b"\n")
            answer = self._answers.get(timeout=120)
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_for_event(self, name: str, *, after: int, timeout_s: float = 120, **data: object) -> dict[str, Any]:
        """Return the first event of a name and data that came after so many events."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for event in self.events[after:]:
                    if event["event"] == name and data.items() <= event.get("data", {}).items():
                        return dict(event.get("data", {}))
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    raise TimeoutError(f"no {name} {data} in {timeout_s:.0f} s")

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(30)
        self._socket.close()
