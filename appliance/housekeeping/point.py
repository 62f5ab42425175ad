"""When the machine opens an access point of its own, and when it closes it: a function of what is known, and of the time."""

from dataclasses import dataclass
from enum import Enum, auto

NOTHING_FOR_S = 180.0
"""So long after the start nothing has been connected: whoever set the machine up has no other way in."""
LOOK_AGAIN_EVERY_S = 600.0
LOOK_FOR_S = 60.0
"""One radio cannot be an access point and join one: with a saved network, the access point makes room for it now and then."""


class PointStep(Enum):
    """What to do about the access point."""

    STAY = auto()
    OPEN = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class PointFacts:
    """What decides; times are of a monotonic clock."""

    now_s: float
    started_s: float
    can_open: bool
    """Whether there is a card for it."""
    is_connected: bool
    """Whether any card carries a network that is not the machine's own."""
    was_connected: bool
    """Whether any did since the start."""
    knows_wifi: bool
    """Whether a Wi-Fi network is saved, which may come back."""
    is_changing: bool
    """Whether an admin's change is under way, which is not to be disturbed."""
    opened_s: float | None = None
    """Since when it is open; None while it is closed."""
    looking_since_s: float | None = None
    """Since when it has made room."""
    is_wanted: bool | None = None
    """What an admin has ordered; None where nobody has."""
    asked_s: float = float("-inf")
    """When an admin last asked for anything of the network."""


def next_point(facts: PointFacts) -> PointStep:
    """Return what to do now."""
    if facts.is_changing or facts.is_wanted is True:
        return PointStep.STAY  # what an admin orders is done by whoever takes the order
    if facts.opened_s is not None:
        return PointStep.CLOSE if facts.is_connected or _makes_room(facts, facts.opened_s) else PointStep.STAY
    if not facts.can_open or facts.is_connected or facts.was_connected or facts.is_wanted is False:
        return PointStep.STAY
    since_s, wait_s = (facts.started_s, NOTHING_FOR_S) if facts.looking_since_s is None else (facts.looking_since_s, LOOK_FOR_S)
    return PointStep.OPEN if facts.now_s - since_s >= wait_s else PointStep.STAY


def _makes_room(facts: PointFacts, opened_s: float) -> bool:
    """Return whether it is time to look for a saved network; never while somebody is at work in the panel."""
    return facts.knows_wifi and facts.now_s - max(opened_s, facts.asked_s) >= LOOK_AGAIN_EVERY_S
