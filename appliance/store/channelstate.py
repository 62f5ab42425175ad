"""What is remembered of the update channel: the newest list that was seen, so that no older one is taken, and what it offers."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from appliance.domain.channel import Release
from appliance.store.bundlefiles import SHA256, JsonFile, moment_of, text_of
from appliance.store.files import DataFolder


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Of one address and one key."""

    url: str
    key: str
    serial: int = 0
    digest: str = ""
    """SHA-256 of the list with that serial number."""
    made_at: datetime | None = None
    checked_at: datetime | None = None
    """When it was last asked."""
    error: str = ""
    """Why that came to nothing; empty where it did not."""
    offered: Release | None = None
    """What of the list is for this appliance."""


class ChannelStore:
    """One file in `updates/`."""

    def __init__(self, folder: DataFolder) -> None:
        self._file = JsonFile(folder, "updates/channel.json", _state_of)

    def read(self, url: str, key: str) -> ChannelState:
        """Return what is remembered of a channel; nothing of another one's."""
        found = self._file.read()
        return found if found is not None and (found.url, found.key) == (url, key) else ChannelState(url, key)

    def write(self, state: ChannelState) -> None:
        """Remember it."""
        self._file.write(state)

    def failed(self, state: ChannelState, at: datetime, error: str) -> ChannelState:
        """Remember that asking came to nothing; what was offered before stays."""
        told = replace(state, checked_at=at, error=error[:500])
        self.write(told)
        return told


def _state_of(tree: dict[str, Any]) -> ChannelState:
    """Return what is remembered; ValueError if the record is none."""
    serial, digest, offered = tree["serial"], text_of(tree["digest"]), tree["offered"]
    if type(serial) is not int or serial < 0 or (digest and not SHA256.match(digest)):
        raise ValueError("serial number or digest is none")
    return ChannelState(
        text_of(tree["url"]),
        text_of(tree["key"]),
        serial,
        digest,
        None if tree["made_at"] is None else moment_of(tree["made_at"]),
        None if tree["checked_at"] is None else moment_of(tree["checked_at"]),
        text_of(tree["error"]),
        None if offered is None else _release_of(offered),
    )


def _release_of(tree: dict[str, Any]) -> Release:
    texts = {name: text_of(tree[name], 4000) for name in ("version", "compatible", "url", "sha256", "notes")}
    size, percent = tree["size"], tree["percent"]
    if type(size) is not int or type(percent) is not float:
        raise ValueError("size or percentage is none")
    return Release(**texts, size=size, percent=percent)
