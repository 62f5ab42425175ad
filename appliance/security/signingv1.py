"""The signature of indi-allsky's SyncAPI, version 1: HMAC-SHA3-512 over a slot of five minutes and the metadata.

It is weaker than `signing.py`, and here only to speak with that program: it covers neither the media, nor the path,
nor the method, and whoever has seen a request may send it again for as long as its slot is taken.
"""

import hashlib
import hmac
import secrets

from appliance.domain.errors import RefusedError
from appliance.domain.secret import Secret

SLOT_S = 300
SLOTS_BEFORE, SLOTS_AFTER = 4, 1
"""Which slots beside its own a receiver takes: large files may be long on their way, and two clocks stand apart."""


def new_v1_key() -> Secret[str]:
    """Return a fresh key in the form that the other program's own tool gives it: 64 hexadecimal digits."""
    return Secret(secrets.token_hex(32))


def slot_of(now_s: float) -> int:
    """Return the number of the slot that a unix time lies in."""
    return int(now_s // SLOT_S)


def sign_v1(key: Secret[str], metadata: bytes, *, now_s: float) -> str:
    """Return the signature of metadata, byte for byte as they are sent, as 128 hexadecimal digits."""
    return _of_slot(key, metadata, slot_of(now_s))


def authorization_v1(user: str, signature: str) -> str:
    """Return the value of the header Authorization."""
    return f"Bearer {user}:{signature}"


def parse_authorization_v1(untrusted: str) -> tuple[str, str] | None:
    """Return user and signature of the header Authorization, None where it is of another form."""
    scheme, _, rest = untrusted.partition(" ")
    user, colon, signature = rest.partition(":")
    if scheme != "Bearer" or not user or not colon or not _is_signature(signature):
        return None
    return user, signature


def check_signature_v1(key: Secret[str], metadata: bytes, untrusted_signature: str, *, now_s: float) -> None:
    """Refuse a signature that is not the key's, or of a slot that is too old or too new.

    Every slot is computed, so that the time it takes tells nothing.

    Raises
    ------
    RefusedError
        Without a reason that a stranger could use.
    """
    now = slot_of(now_s)
    shown = untrusted_signature.encode("utf-8", "surrogatepass")
    fits = [
        hmac.compare_digest(_of_slot(key, metadata, slot).encode(), shown)
        for slot in range(now - SLOTS_BEFORE, now + SLOTS_AFTER + 1)
    ]
    if not any(fits):
        raise RefusedError("the signature does not fit the metadata, or it is of another time")


def _of_slot(key: Secret[str], metadata: bytes, slot: int) -> str:
    return hmac.new(key.reveal().encode(), str(slot).encode() + metadata, hashlib.sha3_512).hexdigest()


def _is_signature(text: str) -> bool:
    return len(text) == 128 and not text.strip("0123456789abcdef")
