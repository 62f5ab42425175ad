"""What a check is, and the patience that it is watched with: an issue neither comes by one bad moment nor goes by one good."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from appliance.domain.health import Severity
from appliance.domain.machine import Reading

_RANK = {Severity.INFO: 1, Severity.WARNING: 2, Severity.ERROR: 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, with what to do about it."""

    severity: Severity
    title: str
    advice: str


class Fine(Enum):
    """Nothing wrong, or nothing known."""

    WELL = auto()
    BETWEEN = auto()
    """Not bad enough to begin an issue, not good enough to end one."""


Verdict = Finding | Fine


@dataclass(frozen=True, slots=True)
class Rule:
    """One check; its judgement depends on nothing but the reading."""

    key: str
    judge: Callable[[Reading], Verdict]
    raise_after_s: float = 0.0
    """So long it must be bad before anybody is told."""
    clear_after_s: float = 0.0
    """So long it must be well, or less bad, before that is told."""


class Watched:
    """A rule with its memory."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._shown: Finding | None = None
        self._bad_since_s: float | None = None
        self._better_since_s: float | None = None

    def look(self, reading: Reading, now_s: float) -> Finding | None:
        """Return what is to be shown after this reading; `now_s` are monotonic seconds."""
        verdict = self.rule.judge(reading)
        if self._shown is None:
            self._perhaps_begin(verdict, now_s)
        elif isinstance(verdict, Finding) and _RANK[verdict.severity] >= _RANK[self._shown.severity]:
            self._shown, self._better_since_s = verdict, None
        elif verdict is Fine.BETWEEN:
            self._better_since_s = None
        else:
            self._perhaps_ease(verdict if isinstance(verdict, Finding) else None, now_s)
        return self._shown

    def _perhaps_begin(self, verdict: Verdict, now_s: float) -> None:
        if not isinstance(verdict, Finding):
            self._bad_since_s = None
            return
        self._bad_since_s = now_s if self._bad_since_s is None else self._bad_since_s
        if now_s - self._bad_since_s >= self.rule.raise_after_s:
            self._shown, self._better_since_s = verdict, None

    def _perhaps_ease(self, easier: Finding | None, now_s: float) -> None:
        self._better_since_s = now_s if self._better_since_s is None else self._better_since_s
        if now_s - self._better_since_s >= self.rule.clear_after_s:
            self._shown, self._bad_since_s, self._better_since_s = easier, None, None
