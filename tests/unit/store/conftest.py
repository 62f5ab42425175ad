"""A real data folder with a real database in it, and a clock whose two times can be moved apart."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.store.database import Database
from appliance.store.files import DataFolder


class MovableClock:
    """Wall time that jumps where a test says so, monotonic time that only runs on."""

    rate = 1.0

    def __init__(self) -> None:
        self.wall = datetime(2026, 1, 31, 20, 0, tzinfo=UTC)
        self.running_s = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.running_s

    def run(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall += timedelta(seconds=seconds)
        self.running_s += seconds

    def jump(self, days: float) -> None:
        """Set the wall time, as a first contact with a time server does."""
        self.wall += timedelta(days=days)

    def restart(self) -> None:
        """Begin the monotonic time anew, as a power cut does."""
        self.running_s = 5.0


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    yield folder
    folder.close()


@pytest.fixture
def database(folder: DataFolder, clock: MovableClock) -> Iterator[Database]:
    database = Database(folder.root, clock)
    assert database.open() == ()
    yield database
    database.close()
