"""When a target is tried again, when it rests, and how fast it goes."""

import random
from datetime import UTC, datetime, time

import pytest

from appliance.domain.fault import Fault
from appliance.uploads.pace import FIRST_S, LONGEST_S, SLOW_FIRST_S, SLOW_LONGEST_S, QuietHours, Throttle, pause_s


@pytest.mark.parametrize("fault", [fault for fault in Fault if not fault.is_trust])
def test_pauses_double_up_to_a_bound_with_jitter_and_never_end(fault: Fault) -> None:
    first, longest = (FIRST_S, LONGEST_S) if fault.is_weather else (SLOW_FIRST_S, SLOW_LONGEST_S)
    chance = random.Random(1)
    for failures in (1, 2, 3, 10, 1_000_000):
        whole = min(longest, first * 2.0 ** min(failures - 1, 20))
        found = {round(pause_s(fault, failures, chance), 6) for _ in range(200)}
        assert len(found) > 190, "no two appliances come back together"
        assert 0.5 * whole <= min(found) < 0.55 * whole
        assert 0.95 * whole < max(found) <= whole


@pytest.mark.parametrize("fault", [Fault.KEY, Fault.CERTIFICATE])
def test_a_stranger_is_not_tried_again(fault: Fault) -> None:
    assert pause_s(fault, 1, random.Random(1)) == float("inf")


def test_every_fault_names_what_to_do() -> None:
    assert all(fault.sentence.endswith(".") and fault.advice.endswith(".") for fault in Fault)
    assert len({fault.sentence for fault in Fault}) == len(Fault)


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        (time(8), time(18), (8, 12), (7, 18)),
        (time(22), time(6), (22, 23, 0, 5), (6, 12, 21)),
        (time(5), time(5), (), (4, 5, 6)),
    ],
)
def test_quiet_hours_may_go_over_midnight(begin: time, end: time, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    hours = QuietHours(begin, end)
    assert [hours.hold(datetime(2026, 1, 31, hour, tzinfo=UTC)) for hour in inside] == [True] * len(inside)
    assert [hours.hold(datetime(2026, 1, 31, hour, tzinfo=UTC)) for hour in outside] == [False] * len(outside)


def test_a_limit_is_kept_with_a_beat_in_each_second() -> None:
    slept: list[float] = []
    beats: list[int] = []
    throttle = Throttle(1000, lambda: sum(slept), slept.append)
    for sent in (500, 2500, 2600):
        throttle.wait(sent, lambda: beats.append(1))
        assert sum(slept) == pytest.approx(sent / 1000)
    assert max(slept) <= 1
    assert len(beats) == len(slept)


def test_no_limit_waits_for_nothing() -> None:
    Throttle(0, lambda: 0.0, lambda _: pytest.fail("slept")).wait(10**12, lambda: None)
