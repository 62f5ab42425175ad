"""The network as values: what is heard, what is kept, what an admin asks for, and how far a change of it is."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from appliance.domain.secret import Secret

MOST_SSID_BYTES = 32
"""IEEE 802.11."""


class Security(StrEnum):
    """How a Wi-Fi network is protected, as far as it matters to whoever joins it."""

    OPEN = "open"
    """Not at all: everybody near reads along."""
    OUTDATED = "outdated"
    """WEP, or WPA without AES: as good as open."""
    PERSONAL = "WPA2"
    MIXED = "WPA2 and WPA3"
    SAE = "WPA3"
    COMPANY = "company login"
    """802.1X: a name and a certificate for each device."""


class Failure(StrEnum):
    """Why a connection did not come about."""

    WRONG_KEY = "wrong key"
    NOT_FOUND = "not found"
    NO_ADDRESS = "no address"
    NO_CABLE = "no cable"
    NOT_SHARED = "not shared"
    """The machine's own access point could not hand out addresses."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Heard:
    """A Wi-Fi network, all of its access points taken together."""

    ssid: bytes
    """As it is sent out: any 1 to 32 bytes, not to be trusted."""
    security: Security
    signal_percent: int
    """Of the access point that is heard best."""
    bands: tuple[str, ...]
    """`2.4 GHz`, `5 GHz`, `6 GHz`."""

    @property
    def name(self) -> str:
        """How it is shown."""
        return shown_name(self.ssid)


@dataclass(frozen=True, slots=True)
class Addressing:
    """How a card gets its addresses of one version; without `address` it asks the network for all of it."""

    address: IPv4Interface | IPv6Interface | None = None
    gateway: IPv4Address | IPv6Address | None = None
    dns: tuple[IPv4Address | IPv6Address, ...] = ()


AUTOMATIC = Addressing()


@dataclass(frozen=True, slots=True)
class Saved:
    """A connection that the machine keeps, and uses whenever it can."""

    uuid: str
    path: str
    """Of its object on the bus."""
    name: str
    """Untrusted, for showing only."""
    is_wifi: bool
    ssid: bytes
    """Empty for a cable."""
    is_own_point: bool
    """Whether it is the machine's own access point."""
    card: str
    """The only card that may use it; empty where each may."""
    ipv4: Addressing
    ipv6: Addressing


@dataclass(frozen=True, slots=True)
class Card:
    """A network card that this program may use."""

    path: str
    """Of its object on the bus."""
    name: str
    is_wifi: bool
    is_connected: bool
    """Whether it carries a network; its own access point is none."""
    is_point: bool
    """Whether it is an access point of the machine's own at present."""
    connection: str
    """Path of the saved connection that it uses or tries; empty where there is none."""
    active: str
    """Path of that use of it."""
    ssid: bytes
    """Of the Wi-Fi network; empty for a cable."""
    can_be_point: bool


@dataclass(frozen=True, slots=True)
class OwnPoint:
    """The machine's own access point, while it is open."""

    name: str
    key: Secret[str]
    address: str
    """Where the panel is reached in it."""


@dataclass(frozen=True, slots=True)
class WifiKey:
    """What opens a Wi-Fi network.

    For WPA2 the 256-bit key that passphrase and name give, in hexadecimal; for WPA3 alone the passphrase itself.
    """

    value: Secret[str]
    is_passphrase: bool


# What an admin asks for


@dataclass(frozen=True, slots=True)
class LookForNetworks:
    """Listen for Wi-Fi networks now."""


@dataclass(frozen=True, slots=True)
class JoinWifi:
    """Use a Wi-Fi network from now on; tried first, kept when confirmed."""

    ssid: bytes
    key: WifiKey | None
    """None for an open network."""
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class SetAddresses:
    """Give a card other addresses; tried first, kept when confirmed."""

    card: str
    ipv4: Addressing
    ipv6: Addressing


@dataclass(frozen=True, slots=True)
class ForgetConnection:
    """Keep a connection no longer."""

    uuid: str


@dataclass(frozen=True, slots=True)
class OpenPoint:
    """Open the machine's own access point."""


@dataclass(frozen=True, slots=True)
class ClosePoint:
    """Close it, and look for known networks again."""


@dataclass(frozen=True, slots=True)
class KeepChange:
    """Keep the change that is on trial: the panel is reached with it."""


@dataclass(frozen=True, slots=True)
class UndoChange:
    """Go back to what was before the change that is on trial."""


NetworkCommand = LookForNetworks | JoinWifi | SetAddresses | ForgetConnection | OpenPoint | ClosePoint | KeepChange | UndoChange


# What becomes of it


class ChangePhase(StrEnum):
    """Where a change of the network stands."""

    REST = "rest"
    """Nothing is changed at present."""
    BEGINNING = "beginning"
    """It begins in a moment, so that the answer to whoever asked for it still arrives."""
    CONNECTING = "connecting"
    ON_TRIAL = "on trial"
    """It works; it is undone unless somebody confirms that the panel is reached."""


@dataclass(frozen=True, slots=True)
class NetworkSituation:
    """The network as the panel shows it."""

    phase: ChangePhase = ChangePhase.REST
    change: str = ""
    """What is changed, or was changed last, in words."""
    left_s: int = 0
    """Until a change on trial is undone, or one that connects is given up."""
    message: str = ""
    """How the last change ended."""
    is_bad: bool = False
    """Whether the message tells of a failure."""
    cards: tuple[Card, ...] = ()
    heard: tuple[Heard, ...] = ()
    saved: tuple[Saved, ...] = ()
    point: OwnPoint | None = None
    country: str = ""
    """Whose rules the Wi-Fi follows: two letters; empty where they are those of the whole world, or not known."""
    unavailable: str = "not asked yet"
    """Why nothing is known; empty where it is."""


def shown_name(untrusted_ssid: bytes) -> str:
    """Return the name of a Wi-Fi network for people: what cannot be printed is left out."""
    return "".join(letter for letter in untrusted_ssid.decode("utf-8", "replace") if letter.isprintable())
