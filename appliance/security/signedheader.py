"""The Authorization header of a signed request: which key, when, which body, which metadata, and the signature."""

import re
from dataclasses import dataclass

from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.security.signing import SCHEME, Signed, body_hash, key_id, new_nonce, parse_time, sign

_FORM = re.compile(
    SCHEME + r" key=(?P<key>[0-9a-f]{16}), time=(?P<time>[0-9]{1,12}), nonce=(?P<nonce>[0-9a-f]{32}), "
    r"body=(?P<body>[0-9a-f]{64}), metadata=(?P<metadata>[0-9a-f]{64}), signature=(?P<signature>[0-9a-f]{64})\Z"
)


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """What the header says; nothing of it is proved before `check_signature` has been asked."""

    key: str
    """The name of the key."""
    signed: Signed
    signature: str


def looks_signed(untrusted: str) -> bool:
    """Say whether an Authorization header is meant to be one of ours."""
    return untrusted.startswith(f"{SCHEME} ")


def parse_signed_header(untrusted: str, method: str, path_query: str, metadata: str) -> SignedHeader:
    """Return what an Authorization header says of a request.

    Parameters
    ----------
    untrusted : str
    method, path_query, metadata : str
        Of the request that it came with.

    Raises
    ------
    InputError
        If it has another form, or was made for other metadata.
    """
    found = _FORM.match(untrusted)
    if found is None:
        raise InputError(f"The header Authorization is written: {SCHEME} key=…, time=…, nonce=…, body=…, metadata=…, signature=…")
    if found["metadata"] != body_hash(metadata.encode("latin-1", "replace")):
        raise InputError("The metadata is not the one that was signed.")
    signed = Signed(method, path_query, parse_time(found["time"]), found["nonce"], found["body"], found["metadata"])
    return SignedHeader(found["key"], signed, found["signature"])


def signed_header(key: Secret[str], method: str, path_query: str, *, body: bytes, metadata: str, time_s: int) -> str:
    """Return the Authorization header of a request that is about to be sent."""
    signed = Signed(method, path_query, time_s, new_nonce(), body_hash(body), body_hash(metadata.encode("latin-1")))
    return (
        f"{SCHEME} key={key_id(key)}, time={time_s}, nonce={signed.nonce}, "
        f"body={signed.body_sha256}, metadata={signed.metadata_sha256}, signature={sign(key, signed)}"
    )
