"""Passwords: pinned Argon2id, equal time for unknown names, one at a time, well-known ones refused."""

import statistics
import subprocess
import sys
import time

import pytest
from argon2 import PasswordHasher

from appliance.domain.errors import InputError, SecurityError
from appliance.domain.secret import Secret
from appliance.security import passwords
from appliance.security.passwords import LONGEST, check_foreign_hash, check_strength, hash_password, prepare, verify

PASSWORD = Secret("correct zebra umbrella")


def test_the_hash_names_the_pinned_parameters_and_not_the_password() -> None:
    hashed = hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "zebra" not in hashed
    assert hash_password(PASSWORD) != hashed


def test_the_right_password_fits_and_others_do_not() -> None:
    hashed = hash_password(PASSWORD)
    assert verify(hashed, PASSWORD) == passwords.Verdict(ok=True, needs_rehash=False)
    for wrong in ("", "correct zebra umbrellA", "correct zebra umbrella ", "x" * 100_000):
        assert not verify(hashed, Secret(wrong)).ok


def test_the_same_letters_typed_another_way_fit() -> None:
    assert verify(hash_password(Secret("schöne große wolke")), Secret("scho\u0308ne große wolke")).ok


def test_no_password_fits_an_unknown_name() -> None:
    assert not verify(None, PASSWORD).ok
    assert not verify(None, Secret("")).ok


def test_a_hash_with_old_parameters_asks_for_a_new_one() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD.reveal())
    assert verify(old, PASSWORD) == passwords.Verdict(ok=True, needs_rehash=True)
    assert verify(old, Secret("wrong wrong wrong")) == passwords.Verdict(ok=False)


@pytest.mark.parametrize("damaged", ["", "x", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_damaged_hash_is_an_error_and_no_way_in(damaged: str) -> None:
    with pytest.raises(SecurityError, match="damaged"):
        verify(damaged, PASSWORD)


def test_a_very_long_password_never_fits_even_its_own_hash() -> None:
    long = Secret("ab" * LONGEST)
    assert not verify(hash_password(long), long).ok


def test_known_and_unknown_names_take_equally_long() -> None:
    """The medians of interleaved runs lie within a tenth: a difference that a network hides, and Argon2's noise exceeds."""
    prepare()
    known = hash_password(PASSWORD)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for _ in range(25):
        for kind, password_hash in (("known", known), ("unknown", None)):
            start = time.process_time()
            verify(password_hash, Secret("a wrong password"))
            times[kind].append(time.process_time() - start)
    first, second = (statistics.median(times[kind]) for kind in ("known", "unknown"))
    assert abs(first - second) < 0.1 * max(first, second)


_TWENTY_LOGINS = """
import threading
from appliance.domain.secret import Secret
from appliance.security.passwords import hash_password, prepare, verify

def peak_kib():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

prepare()
hashed = hash_password(Secret("correct zebra umbrella"))
before = peak_kib()
for _ in range(3):
    threads = [threading.Thread(target=verify, args=(hashed, Secret("wrong"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(peak_kib() - before)
"""


def test_twenty_parallel_verifications_need_the_memory_of_one() -> None:
    """Sixty of them, in sixty threads: without one heap for all, glibc kept 285 MB; with it, one block of 19 MiB at most."""
    ended = subprocess.run([sys.executable, "-c", _TWENTY_LOGINS], capture_output=True, text=True, check=True)
    assert int(ended.stdout) < 40 * 1024


@pytest.mark.parametrize("good", ["correct zebra umbrella", "kT9#mmQ2vLx0", "drei Äpfel im Keller", "84117203965524"])
def test_a_good_password_is_taken(good: str) -> None:
    check_strength(Secret(good), "anna")


@pytest.mark.parametrize("short", ["", "a", "kT9#mmQ2v"])
def test_a_short_password_is_refused(short: str) -> None:
    with pytest.raises(InputError, match="10 characters or more"):
        check_strength(Secret(short), "anna")


def test_a_password_of_more_than_256_characters_is_refused() -> None:
    with pytest.raises(InputError, match="at most 256"):
        check_strength(Secret("kT9#mmQ2vL" * 26), "anna")


@pytest.mark.parametrize(
    "common",
    ["password123", "P@ssw0rd2026!", "qwertyuiop", "1qaz2wsx3edc", "Nightjar2026", "!!!allsky!!!", "iloveyou1234", "Raspberry1!",
     "1234567890", "0987654321", "abcdefghij", "aaaaaaaaaa", "abcabcabcabc", "letmein12345", "Welc0me2026", "monkeymonkey1"],
)  # fmt: skip
def test_a_well_known_password_is_refused_however_it_is_dressed(common: str) -> None:
    with pytest.raises(InputError, match="well known"):
        check_strength(Secret(common), "anna")


def test_a_password_made_of_the_name_is_refused_and_one_that_mentions_it_is_not() -> None:
    with pytest.raises(InputError, match="user name"):
        check_strength(Secret("Christa.Wolf1"), "christa.wolf")
    check_strength(Secret("anna likes wet mornings"), "anna")


def hash_of(
    memory_kib: int = 19 * 1024, passes: int = 2, *, kind: str = "argon2id", lanes: int = 1, salt: int = 22, out: int = 43
) -> str:
    return f"${kind}$v=19$m={memory_kib},t={passes},p={lanes}${'A' * salt}${'A' * out}"


@pytest.mark.parametrize("good", [hash_of(), hash_of(8, 1)])
def test_a_hash_from_elsewhere_is_taken_only_if_it_costs_no_more_than_ours(good: str) -> None:
    check_foreign_hash(good)
    for bad in (
        hash_of(19 * 1024 + 1), hash_of(4 << 20), hash_of(passes=3), hash_of(lanes=2), hash_of(kind="argon2i"), hash_of(salt=8),
        hash_of(out=86), good + "$", good + "\n", good.replace("v=19", "v=16"), "", "x", "$2b$12$abc", "$argon2id$",
        good[:-1] + "!",
    ):  # fmt: skip
        with pytest.raises(InputError):
            check_foreign_hash(bad)


def test_a_hash_of_ours_is_taken() -> None:
    check_foreign_hash(hash_password(Secret("correct zebra umbrella")))


def test_a_weak_pass_phrase_is_called_that() -> None:
    for weak in ("short", "password123", "anna-anna-a"):
        with pytest.raises(InputError, match="pass-phrase"):
            check_strength(Secret(weak), "anna", what="pass-phrase")
