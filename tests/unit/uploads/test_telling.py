"""When people are told of an issue: what stays is told once, what flaps hardly ever, what was told before a restart not again."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from appliance.domain.health import Issue, Severity
from appliance.domain.notice import Told
from appliance.uploads.telling import CALM_S, FORGET_S, LONGEST_CALM_S, SETTLE_S, START_S, UPLOAD_START_S, Teller

AT = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)


def issue(key: str = "camera.absent", severity: Severity = Severity.ERROR, title: str = "No pictures") -> Issue:
    return Issue(key, severity, title, "Check its cable.", AT)


class Watch:
    """A teller that looks every second, and what it said when."""

    def __init__(self, told: Iterable[Told] = ()) -> None:
        self.now_s = 1000.0
        self.teller = Teller(told, self.now_s)
        self.said: list[tuple[float, str, str]] = []

    def run(self, seconds: float, *issues: Issue) -> list[tuple[float, str, str]]:
        """Let time pass with these issues on the board; return what was said meanwhile, with the seconds since the start."""
        before = len(self.said)
        for _ in range(int(seconds)):
            for change in self.teller.look(issues, self.now_s):
                self.said.append((self.now_s - 1000, change.event.value, f"{change.issue.key} {change.issue.severity}"))
            self.now_s += 1
        return self.said[before:]


def test_what_stays_is_told_once_within_a_minute_and_its_end_once() -> None:
    watch = Watch()
    assert watch.run(3600, issue()) == [(SETTLE_S, "raised", "camera.absent error")]
    assert watch.run(3600) == [(3600 + CALM_S - 1, "cleared", "camera.absent error")]
    assert watch.teller.told == ()
    assert SETTLE_S < 50


def test_what_is_over_at_once_is_never_told() -> None:
    watch = Watch()
    watch.run(SETTLE_S - 1, issue())
    assert watch.run(3600) == []
    watch.run(SETTLE_S - 1, issue())
    assert watch.run(60) == [], "it has begun anew"


def test_what_flaps_is_told_once_while_it_does() -> None:
    watch = Watch()
    for _ in range(100):
        watch.run(3, issue())
        watch.run(CALM_S - 5)
    assert [event for _, event, _ in watch.said] == ["raised"]
    assert watch.run(CALM_S + 5) == [(watch.said[-1][0], "cleared", "camera.absent error")]


def test_what_comes_back_again_and_again_is_told_ever_more_rarely() -> None:
    watch = Watch()
    for _ in range(24 * 3600 // 120):
        watch.run(20, issue())
        watch.run(100)
    assert len(watch.said) <= 6, watch.said
    assert [event for _, event, _ in watch.said[:3]] == ["raised", "cleared", "raised"]
    watch.run(LONGEST_CALM_S)
    watch.run(FORGET_S)
    said = watch.run(60, issue()) + watch.run(60)
    assert [event for _, event, _ in said] == ["raised", "cleared"], "forgotten"


def test_what_gets_worse_is_told_again_and_better_is_not_over() -> None:
    watch = Watch()
    watch.run(60, issue("disk.low", Severity.WARNING))
    watch.run(60, issue("disk.low", Severity.ERROR))
    watch.run(60, issue("disk.low", Severity.WARNING))
    watch.run(60, issue("disk.low", Severity.ERROR))
    watch.run(60)
    assert [(event, words) for _, event, words in watch.said] == [
        ("raised", "disk.low warning"),
        ("raised", "disk.low error"),
        ("cleared", "disk.low error"),
    ]


def test_each_issue_has_a_time_of_its_own() -> None:
    watch = Watch()
    watch.run(5, issue("a"))
    watch.run(60, issue("a"), issue("b"))
    assert [(at, words) for at, _, words in watch.said] == [(SETTLE_S, "a error"), (5 + SETTLE_S, "b error")]


def test_new_words_of_an_issue_are_no_news() -> None:
    watch = Watch()
    for number in range(20):
        watch.run(5, issue(title=f"{number} MiB free"))
    assert len(watch.said) == 1


@pytest.mark.parametrize(("key", "start_s"), [("camera.absent", START_S), ("upload.roof1234", UPLOAD_START_S)])
def test_what_was_told_before_a_restart_is_not_told_again(key: str, start_s: float) -> None:
    watch = Watch([Told(issue(key), 1)])
    assert watch.run(start_s - 1) == [], "its check may not have looked yet"
    assert watch.run(3600, issue(key)) == []
    assert [event for _, event, _ in watch.run(2 * CALM_S + 1)] == ["cleared"]


def test_what_was_told_before_a_restart_and_is_gone_is_told_to_be_over() -> None:
    watch = Watch([Told(issue())])
    assert watch.run(START_S + CALM_S + 1) == [(START_S + CALM_S, "cleared", "camera.absent error")]


def test_what_is_seen_after_a_restart_ends_as_always() -> None:
    watch = Watch([Told(issue())])
    watch.run(5, issue())
    assert watch.run(CALM_S + 1) == [(4 + CALM_S, "cleared", "camera.absent error")]


def test_what_was_told_can_be_kept() -> None:
    watch = Watch()
    watch.run(30, issue("a", Severity.WARNING), issue("b", title="words"))
    watch.run(5, issue("a", Severity.ERROR))
    assert watch.teller.told == (Told(issue("a", Severity.ERROR)), Told(issue("b", title="words")))
    assert Watch(watch.teller.told).run(START_S + 60, issue("a"), issue("b")) == []


def test_a_young_issue_is_not_kept() -> None:
    watch = Watch()
    watch.run(SETTLE_S, issue())
    assert watch.teller.told == ()
