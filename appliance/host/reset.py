"""The factory reset: an order to a root oneshot that takes no arguments, and beside it whether pictures are kept."""

from pathlib import Path
from typing import Protocol

from appliance.domain.errors import MachineError, UnavailableError
from appliance.host.orders import leave_order

CHOICE = "factory-reset"
"""In the folder of what the panel shows; `nightjar-factory-reset` reads it there."""
_WORDS = {True: "keep-pictures\n", False: "everything\n"}


class Starts(Protocol):
    """What of `Units` is needed; raises MachineError."""

    def start_factory_reset(self) -> None:
        """Begin."""
        ...


class FactoryReset:
    """Begins a reset; the machine restarts by itself afterwards.

    Parameters
    ----------
    units : Starts
    folder : Path or None
        None where there is no appliance to reset.
    """

    def __init__(self, units: Starts, folder: Path | None) -> None:
        self._units, self._folder = units, folder

    @property
    def is_available(self) -> bool:
        """Whether this machine can be reset at all."""
        return self._folder is not None and self._folder.is_dir()

    def begin(self, *, keep_pictures: bool) -> None:
        """Order it; raises as `Bus.call` does, and then nothing has happened."""
        if self._folder is None or not self.is_available:
            raise UnavailableError("not available on this machine: only the appliance can be reset")
        try:
            leave_order(self._folder / CHOICE, _WORDS[keep_pictures])
        except OSError as error:
            raise MachineError(f"the reset cannot be ordered: {error.strerror}") from error
        self._units.start_factory_reset()
