"""How fast, and how long still."""

from appliance.export.copier import Pace
from appliance.export.rate import Rate


def test_nothing_is_said_before_some_seconds_were_seen() -> None:
    rate = Rate()
    assert rate.bytes_per_s is None
    assert rate.left_s(100) is None
    rate.add(0.0, 0)
    rate.add(4.0, 400)
    assert rate.bytes_per_s is None


def test_the_last_minute_counts() -> None:
    rate = Rate()
    for second in range(60):
        rate.add(float(second), second * 1000)
    assert rate.bytes_per_s == 1000
    assert rate.left_s(59_000 + 5000) == 5
    for second in range(60, 200):
        rate.add(float(second), 59_000 + (second - 59) * 10)
    assert rate.bytes_per_s == 10
    assert rate.is_whole


def test_what_stands_still_has_no_end() -> None:
    rate = Rate()
    rate.add(0.0, 5)
    rate.add(10.0, 5)
    assert rate.bytes_per_s == 0
    assert rate.left_s(10) is None


def test_more_than_expected_leaves_nothing() -> None:
    rate = Rate()
    rate.add(0.0, 0)
    rate.add(10.0, 100)
    assert rate.left_s(50) == 0


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_bytes_pass_at_the_pace_and_no_faster() -> None:
    time = Time()
    pace = Pace(1000, lambda: time.now, time.sleep)
    for _ in range(20):
        pace.passed(500)
    assert abs(time.now - 110) < 1e-6


def test_a_slow_stick_earns_no_right_to_a_burst() -> None:
    time = Time()
    pace = Pace(1000, lambda: time.now, time.sleep)
    time.now += 60
    pace.passed(500)
    began = time.now
    for _ in range(10):
        pace.passed(500)
    assert time.now - began >= 4.5
