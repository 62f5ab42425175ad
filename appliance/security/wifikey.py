"""The key of a Wi-Fi network from its passphrase, so that the passphrase itself need not be kept."""

import hashlib
import re

from appliance.domain.errors import InputError
from appliance.domain.secret import Secret

SHORTEST, LONGEST = 8, 63
_ROUNDS, _KEY_BYTES = 4096, 32
"""IEEE 802.11, annex J.4: PBKDF2 with HMAC-SHA-1."""
_KEY = re.compile(r"[0-9A-Fa-f]{64}\Z")


def checked_passphrase(untrusted: str) -> Secret[str]:
    """Return a passphrase that Wi-Fi allows: 8 to 63 printable ASCII characters; raise InputError otherwise."""
    if not SHORTEST <= len(untrusted) <= LONGEST or not (untrusted.isascii() and untrusted.isprintable()):
        raise InputError(f"A Wi-Fi passphrase has {SHORTEST} to {LONGEST} letters, digits and signs, without accents.")
    return Secret(untrusted)


def derived_key(untrusted: str, ssid: bytes) -> Secret[str]:
    """Return the 256-bit key of a WPA2 network in hexadecimal, from its passphrase or as it was typed; raise InputError."""
    if _KEY.match(untrusted):
        return Secret(untrusted.lower())
    passphrase = checked_passphrase(untrusted).reveal().encode("ascii")
    return Secret(hashlib.pbkdf2_hmac("sha1", passphrase, ssid, _ROUNDS, _KEY_BYTES).hex())
