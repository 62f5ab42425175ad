"""What the two kinds of image do differently about updates. This is the one in which U-Boot's script chooses the system.

The other kind lays a file of the same name over this one.
"""

from pathlib import Path

COMPATIBLE = "nightjar-arm64"
"""What an update for this kind of image calls itself."""
COMMAND_LINE = Path("/proc/cmdline")
"""Where it stands which system runs: the boot script told the kernel."""


def kept_from_being_written(slot: str, devices: Path) -> str:  # noqa: ARG001 - the other kind of image looks
    """Return why a system that does not run must stay all the same: here nothing does, once it is out of the order."""
    return ""
