"""The restart ladder of one worker."""

import threading
import time
from collections.abc import Callable

from appliance.domain.clock import SystemClock
from appliance.domain.health import WorkerState
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat, Service
from appliance.supervisor.worker import Worker, WorkerSpec


class Scripted:
    """A service whose steps are given, and which notes what happened to it."""

    def __init__(self, notes: list[str], step: Callable[[], None], open_: Callable[[], None] = lambda: None) -> None:
        self._notes, self._step, self._open = notes, step, open_

    def open(self) -> None:
        self._notes.append("open")
        self._open()

    def step(self) -> None:
        self._step()

    def close(self) -> None:
        self._notes.append("close")


def _run(make: Callable[[Beat], Service], until: Callable[[], bool]) -> tuple[Worker, HealthBoard]:
    stopping = threading.Event()
    board = HealthBoard(SystemClock())
    worker = Worker(WorkerSpec("camera", make, "New pictures", stop=stopping), board)
    worker.start()
    deadline = time.monotonic() + 20
    while not until() and time.monotonic() < deadline:
        time.sleep(0.01)
    stopping.set()
    assert worker.join(5)
    return worker, board


def test_an_exception_closes_the_service_and_builds_a_new_one() -> None:
    notes: list[str] = []
    built: list[int] = []

    def make(beat: Beat) -> Service:
        built.append(1)

        def step() -> None:
            if len(built) == 1:
                raise RuntimeError("lens cap on fire")
            time.sleep(0.01)

        return Scripted(notes, step)

    worker, board = _run(make, lambda: len(notes) >= 3)
    assert notes == ["open", "close", "open", "close"]
    assert worker.health.restarts == 1
    assert worker.health.last_error == "RuntimeError: lens cap on fire"
    assert [issue.key for issue in board.issues] == ["worker.camera"]
    assert "lens cap on fire" in board.issues[0].title


def test_a_failed_open_is_closed_too_and_counts_as_opened() -> None:
    notes: list[str] = []

    def refuse() -> None:
        raise OSError("no such camera")

    worker, board = _run(lambda beat: Scripted(notes, lambda: None, refuse), lambda: len(notes) >= 2)
    assert notes[:2] == ["open", "close"]
    assert worker.opened.is_set()
    assert "no such camera" in board.issues[0].title


def test_pauses_double() -> None:
    starts: list[float] = []

    def make(beat: Beat) -> Service:
        starts.append(time.monotonic())
        raise RuntimeError("again")

    _run(make, lambda: len(starts) == 3)
    assert 0.9 < starts[1] - starts[0] < starts[2] - starts[1]
    assert starts[2] - starts[1] > 1.9


def test_the_age_of_a_hung_step_grows() -> None:
    release = threading.Event()
    entered = threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(10)

    stopping = threading.Event()
    worker = Worker(WorkerSpec("camera", lambda beat: Scripted([], hang), "x", stop=stopping), HealthBoard(SystemClock()))
    worker.start()
    assert entered.wait(5)
    before = worker.beat_age_s
    time.sleep(0.2)
    assert worker.beat_age_s > before + 0.1
    assert worker.health.state is WorkerState.RUNNING
    stopping.set()
    release.set()
    assert worker.join(5)
    assert worker.health.state is WorkerState.STOPPED
