"""The recovery file: who can put it on the card or a stick, and knows this device's id, gets a new setup code.

The file never carries a password and never yields one: the code opens the claim page, where a new password is chosen.
This module only reads the file; where it comes from, and what follows, others decide.
"""

import hmac

from appliance.domain.errors import InputError, RefusedError
from appliance.security.tokens import normalise_device_id

FILE_NAME = "RECOVERY.TXT"
LARGEST = 1024
"""Bytes; a recovery file is one line."""
WORD = "reset-admin"


def read_recovery_file(untrusted: bytes, device_id: str) -> None:
    """Return if the file asks for a new setup code on this very device.

    The file holds the line `reset-admin XXXXXXXX`, with the device id that SETUP.TXT and the panel show. Empty lines
    and lines that begin with # do not matter, nor do case, a byte-order mark and the line endings of Windows.

    Raises
    ------
    InputError
        If the file is not written like that.
    RefusedError
        If it names another device.
    """
    if len(untrusted) > LARGEST:
        raise InputError(f"{FILE_NAME} has {len(untrusted)} bytes; write one line into it: {WORD} and the device id.")
    try:
        text = untrusted.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{FILE_NAME} is not plain text; save it as UTF-8.") from error
    lines = [line.strip() for line in text.splitlines()]
    meant = [line for line in lines if line and not line.startswith("#")]
    words = meant[0].split(maxsplit=1) if len(meant) == 1 else []
    if len(words) != 2 or words[0].lower() != WORD:
        raise InputError(f"{FILE_NAME} holds one line: {WORD} and the device id, for instance: {WORD} 7K3M9QXZ")
    if not hmac.compare_digest(normalise_device_id(words[1]).encode(), device_id.encode()):
        raise RefusedError(f"{FILE_NAME} names another device")
