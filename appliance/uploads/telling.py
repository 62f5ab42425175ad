"""When people are told of an issue: once when it stays, once when it is over, and ever more rarely when it comes and goes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.domain.health import Issue, Severity
from appliance.domain.notice import NoticeEvent, Told
from appliance.uploads.service import WEATHER_S

SETTLE_S = 10.0
"""An issue that is over within this was none."""
CALM_S = 30.0
"""One has to stay away so long to be over; twice as long each time it has come back."""
LONGEST_CALM_S = 3600.0
FORGET_S = 6 * 3600.0
"""One that comes back later than this begins anew."""
START_S = 180.0
"""So long after a start every check has looked."""
UPLOAD_START_S = WEATHER_S + START_S
"""A target that is away comes up late: until then it may only seem to be well."""
_GRAVITY = (Severity.INFO, Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True, slots=True)
class Change:
    """What people are to be told."""

    event: NoticeEvent
    issue: Issue


@dataclass(slots=True)
class _Track:
    """What is known of one issue; seconds are monotonic."""

    issue: Issue
    since_s: float
    """When it came up this time."""
    seen_s: float
    """When it was last there; after a start some time ahead, until it is seen."""
    told: Severity | None = None
    """The gravest that was told this time."""
    over_s: float | None = None
    """When people were told that it is over."""
    rounds: int = 0

    @property
    def calm_s(self) -> float:
        return float(min(LONGEST_CALM_S, CALM_S * 2.0 ** min(self.rounds, 16)))


class Teller:
    """Looks at the issues from time to time, and says what is to be told of them."""

    def __init__(self, told: Iterable[Told], now_s: float) -> None:
        """Go on from what was told before a restart."""
        self._tracks = {
            one.issue.key: _Track(one.issue, now_s, now_s + _start_s(one.issue.key), one.issue.severity, rounds=one.rounds)
            for one in told
        }

    def look(self, issues: Sequence[Issue], now_s: float) -> list[Change]:
        """Return what is to be told now.

        Parameters
        ----------
        issues : sequence of Issue
            Every issue that there is.
        now_s : float
            Monotonic seconds; never less than before.
        """
        here = {issue.key for issue in issues}
        missing = [key for key in self._tracks if key not in here]
        changes = [*(self._seen(issue, now_s) for issue in issues), *(self._missed(key, now_s) for key in missing)]
        return [change for change in changes if change is not None]

    @property
    def told(self) -> tuple[Told, ...]:
        """Every issue that was told, and not yet that it is over."""
        return tuple(
            Told(replace(track.issue, severity=track.told), track.rounds)
            for track in self._tracks.values()
            if track.told is not None and track.over_s is None
        )

    def _seen(self, issue: Issue, now_s: float) -> Change | None:
        track = self._tracks.setdefault(issue.key, _Track(issue, now_s, now_s))
        if track.over_s is not None:
            track.since_s, track.told, track.over_s, track.rounds = now_s, None, None, track.rounds + 1
        track.issue, track.seen_s = issue, now_s
        if track.told is None:
            if now_s - track.since_s < SETTLE_S:
                return None
        elif _GRAVITY.index(issue.severity) <= _GRAVITY.index(track.told):
            return None
        track.told = issue.severity
        return Change(NoticeEvent.RAISED, issue)

    def _missed(self, key: str, now_s: float) -> Change | None:
        """Note that an issue is not there."""
        track = self._tracks[key]
        if track.over_s is not None:
            if now_s - track.over_s >= FORGET_S:
                del self._tracks[key]
        elif now_s - track.seen_s >= track.calm_s:
            track.over_s = now_s
            if track.told is not None:
                return Change(NoticeEvent.CLEARED, replace(track.issue, severity=track.told))
        return None


def _start_s(key: str) -> float:
    return UPLOAD_START_S if key.startswith("upload.") else START_S
