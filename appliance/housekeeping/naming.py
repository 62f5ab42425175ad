"""The machine's name in its own network: announced as it is, and made unique where another machine has it already.

Avahi alone would add a number, and neither the certificate nor the screen would know of it. So the machine takes another
name: its own with the end of its device id.
"""

import logging
import re
from dataclasses import dataclass
from typing import Protocol

from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, MachineError
from appliance.domain.health import Severity
from appliance.host.announcer import Announcer
from appliance.housekeeping.every import Every
from appliance.store.audit import AuditStore
from appliance.supervisor.health import HealthBoard

log = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
TAIL_CHARACTERS = 4
LONGEST_NAME = 63
_RENAMED, _TAKEN = "name.renamed", "name.taken"


class HostName(Protocol):
    """The machine's name; what `host/hostname.py` does."""

    def name(self) -> str:
        """Ask for it."""
        ...

    def set_name(self, name: str) -> None:
        """Give another one."""
        ...


@dataclass(frozen=True, slots=True)
class Rename:
    """Take this name: the other is another machine's."""

    name: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell avahi of the machine's name, which has changed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another machine has even the name that should be ours alone."""


def next_step(own: str, announced: str, device_id: str) -> Rename | Announce | Taken | None:
    """Return what to do; None where all is well.

    Parameters
    ----------
    own, announced : str
        The machine's name, and the one that avahi got from the network.
    """
    if announced.lower() == own.lower():
        return None
    if not re.fullmatch(rf"{re.escape(own)}-[0-9]+", announced, re.IGNORECASE):
        return Announce()
    tail = f"-{device_id[-TAIL_CHARACTERS:].lower()}"
    return Taken() if own.lower().endswith(tail) else Rename(f"{own.lower()[: LONGEST_NAME - len(tail)].rstrip('-')}{tail}")


class NameKeeper:
    """Looks now and then; a machine without avahi is left alone."""

    def __init__(
        self, announcer: Announcer, host_name: HostName, device_id: str, audit: AuditStore, board: HealthBoard, clock: Clock
    ) -> None:
        self._announcer, self._host_name, self._device_id = announcer, host_name, device_id
        self._audit, self._board, self._clock = audit, board, clock
        self._due = Every(LOOK_EVERY_S)
        self._given = ""

    def step(self) -> None:
        """See to the name, if that is due."""
        if self._due.is_due(self._clock.monotonic()):
            try:
                self._look()
            except (InputError, MachineError) as error:
                log.debug("the name in the network is left as it is: %s", error)

    def _look(self) -> None:
        announced = self._announcer.announced()
        if not announced.is_settled:
            return
        own = self._host_name.name().partition(".")[0]
        if own != self._given:
            self._board.clear_issue(_RENAMED)
        what = next_step(own, announced.name, self._device_id)
        match what:
            case Rename(name):
                self._rename(own, name)
            case Announce():
                self._announcer.announce(own)
                log.info("the name in the network is now %s.local", own)
            case Taken():
                self._board.raise_issue(
                    _TAKEN, Severity.WARNING, f"Another machine in this network is called {own}.local, too",
                    f"Until one of them has another, this one is found as {announced.name}.local. Change it on the page Machine.",
                )  # fmt: skip
        if not isinstance(what, Taken):
            self._board.clear_issue(_TAKEN)

    def _rename(self, own: str, name: str) -> None:
        self._host_name.set_name(name)
        self._given = name
        self._audit.add("device", "", "machine named", f"from {own} to {name}: another machine in this network has that name")
        self._announcer.announce(name)
        log.warning("another machine in this network is called %s.local: this one is now %s.local", own, name)
        self._board.raise_issue(
            _RENAMED, Severity.INFO, f"This machine is now called {name}.local",
            f"Another one in this network is called {own}.local. The name can be changed on the page Machine.",
        )  # fmt: skip
