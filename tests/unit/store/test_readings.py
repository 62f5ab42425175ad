"""Readings of the machine: kept, thinned, bounded, whatever the clock does."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Never

import pytest

from appliance.domain.errors import StoreError
from appliance.domain.machine import Disk, Interface, Memory, Reading, StoredReading
from appliance.store import readings
from appliance.store.database import Database
from appliance.store.models import ReadingRow
from appliance.store.readings import TOGETHER, ReadingStore
from tests.unit.store.conftest import MovableClock

START = datetime(2026, 1, 31, 20, tzinfo=UTC)
WIFI = Interface("wlan0", is_wireless=True, is_up=True, has_carrier=True, received_bytes=0, sent_bytes=0, signal_dbm=-61.0)


@pytest.fixture
def store(database: Database) -> ReadingStore:
    return ReadingStore(database)


def reading(at: datetime, temperature_c: float | None = 50.5) -> Reading:
    memory, disk = Memory(1000, 400, 0.0), Disk(free_bytes=10**12, total_bytes=10**13)
    return Reading(at, 5.0, temperature_c, load=0.5, memory=memory, disk=disk, interfaces=(WIFI,))


def test_what_charts_need_is_kept_and_what_is_not_known_stays_so(store: ReadingStore) -> None:
    assert (store.newest_id(), store.page(5)) == (0, [])
    store.add(reading(START))
    store.add(Reading(START + timedelta(minutes=1)))
    first = StoredReading(1, START, 50.5, 0.5, 400, 10**12, -61.0)
    assert store.page(5) == [StoredReading(2, START + timedelta(minutes=1), None, None, None, None, None), first]
    assert store.page(5, before=2) == [first]
    assert store.page(1)[0].id == store.newest_id() == 2


def rows(database: Database) -> int:
    with database.read() as db:
        return int(ReadingRow.select().count(db))


def refuse() -> Never:
    raise StoreError("attempt to write a readonly database")


def test_ten_are_written_together_and_seen_before(store: ReadingStore, database: Database) -> None:
    for number in range(1, 26):
        store.add(reading(START + timedelta(minutes=number)))
        assert rows(database) == number // TOGETHER * TOGETHER
        assert [one.id for one in store.page(100)] == [*range(number, 0, -1)]
        assert [one.id for one in store.between(START, START + timedelta(days=1))] == [*range(1, number + 1)]
        assert store.newest_id() == number
    assert [one.id for one in store.page(4, before=23)] == [22, 21, 20, 19]
    assert [one.id for one in store.page(3)] == [25, 24, 23]
    assert [one.id for one in store.between(START, START + timedelta(minutes=22))] == [*range(1, 23)]
    before = store.page(100)
    store.write()
    assert rows(database) == 25
    assert store.page(100) == ReadingStore(database).page(100) == before


def test_what_cannot_be_written_waits_and_nothing_is_lost(
    store: ReadingStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", refuse)
        for number in range(1, TOGETHER):
            store.add(reading(START + timedelta(minutes=number)))
        for number in (TOGETHER, TOGETHER + 1):
            with pytest.raises(StoreError, match="readonly"):
                store.add(reading(START + timedelta(minutes=number)))
        assert [one.id for one in store.page(100)] == [*range(TOGETHER + 1, 0, -1)]
    store.add(reading(START + timedelta(minutes=TOGETHER + 2)))
    assert rows(database) == TOGETHER + 2


def test_what_waits_is_bounded(store: ReadingStore, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "WAITING_MOST", TOGETHER + 2)
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", refuse)
        for number in range(TOGETHER + 5):
            with suppress(StoreError):
                store.add(reading(START + timedelta(minutes=number)))
    store.write()
    assert rows(database) == TOGETHER + 2
    assert store.newest_id() == TOGETHER + 5


def test_a_time_is_cut_out_oldest_first_even_where_the_clock_went_back(store: ReadingStore) -> None:
    for minutes in (0, 10, 5, 60):
        store.add(reading(START + timedelta(minutes=minutes)))
    found = store.between(START, START + timedelta(minutes=10))
    assert [one.id for one in found] == [1, 3, 2]


def test_rows_are_thinned_and_bounded(store: ReadingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "WHOLE", 10)
    monkeypatch.setattr(readings, "KEPT", 60)
    for number in range(100):
        store.add(reading(START + timedelta(minutes=number)))
    assert store.thin() == 85
    assert [one.id for one in reversed(store.page(100))] == [50, 60, 70, 80, 90, *range(91, 101)]
    assert store.thin() == 0


def test_the_bounds_are_two_days_whole_and_thirty_thinned() -> None:
    assert (readings.WHOLE, readings.KEPT, readings.THINNED) == (2880, 43200, 10)


def test_a_clock_that_jumps_removes_nothing_and_bounds_hold(
    store: ReadingStore, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "WHOLE", 4)
    monkeypatch.setattr(readings, "KEPT", 8)
    for days in (0, 400, -800, 0):
        clock.jump(days)
        store.add(reading(clock.now()))
        assert store.thin() == 0
    for _ in range(50):
        store.add(reading(clock.now()))
        store.thin()
    assert len(store.page(100)) <= 5


def test_ids_go_on_after_everything_old_was_thinned_away(store: ReadingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "WHOLE", 1)
    monkeypatch.setattr(readings, "KEPT", 1)
    for _ in range(3):
        store.add(reading(START))
        store.thin()
    assert [one.id for one in store.page(5)] == [3]
