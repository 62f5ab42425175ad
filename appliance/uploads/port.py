"""What every kind of target can do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Protocol, runtime_checkable

from appliance.domain.notice import Notice, NoticeEvent, Origin

Progress = Callable[[int], None]
"""Called with the bytes sent so far, at least every five seconds; raises StoppedError when the work is to end."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, for targets that tell the other side."""

    device_id: str
    site_name: str
    version: str
    panel: str = ""
    """Address of its panel, empty where it is not known."""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    timezone: str = "UTC"
    night_sun_altitude_deg: float = -6.0
    """Below this the sun makes it night."""


def origin_of(sender: Sender) -> Origin:
    """Return whose notices they are."""
    return Origin(sender.site_name or "Nightjar", sender.device_id, sender.panel)


def trial_notice(sender: Sender, now_s: float) -> Notice:
    """Return a notice that an admin sends to see whether notices arrive; `now_s` is unix time."""
    now = datetime.fromtimestamp(now_s, UTC)
    return Notice(f"{now:%Y%m%dT%H%M%SZ}-test", NoticeEvent.TEST, now, origin_of(sender))


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
        """Do what the test button says: for files connect, log in, write a small file and remove it."""
        ...

    def close(self) -> None:
        """Hang up; must not raise."""
        ...


@runtime_checkable
class Lasting(Target, Protocol):
    """A target whose connection means something by itself: it is kept while there is nothing to send."""

    def tend(self) -> None:
        """Do what keeps the connection; called about once a second, must not raise."""
        ...
