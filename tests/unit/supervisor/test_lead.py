"""The first service, which people wait for, begins before the others; one that cannot open holds nobody up for long."""

import threading
import time
from collections.abc import Callable

import pytest

from appliance.domain.clock import SystemClock
from appliance.supervisor import supervisor as module
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.supervisor import Supervisor
from appliance.supervisor.worker import WorkerSpec


class Opening:
    """A service that does something while it opens."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def open(self) -> None:
        self._act()

    def step(self) -> None:
        time.sleep(0.02)

    def close(self) -> None:
        pass


def run(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run two services until both are open."""

    def stop() -> None:
        made.stop()

    specs = [WorkerSpec("first", lambda _: Opening(first), "x"), WorkerSpec("second", lambda _: Opening(second), "y")]
    made = Supervisor(
        specs,
        tuple,
        HealthBoard(SystemClock()),
        Notifier(),
        memory_limit_bytes=64 << 30,
        on_ready=stop,
        take_signals=lambda _: None,
    )
    assert made.run() == 0


def test_the_first_one_is_open_before_the_next_begins() -> None:
    told: list[str] = []

    def first() -> None:
        time.sleep(0.5)
        told.append("first is open")

    run(first, lambda: told.append("second begins"))
    assert told == ["first is open", "second begins"]


def test_one_that_does_not_open_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_START_S", 0.2)
    has_begun = threading.Event()
    seen: list[bool] = []
    run(lambda: seen.append(has_begun.wait(20)), has_begun.set)
    assert seen == [True]
