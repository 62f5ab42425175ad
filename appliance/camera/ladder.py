"""The ladder of recovery: what to try next when a camera does not answer; pure. It has no end, only longer waits."""

from dataclasses import dataclass
from enum import IntEnum


class Rung(IntEnum):
    """What to do, the gentlest first."""

    ABORT = 0
    RECONNECT = 1
    RESTART_DRIVER = 2
    RESTART_SERVER = 3


PATIENCE_S = {Rung.ABORT: 5.0, Rung.RECONNECT: 15.0, Rung.RESTART_DRIVER: 20.0, Rung.RESTART_SERVER: 30.0}
"""How long each may take to bring the camera back before the next is tried."""
PATIENCE_LATER_S = 60.0
"""The same once all have been tried in vain: a camera that is not there is looked for about once in three minutes."""

THINGS_MAX = 8
"""So many things to wait for are believed: more than there are steps to a camera that is ready."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when the camera has got no further; how far it has got shows in what is waited for.

    A driver that needs nearly all the patience until it shows its camera is on its way: to restart it then, while the camera
    is being connected, would begin the same race again.
    """

    since_s: float
    things: frozenset[str] = frozenset()

    def on(self, thing: str, now_s: float) -> "Waiting":
        """Return the same begun anew, if the thing is a new one; to come and go between two of them gains nothing."""
        if thing in self.things or len(self.things) == THINGS_MAX:
            return self
        return Waiting(now_s, self.things | {thing})


@dataclass(frozen=True, slots=True)
class Ladder:
    """How many rungs have been climbed since the last good frame."""

    climbed: int = 0

    @property
    def rung(self) -> Rung | None:
        """The rung climbed last, None on the ground; above the top it goes on with a new connection."""
        if self.climbed == 0:
            return None
        return Rung(self.climbed - 1) if self.climbed <= len(Rung) else Rung(1 + (self.climbed - 1 - len(Rung)) % 3)

    @property
    def patience_s(self) -> float:
        """How long to wait for that rung's effect."""
        if self.rung is None:
            return PATIENCE_S[Rung.RECONNECT]
        return PATIENCE_S[self.rung] if self.climbed <= len(Rung) else PATIENCE_LATER_S

    def up(self, at_least: Rung = Rung.ABORT) -> "Ladder":
        """Return the ladder one rung higher; the first time round at once at `at_least`."""
        return Ladder(max(self.climbed + 1, at_least + 1))
