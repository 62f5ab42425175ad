"""What the update service needs of the machine, as the classes in `host/` give it; every method may raise MachineError."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from appliance.domain.update import Manifest, Records


class Slot(Protocol):
    """One of the halves that the system can start from."""

    @property
    def name(self) -> str:
        """As the boot loader calls it."""
        ...

    @property
    def is_booted(self) -> bool:
        """Whether the machine runs from it."""
        ...

    @property
    def version(self) -> str:
        """Of the release in it; empty where it did not come by an update."""
        ...


class Slots(Protocol):
    """Both halves."""

    @property
    def slots(self) -> Sequence[Slot]:
        """The halves."""
        ...


class Writing(Protocol):
    """How far the updater is."""

    @property
    def is_idle(self) -> bool:
        """Whether it does nothing."""
        ...

    @property
    def percent(self) -> int:
        """Of what it is at."""
        ...

    @property
    def message(self) -> str:
        """In its own words."""
        ...


class Completion(Protocol):
    """Waits for the updater's end."""

    def take(self, timeout_s: float, /) -> object:
        """Return the result, 0 for success; None while it is not there; anything else where it may have been missed."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class Rauc(Protocol):
    """The machine's updater (`host/update.py`)."""

    def state(self) -> Slots:
        """Ask for the halves."""
        ...

    def compatible(self) -> str:
        """Return which kind of machine this is."""
        ...

    def next_half(self) -> str:
        """Return the name of the half that the machine starts from next."""
        ...

    def inspect(self, bundle: Path, /) -> Manifest:
        """Return what a bundle says of itself; ServiceError where it is refused."""
        ...

    def completion(self) -> Completion:
        """Listen for the end from now on."""
        ...

    def begin(self, bundle: Path, /) -> None:
        """Have a bundle written."""
        ...

    def writing(self) -> Writing:
        """Ask how far it is."""
        ...

    def last_error(self) -> str:
        """Return why it ended as it did."""
        ...


class RecordsOfRoot(Protocol):
    """What root has written down (`host/updaterecords.py`)."""

    def read(self) -> Records:
        """Return everything; never raises."""
        ...


class Units(Protocol):
    """What of `host/systemd.py` is needed."""

    def start_other_slot(self) -> None:
        """Have the machine start from its other half at the next start."""
        ...
