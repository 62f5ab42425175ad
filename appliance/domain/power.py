"""What becomes of an order to switch off or restart, for everybody who shows it or waits for it."""

from dataclasses import dataclass
from enum import StrEnum

from appliance.domain.commands import PowerCommand


class PowerPhase(StrEnum):
    """Where the machine stands between running and gone."""

    RUNNING = "running"
    """Nothing was ordered, or what was ordered has been refused."""
    STORING = "storing"
    """The running frame is waited for, so that it is stored before the machine goes."""
    GOING = "going"
    """Everything is stored; the machine may go at any moment."""


@dataclass(frozen=True, slots=True)
class PowerState:
    """The present state; `message` is a sentence for people, empty where there is nothing to say."""

    phase: PowerPhase
    action: PowerCommand | None = None
    """None while nothing was ordered here: somebody else may have asked the machine to go."""
    message: str = ""
