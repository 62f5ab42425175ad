"""The optional second factor: six digits from a telephone, good for one step of 30 s and once (RFC 6238).

A code that was used, and every older one, is refused: the caller keeps the step that `matching_step` returns.
Recovery codes stand in for a lost telephone, each once.
"""

import re
import secrets
from datetime import datetime
from io import BytesIO

import pyotp
import segno

from appliance.domain.secret import Secret
from appliance.security.tokens import CROCKFORD, hash_token, same

ISSUER = "Nightjar"
STEP_S = 30
WINDOW = 1
"""Steps before and after now that are accepted: a telephone's clock may be half a minute off."""
RECOVERY_CODES = 10
_RECOVERY_CHARACTERS = 16

_CODE = re.compile(r"[0-9]{6}\Z")
_BLANKS = re.compile(r"[\s\-]+")
_LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_secret() -> Secret[str]:
    """Return a fresh TOTP secret: 160 random bits in base 32."""
    return Secret(pyotp.random_base32(32))


def provisioning_uri(secret: Secret[str], account_name: str, device_name: str) -> Secret[str]:
    """Return the `otpauth://` address that a telephone reads; secret, for it holds the secret."""
    name = f"{account_name}@{device_name}"
    return Secret(pyotp.TOTP(secret.reveal()).provisioning_uri(name=name, issuer_name=ISSUER))


def qr_svg(uri: Secret[str]) -> Secret[str]:
    """Return the address as a QR code, an SVG document without script or style."""
    buffer = BytesIO()
    code = segno.make(uri.reveal(), error="m", micro=False)
    code.save(buffer, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False)
    return Secret(buffer.getvalue().decode("utf-8"))


def matching_step(secret: Secret[str], untrusted_code: str, now: datetime) -> int | None:
    """Return the time step of a good code, or None; whether that step was used before, the caller keeps.

    Parameters
    ----------
    secret : Secret[str]
        Base 32, as `new_secret` made it.
    untrusted_code : str
        As typed; blanks in it do not matter.
    now : datetime
        Aware. Without a set clock no code can be checked: do not ask then.
    """
    code = _BLANKS.sub("", untrusted_code[:32])
    if not _CODE.match(code):
        return None
    totp = pyotp.TOTP(secret.reveal(), interval=STEP_S)
    current = int(now.timestamp()) // STEP_S
    good = None
    for step in range(current - WINDOW, current + WINDOW + 1):  # all of them, always: the time tells nothing
        if same(totp.generate_otp(step), code):
            good = step
    return good


def new_recovery_codes() -> list[Secret[str]]:
    """Return ten fresh recovery codes, `XXXX-XXXX-XXXX-XXXX`, 80 random bits each."""
    texts = ("".join(secrets.choice(CROCKFORD) for _ in range(_RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES))
    return [Secret("-".join(text[i : i + 4] for i in range(0, _RECOVERY_CHARACTERS, 4))) for text in texts]


def recovery_hash(untrusted_code: str) -> str | None:
    """Return what the database keeps of a recovery code, however it was typed; None if it cannot be one."""
    text = _BLANKS.sub("", untrusted_code[:64]).upper().translate(_LOOK_ALIKES)
    if len(text) != _RECOVERY_CHARACTERS or any(character not in CROCKFORD for character in text):
        return None
    return hash_token(text)
