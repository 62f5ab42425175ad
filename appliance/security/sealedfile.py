r"""A file that a pass-phrase opens: four lines of ASCII.

    nightjar-backup
    {"format":1,"kdf":"argon2id","lanes":1,"memory_kib":32768,"passes":8,"salt":"..."}
    gAAAAA...                     Fernet of the content
    sha256 0f3a...                over the three lines before: tells damage from a wrong pass-phrase

Argon2id makes 32 bytes of the pass-phrase, and HMAC-SHA-256 of the second line under them is Fernet's key: who changes a
letter of that line gets another key, so that it is as authentic as the content. The check sum is no proof of anything; it
is there for the person whose copy went wrong.
"""

import base64
import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass

from argon2 import Type
from argon2.low_level import hash_secret_raw
from cryptography.fernet import Fernet, InvalidToken

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.errors import InputError
from appliance.domain.secret import Secret
from appliance.security.passwords import Turn, prepared

MAGIC = b"nightjar-backup"
FORMAT = 1
KDF = "argon2id"
LARGEST_CONTENT = 2 << 20
"""So much fits into a file of `LARGEST_BACKUP`, whatever it is."""
MEMORY_KIB, PASSES, LANES = 32 * 1024, 8, 1
"""Of what is written: seven times the work of a login's, for a file that others may try at as long as they like."""
MEMORY_BOUNDS_KIB, PASSES_BOUNDS, LANES_BOUNDS = (8 * 1024, 64 * 1024), (1, 16), (1, 4)
"""Of what is read: a header may ask for more than this version writes, but not for all of a small machine's memory."""
_SALT_BYTES = 16
_LONGEST_HEADER = 400
_LONGEST_PASSPHRASE = 4 * 256
_SUM = b"sha256 "

NOT_OURS = "This is no backup of a Nightjar. Choose the file whose name ends in .nightjar-backup."
NOT_WHOLE = "This backup is not whole: its end is missing. Copy the file once more from where you keep it."
DAMAGED = (
    "This backup is damaged: its check sum does not fit. Copy the file once more from where you keep it, or take another one."
)
WRONG = (
    "This pass-phrase does not open the backup. Mind capital letters and the keyboard's language. The file itself is whole by "
    "its check sum; if you are sure of the pass-phrase, somebody has changed the file."
)


@dataclass(frozen=True, slots=True)
class _Header:
    """How the key is made; read within bounds."""

    format: int
    kdf: str
    memory_kib: int
    passes: int
    lanes: int
    salt: str

    def to_line(self) -> bytes:
        """Return it as it stands in the file."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode("ascii")


def lock(content: Secret[bytes], passphrase: Secret[str]) -> bytes:
    """Return the file that only the pass-phrase opens.

    Raises
    ------
    InputError
        If there is too much in it.
    ThrottledError
        If Argon2 had no turn in time.
    """
    if len(content.reveal()) > LARGEST_CONTENT:
        raise InputError(f"There is too much for one backup: {LARGEST_CONTENT >> 20} MiB at most.")
    header = _Header(FORMAT, KDF, MEMORY_KIB, PASSES, LANES, base64.b64encode(os.urandom(_SALT_BYTES)).decode("ascii"))
    line = header.to_line()
    token = _fernet(header, line, passphrase).encrypt(content.reveal())
    head = b"\n".join((MAGIC, line, token, b""))
    return head + _sum_of(head)


def unlock(untrusted: bytes, passphrase: Secret[str]) -> Secret[bytes]:
    """Return what is in a file; nothing of it is believed before all of it is authentic.

    Raises
    ------
    InputError
        If it is no such file, not whole, damaged, of a newer format, or the pass-phrase is another one; each has its sentence.
    ThrottledError
        If Argon2 had no turn in time.
    """
    line, token = _taken_apart(untrusted)
    header = _header(line)
    try:
        return Secret(_fernet(header, line, passphrase).decrypt(token))
    except InvalidToken as error:
        raise InputError(WRONG) from error


def _taken_apart(untrusted: bytes) -> tuple[bytes, bytes]:
    """Return the lines of the header and the content of a file whose check sum fits."""
    if not untrusted.startswith(MAGIC + b"\n") or len(untrusted) > LARGEST_BACKUP:
        raise InputError(NOT_OURS)
    length = len(_sum_of(b""))
    head, trailer = untrusted[:-length], untrusted[-length:]
    if not trailer.startswith(_SUM) or not trailer.endswith(b"\n"):
        raise InputError(NOT_WHOLE)
    if not hmac.compare_digest(trailer, _sum_of(head)):
        raise InputError(DAMAGED)
    _, line, *rest = head.split(b"\n", 2)
    if len(line) > _LONGEST_HEADER:
        raise InputError(DAMAGED)
    return line, b"".join(rest).removesuffix(b"\n")


def _header(untrusted_line: bytes) -> _Header:
    """Return a header within bounds."""
    try:
        told = json.loads(untrusted_line)
    except (ValueError, RecursionError) as error:
        raise InputError(DAMAGED) from error
    number = told.get("format") if isinstance(told, dict) else None
    if type(number) is int and number > FORMAT:
        raise InputError(
            f"This backup was made by a newer Nightjar (format {number}, this one knows {FORMAT}). Update this appliance first."
        )
    try:
        header = _Header(**told)
        salt = base64.b64decode(header.salt, validate=True)
    except (TypeError, ValueError) as error:
        raise InputError(DAMAGED) from error
    bounded = (
        (header.memory_kib, MEMORY_BOUNDS_KIB),
        (header.passes, PASSES_BOUNDS),
        (header.lanes, LANES_BOUNDS),
        (header.format, (FORMAT, FORMAT)),
    )
    is_within = all(type(value) is int and low <= value <= high for value, (low, high) in bounded)
    if not is_within or header.kdf != KDF or len(salt) != _SALT_BYTES or header.to_line() != untrusted_line:
        raise InputError("This backup asks for more than it may, or was not written by a Nightjar. It is not opened.")
    return header


def _fernet(header: _Header, line: bytes, passphrase: Secret[str]) -> Fernet:
    """Return what seals and opens the content; `header` is that of `line`."""
    with Turn():
        made = hash_secret_raw(
            prepared(passphrase)[:_LONGEST_PASSPHRASE],
            base64.b64decode(header.salt),
            time_cost=header.passes,
            memory_cost=header.memory_kib,
            parallelism=header.lanes,
            hash_len=32,
            type=Type.ID,
        )
    return Fernet(base64.urlsafe_b64encode(hmac.digest(made, line, "sha256")))


def _sum_of(head: bytes) -> bytes:
    return _SUM + hashlib.sha256(head).hexdigest().encode("ascii") + b"\n"
