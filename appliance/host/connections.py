"""Changing how the machine is connected, through NetworkManager: what is heard and kept, new connections, and the way back.

The way back is NetworkManager's own (a checkpoint): it restores everything by itself when its time is over, also if this
program is gone by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from appliance.domain.errors import MachineError
from appliance.domain.network import Addressing, Card, Failure, Heard, Saved, Security
from appliance.host.bus import Bus, Resync, Watch
from appliance.host.kernelfiles import KernelFiles
from appliance.host.network import (
    CABLE,
    CONNECTED,
    DEVICE,
    POINT,
    ROOT,
    SERVICE,
    WIFI,
    WIRELESS,
    Objects,
    data,
    number,
    objects_of,
    text,
)
from appliance.host.profiles import Profile, saved_of, with_addresses

PATH = f"{ROOT}/NetworkManager"
_SETTINGS, _CONNECTION, _ACTIVE = f"{SERVICE}.Settings", f"{SERVICE}.Settings.Connection", f"{SERVICE}.Connection.Active"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_COUNTRY_SET = "run/nightjar-firstboot/wifi-country"
"""What root has told the kernel; the other tells only what the kernel was started with."""
_COUNTRY = "sys/module/cfg80211/parameters/ieee80211_regdom"
_MOST_HEARD = 60
_IN_MEMORY = 2
"""NMSettingsUpdate2Flags: the disk's is left as it is until the connection is saved, so that a power cut is a way back too."""
_DESTROY_OTHERS, _DELETE_NEW = 1, 2
"""NMCheckpointCreateFlags."""
_CAN_BE_POINT = 0x40
"""NMDeviceWifiCapabilities."""
_INFRASTRUCTURE, _IS_POINT = 2, 3
"""NM80211Mode."""
_PRIVACY = 1
"""NM80211ApFlags."""
_PSK, _COMPANY, _SAE = 0x100, 0x200 | 0x2000, 0x400
"""NM80211ApSecurityFlags."""
_BANDS = ((2400, 2500, "2.4 GHz"), (4900, 5900, "5 GHz"), (5925, 7200, "6 GHz"))
_UNMANAGED, _FAILED = 10, 120
"""NMDeviceState."""
_NONE = "/"
"""The path of nothing."""
_FAILURES = {
    **dict.fromkeys((7, 8, 9, 10, 11), Failure.WRONG_KEY),
    **dict.fromkeys((5, 15, 16, 17), Failure.NO_ADDRESS),
    **dict.fromkeys((18, 19), Failure.NOT_SHARED),
    40: Failure.NO_CABLE,
    53: Failure.NOT_FOUND,
}
"""NMDeviceStateReason."""


@dataclass(frozen=True, slots=True)
class Survey:
    """All that this part of the program asks about the network, at one moment."""

    cards: tuple[Card, ...]
    heard: tuple[Heard, ...]
    saved: tuple[Saved, ...]
    is_wifi_on: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection that was begun: paths on the bus."""

    saved: str
    active: str
    card: str


class CardWatch:
    """Hears that a card could not be connected, for one thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def take(self, timeout_s: float) -> Failure | None:
        """Return why the card failed, or None when nothing of that kind was said in time."""
        said = self._watch.take(timeout_s)
        if said is None or isinstance(said, Resync):
            return None
        match said.body:
            case (int() as state, int(), int() as reason) if state == _FAILED:
                return _FAILURES.get(reason, Failure.OTHER)
        return None

    def close(self) -> None:
        """Listen no more."""
        self._watch.close()


