"""The API; importing this package fills the table of routes with it."""

from appliance.web.api import commands, document, frames, health, latest, machine, sensors, settings, system, usb

__all__ = ["commands", "document", "frames", "health", "latest", "machine", "sensors", "settings", "system", "usb"]
