"""When a target is tried again, and how fast it may go; pure but for the sleep."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time

from appliance.domain.fault import Fault

FIRST_S, LONGEST_S = 5.0, 900.0
SLOW_FIRST_S, SLOW_LONGEST_S = 60.0, 3600.0
"""Where a person has to do something: a wrong password that is tried every five seconds locks accounts."""
_NAP_S = 1.0


def pause_s(fault: Fault, failures: int, chance: random.Random) -> float:
    """Return how long to wait after so many failures in a row.

    It is doubled each time, with jitter: a hundred appliances that lost one server do not come back in one second.

    Parameters
    ----------
    fault : Fault
    failures : int
        At least 1.
    chance : random.Random

    Returns
    -------
    float
        Seconds; infinite where nothing may be sent until a person has looked.
    """
    if fault.is_trust:
        return float("inf")
    first, longest = (FIRST_S, LONGEST_S) if fault.is_weather else (SLOW_FIRST_S, SLOW_LONGEST_S)
    return float(min(longest, first * 2.0 ** min(failures - 1, 20)) * chance.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When nothing is sent, in the site's time; `begin` equal to `end` is never."""

    begin: time
    end: time

    def hold(self, at: datetime) -> bool:
        """Return whether a moment, in the site's zone, lies in them; they may go over midnight."""
        now = at.time().replace(tzinfo=None)
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


class Throttle:
    """Keeps a transfer from going faster than it may."""

    def __init__(self, bytes_per_s: int, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """Take the limit.

        Parameters
        ----------
        bytes_per_s : int
            0 for none.
        now : callable
            Monotonic seconds.
        sleep : callable
            Called for a second at most, so that a heart-beat fits between.
        """
        self._limit, self._now, self._sleep = bytes_per_s, now, sleep
        self._began_s = now()

    def wait(self, sent: int, beat: Callable[[], None]) -> None:
        """Wait until so many bytes may have been sent, and beat meanwhile."""
        if not self._limit:
            return
        due_s = self._began_s + sent / self._limit
        while (left_s := due_s - self._now()) > 0:
            self._sleep(min(left_s, _NAP_S))
            beat()
