"""The API; importing this package fills the table of routes with it."""

from appliance.web.api import (
    commands,
    document,
    frames,
    health,
    indiallsky,
    latest,
    machine,
    network,
    sensors,
    settings,
    sync,
    system,
    update,
    usb,
)

__all__ = [
    "commands",
    "document",
    "frames",
    "health",
    "indiallsky",
    "latest",
    "machine",
    "network",
    "sensors",
    "settings",
    "sync",
    "system",
    "update",
    "usb",
]
