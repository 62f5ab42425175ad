"""Workers that come and go while the supervisor runs."""

import threading
import time
from collections.abc import Callable

from appliance.domain.clock import SystemClock
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.supervisor import Supervisor
from appliance.supervisor.worker import WorkerSpec


class Told:
    """A service that tells what is done with it; one that is busy waits for its stop within a step."""

    def __init__(self, name: str, told: list[str], stop: threading.Event, *, is_busy: bool) -> None:
        self._name, self._told, self._stop, self._is_busy = name, told, stop, is_busy

    def open(self) -> None:
        self._told.append(f"open {self._name}")

    def step(self) -> None:
        if self._is_busy:
            assert self._stop.wait(20)
        time.sleep(0.02)

    def close(self) -> None:
        self._told.append(f"close {self._name}")


def run_with(wanted: list[WorkerSpec], fixed: WorkerSpec, script: Callable[[HealthBoard], None]) -> int:
    """Run a supervisor in this thread while a script in another changes what is wanted, and then stop it."""
    board = HealthBoard(SystemClock())
    made = Supervisor(
        [fixed],
        tuple,
        board,
        Notifier(),
        memory_limit_bytes=64 << 30,
        changing=lambda: tuple(wanted),
        take_signals=lambda _: None,
    )
    failed: list[Exception] = []

    def play() -> None:
        try:
            script(board)
        except (AssertionError, ValueError) as error:  # told to the test's own thread
            failed.append(error)
        finally:
            made.stop()

    player = threading.Thread(target=play)
    player.start()
    code = made.run()
    player.join(30)
    if failed:
        raise failed[0]
    return code


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_is_wanted_runs_and_who_is_not_ends_without_the_process() -> None:
    told: list[str] = []

    def spec(name: str, *, is_busy: bool = False) -> WorkerSpec:
        stop = threading.Event()
        return WorkerSpec(name, lambda _: Told(name, told, stop, is_busy=is_busy), "x", stop=stop)

    wanted: list[WorkerSpec] = []

    def script(board: HealthBoard) -> None:
        def names() -> set[str]:
            return {worker.name for worker in board.workers}

        until(lambda: "open fixed" in told)
        wanted[:] = [spec("one"), spec("two", is_busy=True)]
        until(lambda: {"open one", "open two"} <= set(told))
        assert names() == {"fixed", "one", "two"}
        del wanted[1]
        until(lambda: "close two" in told)
        until(lambda: names() == {"fixed", "one"})
        wanted[0] = spec("one")  # another of the same name takes its place once it has ended
        until(lambda: told.count("open one") == 2)
        assert told.index("close one") < len(told) - told[::-1].index("open one") - 1

    assert run_with(wanted, spec("fixed"), script) == 0
    assert sorted(told) == sorted(["open fixed", "close fixed", *["open one", "close one"] * 2, "open two", "close two"])
