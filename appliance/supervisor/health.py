"""The health board: issues raised and cleared by their checks, workers and queues as the system page shows them."""

import logging
import threading
from collections.abc import Callable

from appliance.domain.clock import Clock
from appliance.domain.health import Issue, QueueHealth, Severity, WorkerHealth

log = logging.getLogger(__name__)


class HealthBoard:
    """What is wrong now, and who is at work; safe to use from every thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._issues: dict[str, Issue] = {}
        self._workers: Callable[[], tuple[WorkerHealth, ...]] = tuple
        self._queues: Callable[[], tuple[QueueHealth, ...]] = tuple
        self._is_started = False

    def raise_issue(self, key: str, severity: Severity, title: str, advice: str) -> None:
        """Put up an issue, or change its words; its `since` stays while it lasts."""
        with self._lock:
            old = self._issues.get(key)
            self._issues[key] = Issue(key, severity, title, advice, old.since if old else self._clock.now())
        if old is None:
            log.warning("issue raised: %s: %s", key, title)

    def clear_issue(self, key: str) -> None:
        """Take an issue down; nothing happens where there is none."""
        with self._lock:
            old = self._issues.pop(key, None)
        if old is not None:
            log.info("issue cleared: %s", key)

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Every issue, the gravest first, then the oldest."""
        order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
        with self._lock:
            return tuple(sorted(self._issues.values(), key=lambda i: (order.index(i.severity), i.since, i.key)))

    def watch(self, workers: Callable[[], tuple[WorkerHealth, ...]], queues: Callable[[], tuple[QueueHealth, ...]]) -> None:
        """Take the functions that tell the state of workers and queues."""
        self._workers, self._queues = workers, queues

    def mark_started(self) -> None:
        """Say that every service was opened once, well or not."""
        self._is_started = True

    @property
    def workers(self) -> tuple[WorkerHealth, ...]:
        """Every worker, in the order of their start."""
        return self._workers()

    @property
    def queues(self) -> tuple[QueueHealth, ...]:
        """Every mailbox."""
        return self._queues()

    @property
    def status(self) -> str:
        """`starting`, `ok` or `degraded`: all that `/healthz` says."""
        if not self._is_started:
            return "starting"
        return "degraded" if any(i.severity != Severity.INFO for i in self.issues) else "ok"
