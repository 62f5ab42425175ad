"""The supervisor: owns every worker, watches heart-beats and memory, stops all in order."""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from appliance.domain.health import QueueHealth, WorkerHealth
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.worker import Worker, WorkerSpec

log = logging.getLogger(__name__)

STUCK_AFTER_S = 45.0
START_DEADLINE_S = 30.0
"""READY is said at the latest after this, also where a service does not open."""
HEAD_START_S = 5.0
"""The first service opens before the others begin, or goes on beside them after this."""
STOP_DEADLINE_S = 8.0
EXIT_SICK = 70
"""A thread hung or memory ran away: the process cannot heal itself, whoever started it starts it again."""


def used_memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine_memory_bytes() -> int:
    """Return the memory of the machine."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


class Supervisor:
    """Starts workers in the given order, the first one with a lead, watches them, and joins them in reverse order."""

    def __init__(
        self,
        specs: Sequence[WorkerSpec],
        queues: Callable[[], tuple[QueueHealth, ...]],
        board: HealthBoard,
        notifier: Notifier,
        *,
        memory_limit_bytes: int,
        on_ready: Callable[[], None] = lambda: None,
        changing: Callable[[], Sequence[WorkerSpec]] = tuple,
        take_signals: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Take what to run.

        Parameters
        ----------
        specs : sequence of WorkerSpec
            Those that run from the start to the end.
        queues : callable
            Returns how the queues between them stand.
        board, notifier
        memory_limit_bytes : int
            A process that grows past it ends itself.
        on_ready : callable
            Called once when all are open.
        changing : callable
            Returns those that are to run now besides; asked every second. One that is no longer named is ended.
        take_signals : callable or None
            Has the given function called when the process is to end; by default upon SIGTERM and SIGINT.
        """
        self._board, self._notifier = board, notifier
        self._memory_limit_bytes = memory_limit_bytes
        self._on_ready = on_ready
        self._stopping = threading.Event()
        self._changing, self._take_signals = changing, take_signals or _upon_signals
        self._workers = [Worker(spec, board) for spec in specs]
        self._fixed = frozenset(spec.name for spec in specs)
        board.watch(self._workers_health, queues)

    def run(self) -> int:
        """Run until a stop is asked for and return the exit code; ends the process itself where a thread hangs."""
        self._take_signals(self.stop)
        for worker in self._workers:
            worker.start()
            if worker is self._workers[0]:
                worker.opened.wait(HEAD_START_S)
        started_at, is_ready = time.monotonic(), False
        while not self._stopping.wait(0.1 if not is_ready else 1.0):
            if not is_ready and (self._all_opened() or time.monotonic() - started_at > START_DEADLINE_S):
                is_ready = True
                self._board.mark_started()
                self._notifier.ready()
                self._on_ready()
            self._follow_changes()
            self._check()
            self._notifier.alive(self._status_line())
        return self._end()

    def stop(self) -> None:
        """Have everything end soon; `run` returns then."""
        self._stopping.set()

    def _follow_changes(self) -> None:
        """Start who is to run now, let those end who are not, and forget who has ended."""
        wanted = {spec.name: spec for spec in self._changing()}
        for worker in self._workers:
            if worker.spec.name not in self._fixed and wanted.get(worker.spec.name) is not worker.spec:
                worker.spec.stop.set()
        gone = [worker for worker in self._workers if worker.spec.stop.is_set() and not worker.is_alive]
        for worker in gone:
            self._board.clear_issue(f"worker.{worker.spec.name}")
        staying = [worker for worker in self._workers if worker not in gone]
        running = {worker.spec.name for worker in staying}
        new = [Worker(spec, self._board) for name, spec in wanted.items() if name not in running]
        self._workers = [*staying, *new]  # another list: the panel's threads read it
        for worker in new:
            worker.start()

    def _workers_health(self) -> tuple[WorkerHealth, ...]:
        return tuple(worker.health for worker in self._workers)

    def _all_opened(self) -> bool:
        return all(worker.opened.is_set() for worker in self._workers)

    def _status_line(self) -> str:
        issues = self._board.issues
        return f"{self._board.status}: {issues[0].title}" if issues else self._board.status

    def _check(self) -> None:
        for worker in self._workers:
            if worker.beat_age_s > (worker.spec.stuck_after_s or STUCK_AFTER_S):
                end_sick(f"worker {worker.spec.name} gave no sign for {worker.beat_age_s:.0f} s")
            if not worker.is_alive and not worker.spec.stop.is_set():
                end_sick(f"the thread of worker {worker.spec.name} ended")
        used = used_memory_bytes()
        if used > self._memory_limit_bytes:
            end_sick(f"memory ran away: {used >> 20} MiB used, the limit is {self._memory_limit_bytes >> 20} MiB")

    def _end(self) -> int:
        self._notifier.stopping()
        log.info("stopping")
        for worker in self._workers:
            worker.spec.stop.set()
        deadline = time.monotonic() + STOP_DEADLINE_S
        late = [w.spec.name for w in reversed(self._workers) if not w.join(max(0.1, deadline - time.monotonic()))]
        if late:
            log.error("these workers did not stop in %.0f s: %s", STOP_DEADLINE_S, ", ".join(late))
            return EXIT_SICK
        log.info("stopped")
        return 0


def _upon_signals(stop: Callable[[], None]) -> None:
    def react(_number: int, _frame: FrameType | None) -> None:
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, react)


def end_sick(reason: str) -> None:
    """Write why and where every thread stands to stderr, and end the process at once with code 70."""
    log.critical("ending with code %d: %s", EXIT_SICK, reason)
    sys.stderr.flush()
    faulthandler.dump_traceback(all_threads=True)
    os._exit(EXIT_SICK)
