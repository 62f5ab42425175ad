"""Drivers of cameras, and the cameras that are plugged in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CameraDriver:
    """An INDI driver of cameras that is installed."""

    name: str
    """Of its program, like `indi_asi_ccd`."""
    cameras: tuple[str, ...]
    """What its package says that it drives; empty where it says nothing."""


@dataclass(frozen=True, slots=True)
class PluggedCamera:
    """A camera on USB, as far as it is known from outside."""

    name: str
    """As it calls itself: any printable words, for showing only."""
    driver: str
    """The driver to take for it; empty where none that is installed will do."""
    package: str
    """What would have to be installed, as Debian calls it."""
