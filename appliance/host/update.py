"""The two halves of the card that the system can start from, as RAUC tells them; installing is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.errors import MachineError
from appliance.host.bus import Bus

SERVICE, PATH, INSTALLER = "de.pengutronix.rauc", "/", "de.pengutronix.rauc.Installer"
READ_S = 10.0
"""RAUC runs a script to read the state of starting."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the halves."""

    name: str
    """As the boot loader calls it: `A`."""
    is_booted: bool
    is_good: bool | None
    """Whether it has proved itself; None where RAUC does not say."""
    version: str
    """Of the release in it; empty where RAUC did not install it."""


@dataclass(frozen=True, slots=True)
class SystemSlots:
    """What the machine can start from, and what RAUC does."""

    slots: tuple[Slot, ...]
    operation: str
    """`idle`, or what RAUC is at."""


class Updates:
    """Reads; raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def state(self) -> SystemSlots:
        """Ask for the slots that can be started, and for what RAUC does."""
        operation = self._bus.get(SERVICE, PATH, INSTALLER, "Operation", timeout_s=READ_S)
        (told,) = self._bus.call(SERVICE, PATH, INSTALLER, "GetSlotStatus", timeout_s=READ_S)
        match operation, told:
            case str(), list():
                found = [_slot(status) for _, status in told if isinstance(status.get("bootname"), str)]
                return SystemSlots(tuple(sorted(found, key=lambda slot: slot.name)), operation)
        raise MachineError("RAUC tells of its slots in a way that is not understood")


def _slot(status: Mapping[str, object]) -> Slot:
    health, version = status.get("boot-status"), status.get("bundle.version")
    return Slot(
        name=str(status["bootname"]),
        is_booted=status.get("state") == "booted",
        is_good={"good": True, "bad": False}.get(health) if isinstance(health, str) else None,
        version=version if isinstance(version, str) else "",
    )