class Connections:
    """Asks, tries and keeps; decides nothing. Every method raises as `Bus.call` does.

    Parameters
    ----------
    cables : frozenset of int
        NMDeviceType of what counts as a socket for a cable.
    """

    def __init__(self, bus: Bus, root: Path = Path("/"), cables: frozenset[int] = frozenset({CABLE})) -> None:
        self._bus, self._files, self._cables = bus, KernelFiles(root), cables

    # Asking

    def survey(self) -> Survey:
        """Ask for cards, networks and saved connections."""
        objects = objects_of(self._bus)
        read = (saved_of(path, self._told(path)) for path in objects if _CONNECTION in objects[path])
        saved = tuple(sorted((one for one in read if one is not None), key=lambda one: (one.is_wifi, one.name, one.uuid)))
        of_path = {one.path: one for one in saved}
        kinds = self._cables | {WIFI}
        cards = (_card(objects, path, of_path) for path in objects if number(objects, path, DEVICE, "DeviceType") in kinds)
        return Survey(
            cards=tuple(sorted((card for card in cards if card is not None), key=lambda card: card.name)),
            heard=heard_of(objects),
            saved=saved,
            is_wifi_on=objects.get(PATH, {}).get(SERVICE, {}).get("WirelessEnabled") is not False,
        )

    def country(self) -> str:
        """Return whose rules the Wi-Fi follows, in two letters; empty where they are those of the whole world, or not known."""
        found = self._files.text(_COUNTRY_SET) or self._files.text(_COUNTRY) or ""
        return found if len(found) == 2 and found.isalpha() and found.isupper() else ""

    def is_up(self, attempt: Attempt) -> bool:
        """Return whether a card carries what was begun on it."""
        told = self._bus.get_all(SERVICE, attempt.card, DEVICE)
        return told.get("State") == CONNECTED and told.get("ActiveConnection") == attempt.active

    def watch(self, card: str) -> CardWatch:
        """Listen to a card from now on."""
        return CardWatch(self._bus.watch(SERVICE, card, interface=DEVICE, member="StateChanged"))

    # Doing

    def scan(self, card: str) -> None:
        """Have a card listen for networks; it answers with more of them some seconds later."""
        self._bus.call(SERVICE, card, WIRELESS, "RequestScan", "a{sv}", ({},))

    def switch_wifi_on(self) -> None:
        """Switch Wi-Fi on where it is off."""
        self._bus.call(SERVICE, PATH, _PROPERTIES, "Set", "ssv", (SERVICE, "WirelessEnabled", ("b", True)))

    def begin(self, profile: Profile, card: str) -> Attempt:
        """Connect a card by a new connection, which is kept on no disk yet."""
        body = (profile, card, "/", {"persist": ("s", "memory")})
        saved, active, *_ = self._bus.call(SERVICE, PATH, SERVICE, "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}", body)
        return Attempt(_path(saved), _path(active), card)

    def readdress(self, saved: str, card: str, ipv4: Addressing, ipv6: Addressing) -> Attempt:
        """Connect a card anew by a saved connection with other addresses, which are kept on no disk yet."""
        profile = with_addresses(self._told(saved), ipv4, ipv6)
        self._bus.call(SERVICE, saved, _CONNECTION, "Update2", "a{sa{sv}}ua{sv}", (profile, _IN_MEMORY, {}))
        (active,) = self._bus.call(SERVICE, PATH, SERVICE, "ActivateConnection", "ooo", (saved, card, "/"))
        return Attempt(saved, _path(active), card)

    def save(self, saved: str) -> None:
        """Keep a connection on disk."""
        self._bus.call(SERVICE, saved, _CONNECTION, "Save")

    def forget(self, saved: str) -> None:
        """Keep a connection no longer, and end its use."""
        self._bus.call(SERVICE, saved, _CONNECTION, "Delete")

    # The way back

    def mark(self, within_s: int) -> str:
        """Have everything restored in so many seconds unless `unmark` comes first; returns the mark's path."""
        body: tuple[object, ...] = ([], within_s, _DESTROY_OTHERS | _DELETE_NEW)
        (mark,) = self._bus.call(SERVICE, PATH, SERVICE, "CheckpointCreate", "aouu", body)
        return _path(mark)

    def prolong(self, mark: str, within_s: int) -> None:
        """Have everything restored in so many seconds from now instead."""
        self._bus.call(SERVICE, PATH, SERVICE, "CheckpointAdjustRollbackTimeout", "ou", (mark, within_s))

    def unmark(self, mark: str) -> None:
        """Leave everything as it is now."""
        self._bus.call(SERVICE, PATH, SERVICE, "CheckpointDestroy", "o", (mark,))

    def restore(self, mark: str) -> None:
        """Restore everything at once."""
        self._bus.call(SERVICE, PATH, SERVICE, "CheckpointRollback", "o", (mark,))

    def is_marked(self, mark: str) -> bool:
        """Return whether a mark still stands; it is gone once everything was restored."""
        found = self._bus.get(SERVICE, PATH, SERVICE, "Checkpoints")
        return isinstance(found, list) and mark in found

    def _told(self, saved: str) -> Mapping[str, Mapping[str, object]]:
        """Return a connection as NetworkManager tells it, without its keys."""
        (told,) = self._bus.call(SERVICE, saved, _CONNECTION, "GetSettings")
        if not isinstance(told, dict):
            raise MachineError("NetworkManager answered with something that is no connection")
        return cast("Mapping[str, Mapping[str, object]]", told)


