"""What the two kinds of image do differently about updates. This is the one in which the Pi's firmware chooses the system."""

from pathlib import Path

from updating import autoboot

COMPATIBLE = "nightjar-arm64-raspios"
"""What an update for this kind of image calls itself: the other kind's boot partition could not be started here."""
COMMAND_LINE = Path("/run/nightjar-boot/slot")
"""Where it stands which system runs: both have the same command line, and the initrd wrote down where the firmware found it."""


def kept_from_being_written(slot: str, devices: Path) -> str:
    """Return why a system that does not run must stay all the same: one that the firmware starts by itself is needed."""
    try:
        if autoboot.read(devices / autoboot.DEVICE) != slot:
            return ""
    except autoboot.UnusableError as problem:
        return f"{problem}: what the machine starts from must be known before a system is written over"
    return f"after a loss of power the machine still starts from system {slot}, which would be written over: restart it first"
