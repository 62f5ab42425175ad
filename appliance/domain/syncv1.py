"""Words of indi-allsky's SyncAPI, version 1: what is synced, under which path, the numbers that its metadata give it, and who."""

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum

from appliance.domain.errors import InputError

FOLDER = "/indi-allsky"
"""What stands before the sync's own paths on that program's web server, unless somebody has moved it."""
WEAKER = (
    "The signature of this scheme covers the description of a picture, but neither the picture itself nor where it is sent to, "
    "and it is taken for up to 25 minutes. Only TLS keeps others from changing what is sent."
)
"""What is weak about it, for people."""
LARGEST_METADATA = 64 * 1024
"""A picture's metadata, with every sensor that the other program knows, have some 8 KiB."""


class V1Kind(Enum):
    """What is synced."""

    CAMERA = ("camera", 1)
    IMAGE = ("image", 2)
    VIDEO = ("video", 3)
    KEOGRAM = ("keogram", 4)
    STARTRAIL = ("startrail", 5)
    STARTRAIL_VIDEO = ("startrailvideo", 6)
    RAW_IMAGE = ("rawimage", 7)
    FITS_IMAGE = ("fitsimage", 8)
    PANORAMA_IMAGE = ("panoramaimage", 13)
    PANORAMA_VIDEO = ("panoramavideo", 14)
    THUMBNAIL = ("thumbnail", 15)
    MINI_VIDEO = ("minivideo", 16)

    def __init__(self, word: str, number: int) -> None:
        self.word = word
        """The last part of the path."""
        self.number = number
        """The `type` in metadata."""

    @property
    def path(self) -> str:
        """Where it is synced to, below the other program's folder."""
        return f"/sync/v1/{self.word}"


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_USER = re.compile(r"[A-Za-z0-9._@+-]{1,60}\Z")
_WIDEST_PREFIX = {4: 16, 6: 48}


@dataclass(frozen=True, slots=True)
class V1Peer:
    """An indi-allsky that may send here, beside what every peer has."""

    peer: str
    """Its id among the peers."""
    user: str
    """Under which it signs."""
    network: Network
    """The only address, or network, that it may come from."""
    camera: str
    """The uuid of the camera that it made known last; empty before."""

    def may_come_from(self, address: str) -> bool:
        """Say whether a client's address is the set one."""
        return ipaddress.ip_address(address) in self.network


def check_user(untrusted: str) -> str:
    """Return the user of a peer; InputError if the scheme cannot carry it."""
    user = untrusted.strip()
    if not _USER.match(user):
        raise InputError("A user has 1 to 60 letters of English, digits, dots, _, @, + and -.")
    return user


def parse_network(untrusted: str) -> Network:
    """Return the address or network that a peer may come from.

    Raises
    ------
    InputError
        If it is none, or so wide that it says nothing: beyond /16, in IPv6 /48.
    """
    try:
        network = ipaddress.ip_network(untrusted.strip(), strict=True)
    except ValueError as error:
        raise InputError("Write an address like 192.168.1.20, or a network like 192.168.1.0/24.") from error
    if network.prefixlen < _WIDEST_PREFIX[network.version]:
        raise InputError(
            f"This network is too wide. Write the address itself, or a network of /{_WIDEST_PREFIX[network.version]} or less."
        )
    return network


def kind_of_word(untrusted: str) -> V1Kind | None:
    """Return the kind of the last part of a path."""
    return next((kind for kind in V1Kind if kind.word == untrusted), None)
