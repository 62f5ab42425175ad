"""Passwords: hashed with Argon2id under pinned parameters, one at a time, and refused when they are well known.

19 MiB, two passes, one lane fit a machine with 1 GB (20 ms on a fast core); a semaphore keeps twenty logins at once
from needing twenty times that. An unknown name is verified against a hash that nobody's password fits, so that it
takes as long as a known one.
"""

import ctypes
import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from appliance.domain.errors import InputError, SecurityError, ThrottledError
from appliance.domain.secret import Secret
from appliance.security.tokens import new_token

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

SHORTEST = 10
LONGEST = 256
"""Characters; more costs Argon2 nothing, but nobody types it."""

WAIT_S = 10.0
"""How long a login may wait for its turn before it is sent away."""

_COMMON_FILE = Path(__file__).with_name("common-passwords.txt")
_LEET = (str.maketrans("013457@$!", "oleastasi"), str.maketrans("013457@$!", "oieastasi"))
"""Digits and signs written for letters; 1 is read as l and as i."""
_HASH = re.compile(r"\$argon2id\$v=19\$m=\d{1,6},t=\d{1,2},p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\Z", re.ASCII)
_DECORATION = re.compile(r"^[^a-z]+|[^a-z]+$")

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID)
_turn = threading.BoundedSemaphore(1)

_M_ARENA_MAX = -8
"""malloc.h of glibc."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password fits its hash, and whether the hash has old parameters."""

    ok: bool
    needs_rehash: bool = False


class Turn:
    """One Argon2 at a time in the whole process, for pass-phrases too; who waits too long is asked to come back."""

    def __enter__(self) -> None:
        if not _turn.acquire(timeout=WAIT_S):
            raise ThrottledError(WAIT_S)

    def __exit__(self, *_: object) -> None:
        _turn.release()


def prepared(password: Secret[str]) -> bytes:
    """Return the bytes to hash: the same text typed on another keyboard gives the same (NFKC)."""
    return unicodedata.normalize("NFKC", password.reveal()).encode("utf-8", "surrogatepass")


def hash_password(password: Secret[str]) -> str:
    """Return the Argon2id hash in PHC form, `$argon2id$v=19$m=19456,t=2,p=1$...`."""
    with Turn():
        return _hasher.hash(prepared(password))


@cache
def _nobodys_hash() -> str:
    """Return a hash that no password fits: of 256 random bits, forgotten at once."""
    return hash_password(new_token())


def prepare() -> None:
    """Make ready for logins; to be called once, before threads start.

    glibc gives each thread a heap of its own and keeps there what was freed: after twenty threads had their turn, one at
    a time, 285 MB were gone (measured). With one heap for all it is 0.4 to 20 MB. And nobody's hash is made now, so that the
    first login with an unknown name takes no longer than the second.
    """
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    _nobodys_hash()


def verify(password_hash: str | None, password: Secret[str]) -> Verdict:
    """Say whether a password fits.

    Parameters
    ----------
    password_hash : str or None
        None for an unknown name: takes as long, and never fits.
    password : Secret[str]
        As typed. Longer than `LONGEST` never fits, and costs the same.

    Raises
    ------
    SecurityError
        If the stored hash is damaged.
    ThrottledError
        If the turn did not come in time.
    """
    known = password_hash if password_hash is not None else _nobodys_hash()
    typed = prepared(password)[: 4 * LONGEST]
    try:
        with Turn():
            _hasher.verify(known, typed)
    except VerifyMismatchError:
        return Verdict(ok=False)
    except (VerificationError, InvalidHashError) as error:
        raise SecurityError("a stored password hash is damaged; set the password again") from error
    if password_hash is None or len(password.reveal()) > LONGEST:
        return Verdict(ok=False)
    return Verdict(ok=True, needs_rehash=_hasher.check_needs_rehash(password_hash))


@cache
def _common() -> frozenset[str]:
    """Return the well-known passwords, each as it stands and in its plain forms."""
    lines = _COMMON_FILE.read_text(encoding="utf-8").splitlines()
    words = [line.casefold() for line in lines if line and not line.startswith("#")]
    return frozenset(form for word in words for form in _forms(word))


def _forms(folded: str) -> set[str]:
    """Return a password, and what is left without what people add: digits and signs at the ends, digits for letters."""
    forms = {folded}
    for table in _LEET:
        for form in (_DECORATION.sub("", folded).translate(table), _DECORATION.sub("", folded.translate(table))):
            if len(form) >= 4:
                forms.add(form)
    return forms


def _is_pattern(text: str) -> bool:
    """Say whether a text is a piece repeated, or characters in a row such as 12345 or edcba."""
    for size in range(1, len(text) // 2 + 1):
        if text == (text[:size] * (len(text) // size + 1))[: len(text)]:
            return True
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    return steps in ({1}, {-1}) or text in "01234567890123456789" or text in "98765432109876543210"


def check_foreign_hash(untrusted: str) -> None:
    """Refuse a hash from elsewhere that is none of ours, or whose parameters would cost this machine more than ours do.

    Raises
    ------
    InputError
    """
    try:
        found = extract_parameters(untrusted)
    except InvalidHashError as error:
        raise InputError("A password's hash is damaged.") from error
    is_ours = found.type is Type.ID and found.parallelism == LANES and (found.hash_len, found.salt_len) == (32, 16)
    if not is_ours or not _HASH.match(untrusted) or found.memory_cost > MEMORY_KIB or found.time_cost > PASSES:
        raise InputError("A password's hash is not of the kind that is used here.")


def check_strength(password: Secret[str], name: str, *, what: str = "password") -> None:
    """Refuse a password that is short, well known, a pattern, or made of the name.

    Parameters
    ----------
    what : str
        What it is called before the person.

    Raises
    ------
    InputError
        With the reason and what to do.
    """
    text = unicodedata.normalize("NFKC", password.reveal())
    if len(text) < SHORTEST:
        raise InputError(f"Choose a {what} of {SHORTEST} characters or more; three or four words are easy to remember.")
    if len(text) > LONGEST:
        raise InputError(f"Choose a {what} of at most {LONGEST} characters.")
    folded = text.casefold()
    plain_name = name.casefold()
    rest = folded.replace(plain_name, "") if plain_name else folded
    if len(plain_name) >= 3 and plain_name in folded and len(rest) < SHORTEST - 4:
        raise InputError(f"Choose a {what} that is not made of your user name.")
    if _forms(folded) & _common() or _is_pattern(folded):
        raise InputError(f"This {what} is well known and would be guessed soon; three or four words together are not.")
