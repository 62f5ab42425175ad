"""A worker: the one place where a service gets a thread, and the one place that catches everything."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.domain.health import Severity, WorkerHealth, WorkerState
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat, Service

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0
STABLE_AFTER_S = 10.0
"""A service that ran this long is well again: its issue goes and its next pause is short."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A service to run: its name, and the factory that builds it afresh after each failure."""

    name: str
    make: Callable[[Beat], Service]
    does: str
    """What a person loses while it is away, for the issue: `New pictures`."""
    stuck_after_s: float | None = None
    """Without a sign for so long, the thread counts as hung, and the process ends itself; None for the usual time."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the work is to end."""


class Worker:
    """Runs one service in one thread, for ever: an exception costs a pause and a new service, never the thread."""

    def __init__(self, spec: WorkerSpec, board: HealthBoard) -> None:
        self.spec = spec
        self._board, self._stopping = board, spec.stop
        self._thread = threading.Thread(target=self._run, name=spec.name, daemon=True)
        self._state, self._restarts, self._last_error = WorkerState.STARTING, 0, ""
        self._failures = 0
        self._beat_at = time.monotonic()
        self.opened = threading.Event()
        """Set once the first `open` has come to an end, well or not."""

    def start(self) -> None:
        """Start the thread."""
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        """Say that the work goes on."""
        self._beat_at = time.monotonic()

    @property
    def beat_age_s(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._beat_at

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end and tell whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def health(self) -> WorkerHealth:
        """What the system page shows."""
        return WorkerHealth(self.spec.name, self._state, self._restarts, self.beat_age_s, self._last_error)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except Exception as error:  # the one place that catches all: a fault costs this service, not the process
                self._failed(error)
            finally:
                self.opened.set()
        self._state = WorkerState.STOPPED

    def _serve(self) -> None:
        """Build, open and step one service until the stop or its first exception; close it in any case."""
        self.beat()
        service = self.spec.make(self.beat)
        try:
            service.open()
            self.opened.set()
            self._state = WorkerState.RUNNING
            opened_at, is_well = time.monotonic(), False
            while not self._stopping.is_set():
                self.beat()
                service.step()
                if not is_well and time.monotonic() - opened_at > STABLE_AFTER_S:
                    is_well = True
                    self._recovered()
        finally:
            self.beat()
            service.close()

    def _recovered(self) -> None:
        self._failures = 0
        self._board.clear_issue(f"worker.{self.spec.name}")

    def _failed(self, error: Exception) -> None:
        pause_s = min(LONGEST_PAUSE_S, 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._last_error = f"{type(error).__name__}: {error}"
        self._state = WorkerState.PAUSED
        log.exception("service failed, next start in %.0f s: %s", pause_s, self.spec.name)
        self._board.raise_issue(
            f"worker.{self.spec.name}",
            Severity.ERROR,
            f"{self.spec.does} stopped: {error}",
            "It starts again by itself. If this stays for more than some minutes, restart the appliance and look at the log.",
        )
        deadline = time.monotonic() + pause_s
        while not self._stopping.is_set() and time.monotonic() < deadline:
            self.beat()
            self._stopping.wait(min(1.0, max(0.0, deadline - time.monotonic())))
        if not self._stopping.is_set():
            self._restarts += 1
            self._state = WorkerState.STARTING
