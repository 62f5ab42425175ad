"""Three units of the appliance (systemd): one that may be restarted and two that may be started, and no other."""

from typing import Final

from appliance.domain.errors import ServiceError, UnavailableError
from appliance.host.bus import Bus

SERVICE, PATH, MANAGER = "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
INDI: Final = "nightjar-indi.service"
OTHER_SLOT: Final = "nightjar-other-slot.service"
FACTORY_RESET: Final = "nightjar-factory-reset.service"
_MISSING = frozenset(f"{SERVICE}.{name}" for name in ("NoSuchUnit", "LoadFailed", "UnitMasked"))


class Units:
    """Asks for what the polkit rule allows; returns once systemd has taken the job; raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def restart_indi(self) -> None:
        """End the INDI server with all its drivers and start it afresh."""
        self._ask("RestartUnit", INDI)

    def start_other_slot(self) -> None:
        """Have the machine start from its other system at the next start."""
        self._ask("StartUnit", OTHER_SLOT)

    def start_factory_reset(self) -> None:
        """Give up all that was set and stored."""
        self._ask("StartUnit", FACTORY_RESET)

    def _ask(self, verb: str, unit: str) -> None:
        try:
            self._bus.call(SERVICE, PATH, MANAGER, verb, "ss", (unit, "replace"))
        except ServiceError as error:
            if error.name in _MISSING:
                raise UnavailableError(f"not available on this machine: {unit}") from error
            raise
