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
    """The present state, with what people should know of it."""

    phase: PowerPhase
    action: PowerCommand | None = None
    """The last order of this panel; None where somebody else has asked the machine to go, or nobody has."""
    message: str = ""
    """What is waited for, or why an order was not carried out."""
    unavailable: str = ""
    """Why this machine takes no orders; empty where it does."""
