"""The machine's connections to the network, as NetworkManager tells them; changing them is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.errors import MachineError
from appliance.host.bus import Bus

SERVICE, ROOT = "org.freedesktop.NetworkManager", "/org/freedesktop"
READ_S = 5.0
_DEVICE, _WIRED, _WIRELESS = (f"{SERVICE}.Device{kind}" for kind in ("", ".Wired", ".Wireless"))
_POINT = f"{SERVICE}.AccessPoint"
_CONFIGS = (("Ip4Config", f"{SERVICE}.IP4Config"), ("Ip6Config", f"{SERVICE}.IP6Config"))
_CABLE, _WIFI = 1, 2
"""NMDeviceType; what else there is (bridges, tunnels, the machine itself) is not shown."""
_CONNECTED = 100
_STATES = (
    (_CONNECTED, "connected"),
    (40, "connecting"),
    (30, "not connected"),
    (20, "no cable, or switched off"),
)
"""NMDeviceState, from which number on."""
_LEAVING = {110: "disconnecting", 120: "failed"}
_INTERNET = {1: "no network", 2: "behind a login page", 3: "local network only", 4: "reached"}
"""NMConnectivityState."""

Properties = Mapping[str, object]
Objects = Mapping[str, Mapping[str, Properties]]


@dataclass(frozen=True, slots=True)
class Link:
    """A network card."""

    name: str
    """For instance `eth0`."""
    kind: str
    """`cable` or `Wi-Fi`."""
    state: str
    is_connected: bool
    addresses: tuple[str, ...]
    """With their prefix: `192.168.1.20/24`."""
    hardware_address: str
    speed_mbit_s: int
    """0 where it is not known."""
    wifi_name: str
    """As the access point says it, what cannot be printed left out: not to be trusted."""
    signal_percent: int | None


@dataclass(frozen=True, slots=True)
class NetworkState:
    """How the machine is connected."""

    internet: str
    """Whether the internet is reached; `not known` where nobody asks."""
    links: tuple[Link, ...]


class Network:
    """Reads; raises as `Bus.call` does."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def state(self) -> NetworkState:
        """Ask how the machine is connected."""
        objects_of = "org.freedesktop.DBus.ObjectManager"
        (objects,) = self._bus.call(SERVICE, ROOT, objects_of, "GetManagedObjects", timeout_s=READ_S)
        if not isinstance(objects, dict):
            raise MachineError("NetworkManager answered with something that is no list of devices")
        manager = objects.get(f"{ROOT}/NetworkManager", {}).get(SERVICE, {})
        links = (_link(path, objects) for path in objects if _number(objects, path, _DEVICE, "DeviceType") in (_CABLE, _WIFI))
        return NetworkState(
            internet=_INTERNET.get(manager.get("Connectivity"), "not known"),
            links=tuple(sorted(links, key=lambda link: link.name)),
        )


def _link(path: str, objects: Objects) -> Link:
    is_wifi = _number(objects, path, _DEVICE, "DeviceType") == _WIFI
    kind = _WIRELESS if is_wifi else _WIRED
    state = _number(objects, path, _DEVICE, "State")
    point = _text(objects, path, _WIRELESS, "ActiveAccessPoint")
    has_point = _POINT in objects.get(point, {})
    return Link(
        name=_text(objects, path, _DEVICE, "Interface"),
        kind="Wi-Fi" if is_wifi else "cable",
        state=_LEAVING.get(state) or next((words for at_least, words in _STATES if state >= at_least), "not managed"),
        is_connected=state == _CONNECTED,
        addresses=tuple(address for name, of in _CONFIGS for address in _addresses(objects, path, name, of)),
        hardware_address=_text(objects, path, _DEVICE, "HwAddress") or _text(objects, path, kind, "HwAddress"),
        speed_mbit_s=_number(objects, path, kind, "Bitrate") // 1000 if is_wifi else _number(objects, path, kind, "Speed"),
        wifi_name=_name(objects[point][_POINT].get("Ssid")) if has_point else "",
        signal_percent=_number(objects, point, _POINT, "Strength") if has_point else None,
    )


def _addresses(objects: Objects, path: str, name: str, interface: str) -> tuple[str, ...]:
    told = objects.get(_text(objects, path, _DEVICE, name), {}).get(interface, {}).get("AddressData")
    found = told if isinstance(told, list) else []
    return tuple(
        f"{one['address']}/{one['prefix']}" for one in found if isinstance(one, dict) and one.keys() >= {"address", "prefix"}
    )


def _name(untrusted_ssid: object) -> str:
    """Return the name of a Wi-Fi network, which may be any 32 bytes."""
    text = untrusted_ssid.decode("utf-8", "replace") if isinstance(untrusted_ssid, bytes) else ""
    return "".join(letter for letter in text if letter.isprintable())


def _text(objects: Objects, path: str, interface: str, name: str) -> str:
    value = objects.get(path, {}).get(interface, {}).get(name)
    return value if isinstance(value, str) else ""


def _number(objects: Objects, path: str, interface: str, name: str) -> int:
    value = objects.get(path, {}).get(interface, {}).get(name)
    return value if isinstance(value, int) else 0
