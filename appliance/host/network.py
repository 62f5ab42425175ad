"""The machine's connections to the network, as NetworkManager tells them; changing them is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.domain.errors import MachineError
from appliance.domain.network import shown_name
from appliance.host.bus import Bus

SERVICE, ROOT = "org.freedesktop.NetworkManager", "/org/freedesktop"
READ_S = 5.0
DEVICE, WIRED, WIRELESS = (f"{SERVICE}.Device{kind}" for kind in ("", ".Wired", ".Wireless"))
POINT = f"{SERVICE}.AccessPoint"
_CONFIGS = (("Ip4Config", f"{SERVICE}.IP4Config"), ("Ip6Config", f"{SERVICE}.IP6Config"))
CABLE, WIFI = 1, 2
"""NMDeviceType; what else there is (bridges, tunnels, the machine itself) is not shown."""
CONNECTED = 100
_STATES = (
    (CONNECTED, "connected"),
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
        objects = objects_of(self._bus)
        links = (_link(path, objects) for path in objects if number(objects, path, DEVICE, "DeviceType") in (CABLE, WIFI))
        return NetworkState(
            internet=_INTERNET.get(number(objects, f"{ROOT}/NetworkManager", SERVICE, "Connectivity"), "not known"),
            links=tuple(sorted(links, key=lambda link: link.name)),
        )


def objects_of(bus: Bus) -> Objects:
    """Ask for all that NetworkManager tells of; raises as `Bus.call` does."""
    (objects,) = bus.call(SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", timeout_s=READ_S)
    if not isinstance(objects, dict):
        raise MachineError("NetworkManager answered with something that is no list of devices")
    return objects


def _link(path: str, objects: Objects) -> Link:
    is_wifi = number(objects, path, DEVICE, "DeviceType") == WIFI
    kind = WIRELESS if is_wifi else WIRED
    state = number(objects, path, DEVICE, "State")
    point = text(objects, path, WIRELESS, "ActiveAccessPoint")
    has_point = POINT in objects.get(point, {})
    return Link(
        name=text(objects, path, DEVICE, "Interface"),
        kind="Wi-Fi" if is_wifi else "cable",
        state=_LEAVING.get(state) or next((words for at_least, words in _STATES if state >= at_least), "not managed"),
        is_connected=state == CONNECTED,
        addresses=tuple(address for name, of in _CONFIGS for address in _addresses(objects, path, name, of)),
        hardware_address=text(objects, path, DEVICE, "HwAddress") or text(objects, path, kind, "HwAddress"),
        speed_mbit_s=number(objects, path, kind, "Bitrate") // 1000 if is_wifi else number(objects, path, kind, "Speed"),
        wifi_name=shown_name(data(objects, point, POINT, "Ssid")),
        signal_percent=number(objects, point, POINT, "Strength") if has_point else None,
    )


def _addresses(objects: Objects, path: str, name: str, interface: str) -> tuple[str, ...]:
    told = objects.get(text(objects, path, DEVICE, name), {}).get(interface, {}).get("AddressData")
    found = told if isinstance(told, list) else []
    return tuple(
        f"{one['address']}/{one['prefix']}" for one in found if isinstance(one, dict) and one.keys() >= {"address", "prefix"}
    )


def text(objects: Objects, path: str, interface: str, name: str) -> str:
    """Return a property that is a text or a path; empty where it is none."""
    value = objects.get(path, {}).get(interface, {}).get(name)
    return value if isinstance(value, str) else ""


def data(objects: Objects, path: str, interface: str, name: str) -> bytes:
    """Return a property that is bytes; empty where it is none."""
    value = objects.get(path, {}).get(interface, {}).get(name)
    return value if isinstance(value, bytes) else b""


def number(objects: Objects, path: str, interface: str, name: str) -> int:
    """Return a property that is a number; 0 where it is none."""
    value = objects.get(path, {}).get(interface, {}).get(name)
    return value if isinstance(value, int) else 0
