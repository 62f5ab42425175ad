"""Time as a value that can be handed in: the system's, or an accelerated one for the sky simulator and tests."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from appliance.domain.errors import StartError

VARIABLE = "NIGHTJAR_CLOCK"


class Clock(Protocol):
    """Two readings of time: one that people read and that may jump, one that only grows."""

    @property
    def rate(self) -> float:
        """How many seconds pass for people while one real second passes."""
        ...

    def now(self) -> datetime:
        """Return the date and time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return real seconds that only grow: for deadlines, pauses and pacing."""
        ...


class SystemClock:
    """The machine's own clock."""

    rate = 1.0

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class AcceleratedClock:
    """A clock that starts at a given moment of sky time and runs `rate` times as fast as the machine's.

    Two processes that are given the same text agree: the start is tied to the moment at which the text was first
    read, kept in the text itself as `ISO@RATE@ORIGIN` (see `pin`).
    """

    def __init__(self, start: datetime, rate: float, origin: float) -> None:
        self._start, self._origin = start, origin
        self.rate = rate

    def now(self) -> datetime:
        """Return the accelerated time in UTC."""
        return self._start + timedelta(seconds=(time.time() - self._origin) * self.rate)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds, which are never accelerated."""
        return time.monotonic()


def clock_from(text: str | None) -> Clock:
    """Return the clock that `ISO@RATE` or `ISO@RATE@ORIGIN` names, or the system's for None.

    Parameters
    ----------
    text : str or None
        For instance `2026-01-31T18:00:00+00:00@60`: from six in the evening UTC, a minute each second. ORIGIN is the
        machine's unix time that the start belongs to; without it, now.

    Raises
    ------
    StartError
        If the text has another form, the time no zone, or the rate is not in (0, 100000].
    """
    if text is None:
        return SystemClock()
    try:
        iso, rate_text, *rest = text.split("@")
        start, rate = datetime.fromisoformat(iso), float(rate_text)
        (origin,) = [float(word) for word in rest] or [time.time()]
    except ValueError as error:
        raise StartError(f"{VARIABLE} is {text!r}; write it like 2026-01-31T18:00:00+00:00@60") from error
    if start.tzinfo is None or not 0 < rate <= 100_000:
        raise StartError(f"{VARIABLE} is {text!r}; the time needs a zone and the rate must be above 0, at most 100000")
    return AcceleratedClock(start.astimezone(UTC), rate, origin)


def pin_environment() -> None:
    """Add the origin to the clock in the environment, so that child processes share this one's time."""
    text = os.environ.get(VARIABLE)
    if text is not None and text.count("@") == 1:
        os.environ[VARIABLE] = f"{text}@{time.time():.6f}"
