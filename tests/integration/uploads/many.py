"""Many files through a server that dies again and again, for every kind of target: queue and worker are the real ones."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import time as time_of_day
from pathlib import Path
from typing import Protocol

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.upload import Courier, CourierState, Outgoing, UploadKind
from appliance.store.database import Database
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads.pace import QuietHours
from appliance.uploads.port import Target
from appliance.uploads.service import Rules, UploadService

TARGET = "there001"
FILES = 500
WITHIN_S = 400.0


class Mortal(Protocol):
    """A server that can be killed with every connection that it serves."""

    def kill(self) -> None:
        """End it without a word."""
        ...


class Hurried(SystemClock):
    """A hundred seconds in one: pauses are a hundredth of the true ones."""

    def monotonic(self) -> float:
        return 100 * super().monotonic()


def files_of(chance: random.Random, number: int = FILES) -> dict[str, bytes]:
    """Return files by their names, some of them empty."""
    return {f"2026-01-{1 + n // 50:02}/{n}.jpg": chance.randbytes(chance.choice((0, 1, 500, 70_000))) for n in range(number)}


@contextmanager
def queue_in(folder: Path, clock: Clock) -> Iterator[UploadQueue]:
    """Open a queue in a database of its own."""
    folder.mkdir(exist_ok=True)
    database = Database(folder, clock)
    database.open()
    try:
        yield UploadQueue(database, clock)
    finally:
        database.close()


def courier_of(
    queue: UploadQueue, here: Path, make_target: Callable[[], Target], chance: random.Random, clock: Clock
) -> UploadService:
    """Return the worker of the target, whose files lie in a folder."""
    midnight = time_of_day()
    return UploadService(
        target_id=TARGET,
        queue=queue,
        open_file=lambda name: (here / name).open("rb"),
        make_target=make_target,
        rules=lambda: Rules("Attic", is_on=True, bytes_per_s=0, quiet=QuietHours(midnight, midnight), revision=1),
        local_time=lambda moment: moment,
        commands=Mailbox("retry", 1),
        published=Published(Courier(CourierState.IDLE)),
        board=HealthBoard(clock),
        clock=clock,
        beat=lambda: None,
        is_stopping=lambda: False,
        chance=chance,
    )


def send_through_a_storm(
    folder: Path,
    files: Mapping[str, bytes],
    make_target: Callable[[], Target],
    serve: Callable[[], AbstractContextManager[Mortal]],
    chance: random.Random,
    *,
    deaths: tuple[int, int] = (3, 8),
) -> None:
    """Send files while the server is started, killed at a random moment, and started again; return when all have arrived.

    Parameters
    ----------
    folder : Path
        Where the sender keeps files and queue.
    files : mapping
        Content by name at the target.
    make_target : callable
    serve : callable
        Runs the server, always on the same port, until the end of the block.
    chance : random.Random
    deaths : tuple of int
        How many there must have been, and are at most: a server that starts slowly dies less often.
    """
    here = folder / "here"
    here.mkdir()
    for number, data in enumerate(files.values()):
        (here / str(number)).write_bytes(data)
    done, dead = threading.Event(), list[Mortal]()

    def torment() -> None:
        while not done.is_set():
            with serve() as server:
                if len(dead) < deaths[1]:
                    done.wait(chance.uniform(0.3, 1.5))
                    server.kill()
                    dead.append(server)
                else:
                    done.wait(WITHIN_S)
            done.wait(chance.uniform(0, 0.3))

    clock = Hurried()
    tormentor = threading.Thread(target=torment)
    with queue_in(folder / "queue", clock) as queue, closing(courier_of(queue, here, make_target, chance, clock)) as courier:
        queue.add(Outgoing(TARGET, UploadKind.PICTURE, str(number), name) for number, name in enumerate(files))
        tormentor.start()
        try:
            deadline = time.monotonic() + WITHIN_S
            while queue.summary(TARGET).waiting:
                assert time.monotonic() < deadline, queue.summary(TARGET)
                courier.step()
        finally:
            done.set()
            tormentor.join(60)
        summary = queue.summary(TARGET)
    assert (summary.arrived, summary.refused, summary.dropped) == (len(files), 0, 0)
    assert len(dead) >= deaths[0], "the server lived too well"
