"""The machine's updater (RAUC): the two halves of the card, what a bundle holds, and writing it into the one that rests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.domain.errors import MachineError, ServiceError
from appliance.domain.update import Manifest
from appliance.host.bus import Bus, Resync, Watch

SERVICE, PATH, INSTALLER = "de.pengutronix.rauc", "/", "de.pengutronix.rauc.Installer"
READ_S = 10.0
"""RAUC runs a script to read the state of starting."""
INSPECT_S = 25.0
"""The signature is over a short manifest; but RAUC may have to be started first, and a card may be slow."""
BUSY = "already processing"
"""What RAUC answers while it is at something else."""
LONGEST_NOTES = 2000
_LONGEST_WORD = 200


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


@dataclass(frozen=True, slots=True)
class Writing:
    """How far RAUC is."""

    is_idle: bool
    percent: int
    message: str
    """In RAUC's own words."""


class Completion:
    """Waits for the end of what RAUC is at, for one thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def take(self, timeout_s: float, /) -> int | Resync | None:
        """Return RAUC's result, 0 for success; None while it is not there; `RESYNC` where it may have been missed."""
        said = self._watch.take(timeout_s)
        match said:
            case None | Resync():
                return said
        match said.body:
            case (int() as result,):
                return result
        return None

    def close(self) -> None:
        """Listen no more."""
        self._watch.close()


class Updates:
    """Asks RAUC, and has it write; raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: SystemSlots | None = None

    def state(self) -> SystemSlots:
        """Ask for the slots that can be started, and for what RAUC does; while it writes it tells nothing new of them."""
        operation = self._bus.get(SERVICE, PATH, INSTALLER, "Operation", timeout_s=READ_S)
        try:
            (told,) = self._bus.call(SERVICE, PATH, INSTALLER, "GetSlotStatus", timeout_s=READ_S)
        except ServiceError as error:
            if BUSY in str(error) and self._known is not None and isinstance(operation, str):
                return replace(self._known, operation=operation)
            raise
        match operation, told:
            case str(), list():
                found = [_slot(status) for _, status in told if isinstance(status.get("bootname"), str)]
                self._known = SystemSlots(tuple(sorted(found, key=lambda slot: slot.name)), operation)
                return self._known
        raise MachineError("RAUC tells of its slots in a way that is not understood")

    def compatible(self) -> str:
        """Return which kind of machine this is."""
        match self._bus.get(SERVICE, PATH, INSTALLER, "Compatible", timeout_s=READ_S):
            case str() as found if found:
                return found
        raise MachineError("RAUC does not say which kind of machine this is")

    def next_half(self) -> str:
        """Return the name of the half that the machine starts from next."""
        (primary,) = self._bus.call(SERVICE, PATH, INSTALLER, "GetPrimary", timeout_s=READ_S)
        (told,) = self._bus.call(SERVICE, PATH, INSTALLER, "GetSlotStatus", timeout_s=READ_S)
        if isinstance(told, list):
            for name, status in told:
                if name == primary and isinstance(status.get("bootname"), str):
                    return str(status["bootname"])
        raise MachineError("RAUC does not say what the machine starts from next")

    def inspect(self, bundle: Path) -> Manifest:
        """Return what a bundle says of itself, its signature checked; ServiceError with RAUC's reason where it is refused."""
        body: tuple[object, ...] = (str(bundle), {})
        (told,) = self._bus.call(SERVICE, PATH, INSTALLER, "InspectBundle", "sa{sv}", body, timeout_s=INSPECT_S)
        match told:
            case {"update": dict() as update, "bundle": dict() as form}:
                return Manifest(
                    version=_word(update.get("version")),
                    compatible=_word(update.get("compatible")),
                    notes=_notes(update.get("description")),
                    format=_word(form.get("format")),
                )
        raise ServiceError("", "RAUC tells of the bundle in a way that is not understood")

    def begin(self, bundle: Path) -> None:
        """Have a bundle written; returns before it is. Take a `completion` before."""
        self._bus.call(SERVICE, PATH, INSTALLER, "InstallBundle", "sa{sv}", (str(bundle), {}), timeout_s=READ_S)

    def completion(self) -> Completion:
        """Listen for the end from now on."""
        return Completion(self._bus.watch(SERVICE, PATH, interface=INSTALLER, member="Completed"))

    def writing(self) -> Writing:
        """Ask how far it is."""
        told = self._bus.get_all(SERVICE, PATH, INSTALLER, timeout_s=READ_S)
        match told.get("Operation"), told.get("Progress"):
            case str() as operation, (int() as percent, str() as message, int()):
                return Writing(operation == "idle", min(max(percent, 0), 100), _word(message))
        raise MachineError("RAUC does not say what it does")

    def last_error(self) -> str:
        """Return why it ended as it did, in RAUC's words."""
        return _word(self._bus.get(SERVICE, PATH, INSTALLER, "LastError", timeout_s=READ_S), longest=500)


def _word(untrusted: object, *, longest: int = _LONGEST_WORD) -> str:
    """Return a text of one line that can be shown."""
    if not isinstance(untrusted, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in untrusted)[:longest].strip()


def _notes(untrusted: object) -> str:
    """Return a text of several lines that can be shown."""
    lines = untrusted.splitlines() if isinstance(untrusted, str) else []
    return "\n".join(_word(line, longest=LONGEST_NOTES) for line in lines)[:LONGEST_NOTES].strip()


def _slot(status: Mapping[str, object]) -> Slot:
    health, version = status.get("boot-status"), status.get("bundle.version")
    return Slot(
        name=str(status["bootname"]),
        is_booted=status.get("state") == "booted",
        is_good={"good": True, "bad": False}.get(health) if isinstance(health, str) else None,
        version=version if isinstance(version, str) else "",
    )
