"""The pages; importing this package fills the table of routes with them."""

from appliance.web.pages import (
    accounts,
    audit,
    certificate,
    entry,
    files,
    gallery,
    handbook,
    live,
    machine,
    me,
    nightzip,
    sensors,
    settings,
    system,
    tokens,
    usb,
)

__all__ = [
    "accounts",
    "audit",
    "certificate",
    "entry",
    "files",
    "gallery",
    "handbook",
    "live",
    "machine",
    "me",
    "nightzip",
    "sensors",
    "settings",
    "system",
    "tokens",
    "usb",
]
