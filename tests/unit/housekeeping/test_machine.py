"""Watching the machine: what is published, kept and raised, on a made-up tree and a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Never

import pytest

from appliance.domain.errors import DiskFullError, StoreError
from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.host.sensors import Sensors
from appliance.housekeeping.machine import MachineWatch
from appliance.housekeeping.service import HousekeepingService
from appliance.store.database import Database
from appliance.store.readings import TOGETHER, WHOLE, ReadingStore
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard
from tests.unit.host.machinetree import ALARM, MOUNTS, TEMPERATURE, THROTTLED, plant

START = datetime(2026, 1, 31, 20, tzinfo=UTC)


class StillClock:
    """Time that passes where a test says so."""

    rate = 1.0

    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.s)

    def monotonic(self) -> float:
        return self.s


class Bench:
    """A machine, and who watches it."""

    def __init__(self, root: Path, database: Database, clock: StillClock) -> None:
        self.root, self.clock, self.database = root, clock, database
        self.board = HealthBoard(clock)
        self.store = ReadingStore(database)
        self.published: Published[Reading | None] = Published(None)
        self.watch = self.new_watch()

    def new_watch(self) -> MachineWatch:
        return MachineWatch(Sensors(Path("/data"), self.root), self.published, self.store, self.board, self.clock)

    def run(self, seconds: int) -> None:
        """Step once a second, as the service does."""
        for _ in range(seconds):
            self.watch.step()
            self.clock.s += 1

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    @property
    def reading(self) -> Reading:
        assert self.published.value is not None
        return self.published.value

    @property
    def issues(self) -> dict[str, Severity]:
        return {issue.key: issue.severity for issue in self.board.issues}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = StillClock()
    (tmp_path / "data").mkdir()
    database = Database(tmp_path / "data", clock)
    database.open()
    yield Bench(plant(tmp_path / "root"), database, clock)
    database.close()


def test_a_reading_is_published_and_kept_at_once_and_then_once_a_minute(bench: Bench) -> None:
    bench.run(1)
    assert (bench.reading.temperature_c, len(bench.store.page(10))) == (52.095, 1)
    bench.run(59)
    assert len(bench.store.page(10)) == 1
    bench.run(61)
    assert [one.at for one in bench.store.page(10)] == [bench.clock.now() - timedelta(seconds=n) for n in (1, 61, 121)]
    assert bench.issues == {}


def test_a_moment_between_two_readings_is_not_missed_and_remembered(bench: Bench) -> None:
    bench.run(10)
    bench.write(ALARM, "1")
    bench.run(2)
    bench.write(ALARM, "0")
    bench.run(60)
    assert (bench.reading.now.under_voltage, bench.reading.since_start.under_voltage) == (True, True)
    assert bench.issues == {"machine.under_voltage": Severity.WARNING}
    bench.run(60)
    assert (bench.reading.now.under_voltage, bench.reading.since_start.under_voltage) == (False, True)
    bench.run(3700)
    assert bench.issues == {"machine.under_voltage": Severity.INFO}


def test_what_the_firmware_remembers_of_the_time_before_us_is_told(bench: Bench) -> None:
    bench.write(THROTTLED, "10000")
    bench.run(1)
    assert bench.issues == {"machine.under_voltage": Severity.INFO}


def test_heat_is_raised_and_cleared(bench: Bench) -> None:
    bench.write(TEMPERATURE, "84000")
    bench.run(200)
    assert bench.issues == {"machine.hot": Severity.WARNING}
    bench.write(TEMPERATURE, "60000")
    bench.run(420)
    assert bench.issues == {}


def test_an_issue_of_a_watch_before_this_one_does_not_stay_for_ever(bench: Bench) -> None:
    bench.write(MOUNTS, (bench.root / MOUNTS).read_text().replace("/data rw", "/data ro"))
    bench.run(1)
    assert bench.issues == {"disk.read_only": Severity.ERROR}
    bench.write(MOUNTS, (bench.root / MOUNTS).read_text().replace("/data ro", "/data rw"))
    bench.watch = bench.new_watch()
    bench.run(1)
    assert bench.issues == {}


def test_a_full_disk_takes_the_row_and_nothing_else(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Reading) -> None:
        raise DiskFullError("no room")

    bench.write(TEMPERATURE, "95000")
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "add", refuse)
        bench.run(130)
    assert (bench.reading.temperature_c, bench.issues) == (95.0, {"machine.hot": Severity.ERROR})
    assert bench.store.page(10) == []
    bench.run(60)
    assert len(bench.store.page(10)) == 1


def test_a_disk_that_refuses_rows_although_it_has_room_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Never:
        raise StoreError("attempt to write a readonly database")

    with monkeypatch.context() as patch:
        patch.setattr(bench.database, "write", refuse)
        bench.run(TOGETHER * 60 + 1)
        assert bench.issues == {}  # once may be chance
        bench.run(60)
        assert bench.issues == {"disk.read_only": Severity.ERROR}
    bench.run(121)
    assert bench.issues == {}
    assert [one.id for one in bench.store.page(100)] == [*range(TOGETHER + 4, 0, -1)]


def test_what_waits_is_written_at_the_end(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Never:
        raise StoreError("attempt to write a readonly database")

    bench.run(121)
    assert len(ReadingStore(bench.database).page(10)) < 3
    with monkeypatch.context() as patch:
        patch.setattr(bench.database, "write", refuse)
        bench.watch.close()
        assert "readonly" in caplog.text
    nothing: Any = None
    housekeeping = HousekeepingService(
        nothing,
        nothing,
        bench.database,
        nothing,
        nothing,
        bench.board,
        bench.clock,
        bench.watch,
        nothing,
        nothing,
        bench.watch.step,
    )
    housekeeping.close()
    assert len(ReadingStore(bench.database).page(10)) == 3


def test_old_rows_are_thinned_once_an_hour(bench: Bench) -> None:
    bench.run(1)
    for _ in range(WHOLE + 98):
        bench.store.add(bench.reading)
    bench.run(60)
    assert len(bench.store.between(START, bench.clock.now())) == bench.store.newest_id() == WHOLE + 100
    bench.run(3600)
    # A hundred and sixty are older than two days; sixteen of them stay.
    assert (len(bench.store.between(START, bench.clock.now())), bench.store.newest_id()) == (WHOLE + 16, WHOLE + 160)
