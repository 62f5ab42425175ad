"""The signature of sync requests between appliances: HMAC-SHA-256 over what is asked, when, and with which body.

The key never travels; a request is good for 300 s either way and once: the receiver keeps nonces for 600 s.
Notices to webhooks are signed in a plainer way, which a receiver checks in five lines.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from appliance.domain.errors import InputError, RefusedError, SkewError
from appliance.domain.secret import Secret

SCHEME = "NIGHTJAR1"
TOLERANCE_S = 300
"""How far two clocks may stand apart; a receiver remembers nonces twice as long."""

_METHOD = re.compile(r"[A-Z]{1,16}\Z")
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_TIME = re.compile(r"[0-9]{1,12}\Z")


def new_sync_key() -> Secret[str]:
    """Return a fresh 256-bit key as 64 hexadecimal digits: shown once by the receiver, pasted by the sender's admin."""
    return Secret(secrets.token_hex(32))


def new_nonce() -> str:
    """Return 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def body_hash(body: bytes) -> str:
    """Return the SHA-256 of a body or of metadata as 64 hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers."""

    method: str
    path_query: str
    """Path and query as they stand in the request line."""
    time_s: int
    """Unix time at the sender."""
    nonce: str
    """128 bits, 32 hexadecimal digits."""
    body_sha256: str
    metadata_sha256: str

    def __post_init__(self) -> None:
        """Refuse parts that could be read as other parts: each stands on a line of its own."""
        is_path = self.path_query.startswith("/") and self.path_query.isascii() and self.path_query.isprintable()
        if not (is_path and " " not in self.path_query and len(self.path_query) <= 4096):
            raise InputError("The path of a signed request starts with / and holds printable ASCII without blanks.")
        if not (_METHOD.match(self.method) and _NONCE.match(self.nonce) and self.time_s >= 0):
            raise InputError("A signed request names a method, a unix time and a nonce of 32 hexadecimal digits.")
        if not (_HASH.match(self.body_sha256) and _HASH.match(self.metadata_sha256)):
            raise InputError("A signed request names the SHA-256 of its body and of its metadata.")

    @property
    def text(self) -> bytes:
        """The bytes that are signed, one part a line."""
        parts = (SCHEME, self.method, self.path_query, str(self.time_s), self.nonce, self.body_sha256, self.metadata_sha256)
        return "\n".join(parts).encode("ascii")


def parse_time(untrusted: str) -> int:
    """Return the unix time of a header; raise InputError for anything but up to twelve digits."""
    if not _TIME.match(untrusted):
        raise InputError("The time of a signed request is a unix time in whole seconds.")
    return int(untrusted)


def _key_bytes(key: Secret[str]) -> bytes:
    if not _HASH.match(key.reveal()):
        raise InputError("A sync key has 64 hexadecimal digits; paste it as the receiver shows it.")
    return bytes.fromhex(key.reveal())


def sign(key: Secret[str], signed: Signed) -> str:
    """Return the signature as 64 hexadecimal digits."""
    return hmac.new(_key_bytes(key), signed.text, hashlib.sha256).hexdigest()


def check_signature(key: Secret[str], signed: Signed, untrusted_signature: str, *, now_s: float) -> None:
    """Refuse a signature that is not the key's, or too old or too new. Whether the nonce is fresh, the caller knows.

    The time is looked at only after the signature, so that a stranger learns nothing of this machine's clock.

    Raises
    ------
    RefusedError
        If the signature does not fit.
    SkewError
        With the seconds and the side: who holds the key may know that its clock is wrong.
    """
    right = sign(key, signed)
    if not hmac.compare_digest(right.encode(), untrusted_signature.encode("utf-8", "surrogatepass")):
        raise RefusedError("the signature does not fit the request")
    apart_s = signed.time_s - now_s
    if abs(apart_s) > TOLERANCE_S:
        side = "ahead of" if apart_s > 0 else "behind"
        raise SkewError(f"the sender's clock is {abs(apart_s):.0f} s {side} this one; at most {TOLERANCE_S} s are allowed")


def key_id(key: Secret[str]) -> str:
    """Return the name of a key, 16 hexadecimal digits, which tells nothing of the key: by it the receiver finds the key."""
    return hmac.new(_key_bytes(key), b"NIGHTJAR1 name of this key", hashlib.sha256).hexdigest()[:16]


def sign_notice(key: Secret[str], time_s: int, body: bytes) -> str:
    """Return the signature of a notice to a webhook, over the unix time, a dot and the body, as 64 hexadecimal digits."""
    return hmac.new(key.reveal().encode(), f"{time_s}.".encode() + body, hashlib.sha256).hexdigest()