def _card(objects: Objects, path: str, saved: Mapping[str, Saved]) -> Card | None:
    """Return a card, or None for one that NetworkManager leaves alone."""
    if number(objects, path, DEVICE, "State") <= _UNMANAGED:
        return None
    is_wifi = number(objects, path, DEVICE, "DeviceType") == WIFI
    active = text(objects, path, DEVICE, "ActiveConnection")
    connection = text(objects, active, _ACTIVE, "Connection")
    is_up, is_point = number(objects, path, DEVICE, "State") == CONNECTED, number(objects, path, WIRELESS, "Mode") == _IS_POINT
    return Card(
        path=path,
        name=text(objects, path, DEVICE, "Interface"),
        is_wifi=is_wifi,
        is_connected=is_up and not is_point,
        is_point=is_up and is_point,
        connection=connection,
        active="" if active == _NONE else active,
        ssid=saved[connection].ssid if connection in saved else b"",
        can_be_point=is_wifi and bool(number(objects, path, WIRELESS, "WirelessCapabilities") & _CAN_BE_POINT),
    )


def heard_of(objects: Objects) -> tuple[Heard, ...]:
    """Return the networks that are heard, the strongest first; those of one name that are protected differently stay apart."""
    found: dict[tuple[bytes, Security], Heard] = {}
    for path in objects:
        ssid = data(objects, path, POINT, "Ssid")
        if not ssid.strip(b"\0") or number(objects, path, POINT, "Mode") not in (0, _INFRASTRUCTURE):
            continue
        security, strength = _security(objects, path), min(100, max(0, number(objects, path, POINT, "Strength")))
        before = found.get((ssid, security))
        bands = {*(before.bands if before else ()), *_bands(number(objects, path, POINT, "Frequency"))}
        strength = max(strength, before.signal_percent if before else 0)
        found[ssid, security] = Heard(ssid, security, strength, tuple(sorted(bands)))
    return tuple(sorted(found.values(), key=lambda one: (-one.signal_percent, one.ssid)))[:_MOST_HEARD]


def _security(objects: Objects, path: str) -> Security:
    rsn, wpa = number(objects, path, POINT, "RsnFlags"), number(objects, path, POINT, "WpaFlags")
    if rsn & _PSK and rsn & _SAE:
        return Security.MIXED
    if rsn & _SAE:
        return Security.SAE
    if rsn & _PSK:
        return Security.PERSONAL
    if (rsn | wpa) & _COMPANY:
        return Security.COMPANY
    return Security.OUTDATED if wpa or number(objects, path, POINT, "Flags") & _PRIVACY else Security.OPEN


def _bands(frequency_mhz: int) -> tuple[str, ...]:
    return tuple(name for low, high, name in _BANDS if low <= frequency_mhz < high)


def _path(told: object) -> str:
    if not isinstance(told, str):
        raise MachineError("NetworkManager answered with something that is no path")
    return told
