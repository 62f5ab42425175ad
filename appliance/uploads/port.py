"""What every kind of target can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

Progress = Callable[[int], None]
"""Called with the bytes sent so far, at least every five seconds; raises StoppedError when the work is to end."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, for targets that tell the other side."""

    device_id: str
    site_name: str
    version: str


class Target(Protocol):
    """A place that files go to; connects when it is first used.

    Every method raises UploadError where the target cannot be used now, and waits for nothing longer than ten seconds.
    """

    def deliver(self, file: BinaryIO, size: int, name: str, progress: Progress, /) -> None:
        """Bring a file there, so that it stands under its name whole or not at all; what lay there is replaced.

        Raises
        ------
        UploadRefusedError
            If this file is not taken, while others may be.
        StoppedError
            As `progress` raised it.
        """
        ...

    def check(self) -> None:
        """Connect, log in, write a small file and remove it: the test button."""
        ...

    def close(self) -> None:
        """Hang up; must not raise."""
        ...
