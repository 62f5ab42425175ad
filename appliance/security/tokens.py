"""Random words that open something: setup codes, tokens, device ids; how they are made, normalised, hashed, compared.

A token has 256 random bits, so a plain SHA-256 hides it well enough in the database; only what people choose needs
Argon2 (`passwords.py`).
"""

import hashlib
import hmac
import re
import secrets

from appliance.domain.errors import InputError, SecurityError
from appliance.domain.secret import Secret

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U: https://www.crockford.com/base32.html"""

CODE_CHARACTERS = 12
"""Of a setup code: 60 bits."""
DEVICE_ID_CHARACTERS = 8

_LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015]+")
_MACHINE_ID = re.compile(rb"[0-9a-f]{32}\n?\Z")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")


def _crockford(count: int) -> str:
    return "".join(secrets.choice(CROCKFORD) for _ in range(count))


def new_setup_code() -> Secret[str]:
    """Return a fresh setup code, `XXXX-XXXX-XXXX`, 60 random bits."""
    text = _crockford(CODE_CHARACTERS)
    return Secret("-".join(text[i : i + 4] for i in range(0, CODE_CHARACTERS, 4)))


def new_point_key() -> Secret[str]:
    """Return a fresh key for the machine's own access point: 12 characters that people type, 60 random bits."""
    return Secret(_crockford(CODE_CHARACTERS))


def new_device_id() -> str:
    """Return a fresh device id: 8 Crockford characters."""
    return _crockford(DEVICE_ID_CHARACTERS)


def device_id_of(machine_id: bytes) -> str:
    """Return the device id that belongs to a machine id, so that every user of the appliance finds the same one.

    The machine id itself is not shown to anybody: https://www.freedesktop.org/software/systemd/man/machine-id.html

    Raises
    ------
    SecurityError
        If these are not the 32 hexadecimal characters of a machine id.
    """
    if not _MACHINE_ID.match(machine_id):
        raise SecurityError("this machine has no id yet: /etc/machine-id does not hold 32 hexadecimal characters")
    digest = hmac.digest(bytes.fromhex(machine_id.decode("ascii")), b"nightjar device id", "sha256")
    number = int.from_bytes(digest[:5], "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(5 * (DEVICE_ID_CHARACTERS - 1), -1, -5))


def _normalise(untrusted: str, count: int, what: str) -> str:
    if len(untrusted) > 4 * count:
        raise InputError(f"A {what} has {count} letters and digits; this is longer.")
    text = _SEPARATORS.sub("", untrusted).upper().translate(_LOOK_ALIKES)
    if len(text) != count or any(character not in CROCKFORD for character in text):
        raise InputError(f"A {what} has {count} letters and digits, without U; check it against what is shown.")
    return text


def normalise_code(untrusted: str) -> str:
    """Return a typed setup code in its one form, `XXXX-XXXX-XXXX`.

    Case, blanks and dashes do not matter; O is read as 0, I and L as 1.

    Raises
    ------
    InputError
        If no setup code can look like this.
    """
    text = _normalise(untrusted, CODE_CHARACTERS, "setup code")
    return "-".join(text[i : i + 4] for i in range(0, CODE_CHARACTERS, 4))


def normalise_device_id(untrusted: str) -> str:
    """Return a typed device id in its one form: 8 upper-case Crockford characters; raise InputError otherwise."""
    return _normalise(untrusted, DEVICE_ID_CHARACTERS, "device id")


def new_token() -> Secret[str]:
    """Return a fresh token for a session, an API client or a CSRF check: 256 random bits, URL-safe, 43 characters."""
    return Secret(secrets.token_urlsafe(32))


def looks_like_token(untrusted: str) -> bool:
    """Say whether a text has the form of `new_token`, so that others never reach the database."""
    return _TOKEN.match(untrusted) is not None


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token as 64 hexadecimal digits: what the database keeps of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Say whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
