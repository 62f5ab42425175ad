"""What every service is: three methods, no thread of its own."""

from collections.abc import Callable
from typing import Protocol

Beat = Callable[[], None]
"""Called inside long work, at least every 30 s, to say that the work goes on."""


class Service(Protocol):
    """Work that a worker repeats; wiring goes into `__init__`, what can fail into `open`."""

    def open(self) -> None:
        """Acquire what the service needs; may raise."""
        ...

    def step(self) -> None:
        """Do one piece of work and return within about a second; an exception closes and rebuilds the service."""
        ...

    def close(self) -> None:
        """Give back what `open` acquired; called also after a failed `open`, must not raise."""
        ...
