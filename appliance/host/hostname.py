"""The machine's name (hostnamed)."""

import re

from appliance.domain.errors import InputError, MachineError
from appliance.host.bus import Bus

SERVICE = INTERFACE = "org.freedesktop.hostname1"
PATH = "/org/freedesktop/hostname1"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
"""One label of RFC 1123, in small letters."""


class HostName:
    """Reads and sets the name; both raise as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def name(self) -> str:
        """Ask for the name: the one that was given, else the one that the machine has for now."""
        told = self._bus.get_all(SERVICE, PATH, INTERFACE)
        match told.get("StaticHostname") or told.get("Hostname"):
            case str() as name:
                return name
        raise MachineError("systemd-hostnamed tells the name in a way that is not understood")

    def set_name(self, name: str) -> None:
        """Give another name, also after the next start; InputError for one that cannot be used."""
        if not _LABEL.match(name) or name == "localhost":
            raise InputError("A name has 1 to 63 small letters, digits and dashes; it neither begins nor ends with a dash.")
        self._bus.call(SERVICE, PATH, INTERFACE, "SetStaticHostname", "sb", (name, False))
