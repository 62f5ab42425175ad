"""The sticks that are plugged in, as the service remembers them from their plugging in to their pulling out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic

from appliance.domain.stick import Stick, StickState, is_fs_id
from appliance.export import policy
from appliance.export.ports import VolumeT

_LONGEST = 60
SHOWN_S = 1800.0
"""How long a stick that was switched off stays in the panel: nobody tells us when it is pulled out."""


@dataclass
class Plugged(Generic[VolumeT]):
    """A volume since it came."""

    volume: VolumeT
    refusal: str | None = None
    state: StickState = StickState.BUSY
    reason: str = ""
    job_id: int | None = None
    free_bytes: int | None = None
    is_looked_at: bool = False
    has_request: bool = False
    bundle_bytes: int = 0
    is_served: bool = False
    """Whether its own export was tried: that happens once for each plugging in."""
    is_safe_to_remove: bool = True
    is_off: bool = False
    """Whether its drive was switched off."""

    @property
    def fs_id(self) -> str:
        """Id of the file system; empty where it has none that could be remembered."""
        return self.volume.uuid if is_fs_id(self.volume.uuid) else ""

    @property
    def name(self) -> str:
        """How it is called before people."""
        return plain(self.volume.label) or plain(self.volume.model) or self.fs_id

    def shown(self, *, is_confirmed: bool) -> Stick:
        """Return what the panel shows."""
        volume = self.volume
        is_refused = self.refusal is not None
        return Stick(
            fs_id=self.fs_id,
            label=plain(volume.label),
            fs_type=plain(volume.fs_type),
            model=plain(volume.model),
            size_bytes=volume.size_bytes,
            free_bytes=self.free_bytes,
            state=StickState.REFUSED if is_refused else self.state,
            reason=self.refusal or self.reason,
            is_confirmed=is_confirmed and not is_refused,
            job_id=self.job_id,
            is_safe_to_remove=self.is_safe_to_remove,
            bundle_bytes=self.bundle_bytes,
        )


@dataclass
class Sticks(Generic[VolumeT]):
    """All of them, and those that were switched off and may still hang there."""

    here: dict[str, Plugged[VolumeT]] = field(default_factory=dict)
    """By object path."""
    let_go: dict[str, tuple[float, Stick]] = field(default_factory=dict)
    """By file-system id, with the time until which it is shown."""
    ours: set[str] = field(default_factory=set)
    """Object paths of what this service has mounted."""

    def refresh(self, volumes: Iterable[VolumeT], busy: str | None) -> list[Plugged[VolumeT]]:
        """Take the volumes that are there now; return those that went.

        Parameters
        ----------
        busy : str or None
            Object path of the one in work: what came later cannot make a twin of it.
        """
        found = {volume.object_path: volume for volume in volumes}
        gone = [stick for path, stick in self.here.items() if path not in found or _is_another(stick.volume, found[path])]
        for stick in gone:
            del self.here[stick.volume.object_path]
            self.ours.discard(stick.volume.object_path)
        for path, volume in found.items():
            stick = self.here.setdefault(path, Plugged(volume))
            stick.volume = volume
            if path != busy:
                stick.refusal = policy.refusal(volume, found.values(), self.ours)
            if stick.refusal is None:
                self.let_go.pop(stick.fs_id, None)
        return gone

    def usable(self, fs_id: str) -> Plugged[VolumeT] | None:
        """Return the stick of an id, if it is there and not refused."""
        return next((stick for stick in self.here.values() if stick.refusal is None and stick.fs_id == fs_id), None)

    def let_go_of(self, stick: Plugged[VolumeT], now_s: float, *, is_confirmed: bool) -> None:
        """Go on showing a stick that was switched off."""
        self.let_go[stick.fs_id] = (now_s + SHOWN_S, stick.shown(is_confirmed=is_confirmed))

    def shown(self, confirmed: set[str], now_s: float) -> tuple[Stick, ...]:
        """Return what the panel shows."""
        self.let_go = {fs_id: (until_s, stick) for fs_id, (until_s, stick) in self.let_go.items() if now_s < until_s}
        here = [stick for _, stick in sorted(self.here.items()) if policy.is_shown(stick.volume)]
        return (
            *(stick.shown(is_confirmed=stick.fs_id in confirmed) for stick in here),
            *(stick for _, stick in self.let_go.values()),
        )


def plain(untrusted_text: str) -> str:
    """Return a text that can be shown in one line: printable, and cut."""
    return "".join(letter for letter in untrusted_text if letter.isprintable())[:_LONGEST].strip()


def _is_another(old: VolumeT, new: VolumeT) -> bool:
    """Return whether another stick has come under the old one's name."""
    return (old.drive_path, old.uuid, old.fs_type, old.size_bytes) != (new.drive_path, new.uuid, new.fs_type, new.size_bytes)
