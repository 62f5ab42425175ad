"""Which nights go, with numbers worked out by hand."""

from appliance.domain.night import NightId
from appliance.housekeeping.retention import NightSize, nights_to_remove

NIGHTS = [NightSize(NightId(f"2026-01-{day:02d}"), 100) for day in (28, 30, 29, 31, 27)]
TONIGHT = NightId("2026-01-31")


def _removed(keep_days: int = 0, free: int = 1000, reserve: int = 500) -> list[str]:
    gone = nights_to_remove(NIGHTS, tonight=TONIGHT, keep_days=keep_days, free_bytes=free, reserve_bytes=reserve)
    return [night.text for night in gone]


def test_nothing_goes_while_there_is_room_and_nothing_is_old() -> None:
    assert _removed() == []
    assert _removed(keep_days=4) == []


def test_nights_older_than_asked_go() -> None:
    assert _removed(keep_days=2) == ["2026-01-27", "2026-01-28"]


def test_the_oldest_go_until_the_reserve_is_free() -> None:
    assert _removed(free=350) == ["2026-01-27", "2026-01-28"]


def test_age_and_room_add_up_once() -> None:
    assert _removed(keep_days=3, free=350) == ["2026-01-27", "2026-01-28"]


def test_tonight_stays_even_on_a_full_disk() -> None:
    assert _removed(keep_days=1, free=0) == ["2026-01-27", "2026-01-28", "2026-01-29", "2026-01-30"]


def test_nights_of_a_clock_that_was_ahead_stay() -> None:
    future = [*NIGHTS, NightSize(NightId("2031-01-01"), 100)]
    gone = nights_to_remove(future, tonight=TONIGHT, keep_days=0, free_bytes=0, reserve_bytes=10_000)
    assert NightId("2031-01-01") not in gone
