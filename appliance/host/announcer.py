"""The name under which this machine is found in its own network (mDNS, `NAME.local`): told and set through avahi.

Avahi takes the machine's name when it starts and does not follow it. Where another machine has that name already, it adds a
number to it, of which the rest of the machine learns nothing.
"""

from dataclasses import dataclass

from appliance.domain.errors import MachineError
from appliance.host.bus import Bus

SERVICE = "org.freedesktop.Avahi"
PATH = "/"
INTERFACE = f"{SERVICE}.Server"
_RUNNING = 2
"""AvahiServerState; with others it is still asking the network."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What avahi says."""

    name: str
    """Without `.local`."""
    is_settled: bool
    """Whether the network has let it have the name."""


class Announcer:
    """Asks and tells; every method raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def announced(self) -> Announced:
        """Return the name of now."""
        (state,) = self._bus.call(SERVICE, PATH, INTERFACE, "GetState")
        (name,) = self._bus.call(SERVICE, PATH, INTERFACE, "GetHostName")
        if not isinstance(name, str):
            raise MachineError("avahi told the name in a way that is not understood")
        return Announced(name, state == _RUNNING)

    def announce(self, name: str) -> None:
        """Announce another name from now on."""
        self._bus.call(SERVICE, PATH, INTERFACE, "SetHostName", "s", (name,))
