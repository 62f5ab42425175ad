"""A made-up NetworkManager with a cable that is in and one Wi-Fi card: for what needs a radio, which no test machine has.

The contract, as NetworkManager 1.42 keeps it (for cables `test_connections.py` holds the real one to the same):

- `AddAndActivateConnection2` answers at once, with a saved connection that lies in memory, and an active one; what becomes of it
  is seen in the card's `State` and `ActiveConnection`, and told by `StateChanged(new, old, reason)`.
- A wrong key ends in state 120 with reason 7 (no secrets), an unknown network with reason 53; the card then rests (30).
- A checkpoint that is rolled back or whose time is over deletes what is new and connects what was connected; one that is
  destroyed leaves everything as it is.
- `RequestScan` is refused while the card is an access point.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.host.network import DEVICE, POINT, ROOT, SERVICE, WIRELESS
from appliance.host.profiles import Profile, Value
from tests.integration.host.standin import Body, Call, Interfaces, Refusal, StandIn

MANAGER = f"{ROOT}/NetworkManager"
WLAN, ETH = f"{MANAGER}/Devices/2", f"{MANAGER}/Devices/1"
CONNECTION, ACTIVE = f"{SERVICE}.Settings.Connection", f"{SERVICE}.Connection.Active"
HOME, KEY = b"ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"
"""A network whose passphrase is ThisIsAPassword."""
CABLE_UUID = "11111111-1111-1111-1111-111111111111"
_PSK, _SAE = 0x100, 0x400


def access_point(ssid: bytes, *, flags: int = 1, rsn: int = _PSK, strength: int = 60, mhz: int = 2437) -> Interfaces:
    values: dict[str, Value] = {
        "Ssid": ("ay", ssid), "Flags": ("u", flags), "WpaFlags": ("u", 0), "RsnFlags": ("u", rsn), "Strength": ("y", strength),
        "Frequency": ("u", mhz), "Mode": ("u", 2),
    }  # fmt: skip
    return {POINT: values}


class MadeUpNetworkManager(StandIn):
    """Owns the name; `in_reach` are the keys of the networks that can be joined, None for an open one."""

    def __init__(self, address: str, *, has_cable: bool = True) -> None:
        self.in_reach: dict[bytes, str | None] = {HOME: KEY, b"Open": None}
        self.profiles: dict[str, Profile] = {}
        self.on_disk: set[str] = set()
        self.scans = 0
        self._numbers = itertools.count(10)
        self._before: dict[str, tuple[set[str], dict[str, str], float]] = {}
        self._lock = threading.Lock()
        objects: dict[str, Interfaces] = {
            MANAGER: {SERVICE: {"WirelessEnabled": ("b", True), "Connectivity": ("u", 4)}},
            ETH: {DEVICE: _device("eth0", 1, state=100 if has_cable else 20)},
            WLAN: {DEVICE: _device("wlan0", 2, state=30), WIRELESS: {"Mode": ("u", 2), "WirelessCapabilities": ("u", 0x40)}},
            f"{MANAGER}/AccessPoint/1": access_point(HOME, rsn=_PSK | _SAE),
            f"{MANAGER}/AccessPoint/2": access_point(HOME, rsn=_PSK | _SAE, strength=80, mhz=5180),
            f"{MANAGER}/AccessPoint/3": access_point(b"Open", flags=0, rsn=0, strength=30),
            f"{MANAGER}/AccessPoint/4": access_point(b""),
        }
        super().__init__(address, SERVICE, ROOT, objects)
        if has_cable:
            head: dict[str, Value] = {
                "id": ("s", "Cable"), "uuid": ("s", CABLE_UUID), "type": ("s", "802-3-ethernet"), "interface-name": ("s", "eth0"),
            }  # fmt: skip
            self.on_disk.add(self._use(ETH, self._add({"connection": head, "802-3-ethernet": {}})))

    def answer(self, call: Call) -> tuple[str, Body]:
        with self._lock:
            self._expire()
            for answer in (self._told, self._changed, self._marked):
                if (found := answer(call)) is not None:
                    return found
            raise Refusal("UnknownMethod", f"{call.method}{call.body}")

    def _told(self, call: Call) -> tuple[str, Body] | None:
        match call.method, call.body:
            case "Get", (str() as interface, str() as name):
                return "v", (self.objects[call.path][interface][name],)
            case "GetAll", (str() as interface,):
                return "a{sv}", (self.objects[call.path][interface],)
            case "GetSettings", ():
                told = {section: dict(values) for section, values in self.profiles[call.path].items()}
                told.get("802-11-wireless-security", {}).pop("psk", None)
                return "a{sa{sv}}", (told,)
            case "RequestScan", _:
                if self.objects[WLAN][WIRELESS]["Mode"] == ("u", 3):
                    raise Refusal("Device.NotAllowed", "Scanning not allowed in AP mode")
                self.scans += 1
                return "", ()
        return None

    def _changed(self, call: Call) -> tuple[str, Body] | None:
        match call.method, call.body:
            case "AddAndActivateConnection2", (dict() as profile, str() as card, _, {"persist": ("s", "memory")}):
                path = self._add(profile)
                self._activate(card, path)
                return "ooa{sv}", (path, self._active(card), {})
            case "Update2", (dict() as profile, 2, _):
                kept = self.profiles[call.path].get("802-11-wireless-security")
                self.profiles[call.path] = {**profile, **({"802-11-wireless-security": kept} if kept else {})}
                return "a{sv}", ({},)
            case "ActivateConnection", (str() as path, str() as card, _):
                self._activate(card, path)
                return "o", (self._active(card),)
            case "Save", ():
                self.on_disk.add(call.path)
                return "", ()
            case "Delete", ():
                self._delete(call.path)
                return "", ()
        return None

    def _marked(self, call: Call) -> tuple[str, Body] | None:
        match call.method, call.body:
            case "CheckpointCreate", (_, int() as within_s, 3):
                mark = f"{MANAGER}/Checkpoint/{next(self._numbers)}"
                used = {card: self._used(card) for card in (ETH, WLAN)}
                self._before = {mark: (set(self.profiles), used, time.monotonic() + within_s)}
                self._tell_marks()
                return "o", (mark,)
            case "CheckpointAdjustRollbackTimeout", (str() as mark, int() as within_s):
                known, used, _ = self._before[mark]
                self._before[mark] = known, used, time.monotonic() + within_s
                return "", ()
            case "CheckpointDestroy", (str() as mark,):
                del self._before[mark]
                self._tell_marks()
                return "", ()
            case "CheckpointRollback", (str() as mark,):
                self._restore(mark)
                return "a{su}", ({},)
        return None

    @property
    def joined(self) -> bytes:
        """Return the name of the network that the Wi-Fi card is in, or makes."""
        path = self._used(WLAN)
        return bytes(self.profiles[path]["802-11-wireless"]["ssid"][1]) if path else b""  # type: ignore[call-overload] # bytes

    def _add(self, profile: Profile) -> str:
        path = f"{MANAGER}/Settings/{next(self._numbers)}"
        self.profiles[path] = profile
        self.objects[path] = {CONNECTION: {"Unsaved": ("b", True)}}
        return path

    def _delete(self, path: str) -> None:
        for card in (ETH, WLAN):
            if self._used(card) == path:
                self._rest(card)
        del self.profiles[path], self.objects[path]
        self.on_disk.discard(path)

    def _activate(self, card: str, path: str) -> None:
        wifi = self.profiles[path].get("802-11-wireless", {})
        ssid, is_point = wifi.get("ssid", ("ay", b""))[1], wifi.get("mode") == ("s", "ap")
        key = self.profiles[path].get("802-11-wireless-security", {}).get("psk", ("s", None))[1]
        self._use(card, path)
        if card == WLAN:
            self.objects[WLAN][WIRELESS]["Mode"] = ("u", 3 if is_point else 2)
        if wifi and not is_point and (ssid not in self.in_reach or self.in_reach[ssid] != key):
            reason = 7 if ssid in self.in_reach else 53
            self.objects[card][DEVICE]["State"] = ("u", 30)
            self.emit(card, DEVICE, "StateChanged", "uuu", (120, 60, reason))

    def _use(self, card: str, path: str) -> str:
        active = f"{MANAGER}/ActiveConnection/{next(self._numbers)}"
        self.objects[active] = {ACTIVE: {"Connection": ("o", path)}}
        self.objects[card][DEVICE].update({"State": ("u", 100), "ActiveConnection": ("o", active)})
        return path

    def _rest(self, card: str) -> None:
        self.objects[card][DEVICE].update({"State": ("u", 30), "ActiveConnection": ("o", "/")})
        if card == WLAN:
            self.objects[WLAN][WIRELESS]["Mode"] = ("u", 2)

    def _active(self, card: str) -> str:
        return str(self.objects[card][DEVICE]["ActiveConnection"][1])

    def _used(self, card: str) -> str:
        told = self.objects.get(self._active(card), {}).get(ACTIVE, {}).get("Connection")
        return str(told[1]) if told else ""

    def _restore(self, mark: str) -> None:
        known, used, _ = self._before.pop(mark)
        self._tell_marks()
        for path in set(self.profiles) - known:
            self._delete(path)
        for card, path in used.items():
            if path and path in self.profiles:
                self._activate(card, path)
            else:
                self._rest(card)

    def _expire(self) -> None:
        for mark in [mark for mark, (_, _, until_s) in self._before.items() if time.monotonic() > until_s]:
            self._restore(mark)

    def _tell_marks(self) -> None:
        self.objects[MANAGER][SERVICE]["Checkpoints"] = ("ao", list(self._before))


def _device(name: str, kind: int, *, state: int) -> dict[str, Value]:
    return {
        "Interface": ("s", name), "DeviceType": ("u", kind), "State": ("u", state), "ActiveConnection": ("o", "/"),
        "HwAddress": ("s", f"02:00:00:00:00:0{kind}"),
    }  # fmt: skip


@contextmanager
def made_up_networkmanager(address: str, *, has_cable: bool = True) -> Iterator[MadeUpNetworkManager]:
    service = MadeUpNetworkManager(address, has_cable=has_cable)
    try:
        yield service
    finally:
        service.leave()
