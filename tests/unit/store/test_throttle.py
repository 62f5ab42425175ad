"""The throttle: pauses, lanes, and what an attacker can and cannot do with them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.domain.errors import ThrottledError
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.models import ThrottleRow
from appliance.store.throttle import (
    FORGET_AFTER_S,
    FREE_FAILURES,
    FRESH_LONGEST_PAUSE_S,
    LONGEST_PAUSE_S,
    MOST_ROWS,
    NETWORK_FAILURES,
    ThrottleStore,
    pause_s,
)
from tests.unit.store.conftest import MovableClock

HOME, ATTACKER = "192.168.1.10", "192.168.1.66"


@pytest.fixture
def throttle(database: Database, clock: MovableClock) -> ThrottleStore:
    return ThrottleStore(database, clock)


def guesses(
    throttle: ThrottleStore,
    clock: MovableClock,
    seconds: float,
    *,
    account: str = "vera",
    addresses: tuple[str, ...] = (ATTACKER,),
) -> int:
    """Return how many wrong guesses pass, when every address tries again as soon as it may."""
    passed, end_s = 0, clock.monotonic() + seconds
    while True:
        wait_s, address = min((throttle.wait_s("vera", address), address) for address in addresses)
        if clock.monotonic() + wait_s >= end_s:
            clock.run(end_s - clock.monotonic())
            return passed
        clock.run(wait_s)
        throttle.attempt("vera", address)
        passed += 1


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause_s(number) for number in range(11)] == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_s(10_000) == LONGEST_PAUSE_S


def test_people_who_mistype_do_not_wait(throttle: ThrottleStore) -> None:
    for _ in range(FREE_FAILURES):
        throttle.attempt("vera", HOME)
    with pytest.raises(ThrottledError) as caught:
        throttle.attempt("vera", HOME)
    assert caught.value.retry_after_s == 1.0


def test_a_pause_ends_and_a_refused_try_does_not_prolong_it(throttle: ThrottleStore, clock: MovableClock) -> None:
    for _ in range(FREE_FAILURES):
        throttle.attempt("vera", HOME)
    for _ in range(9):
        with pytest.raises(ThrottledError):
            throttle.attempt("vera", HOME)
        clock.run(0.1)
    clock.run(0.2)
    assert throttle.wait_s("vera", HOME) == 0
    throttle.attempt("vera", HOME)
    assert throttle.wait_s("vera", HOME) == 2


def test_success_forgives(throttle: ThrottleStore) -> None:
    for _ in range(5):
        for _ in range(FREE_FAILURES):
            throttle.attempt("vera", HOME)
        throttle.succeeded("vera", HOME)
    assert throttle.wait_s("vera", HOME) == 0


def test_logging_in_to_one_s_own_account_buys_no_guesses_at_another(throttle: ThrottleStore, clock: MovableClock) -> None:
    tried = 0
    end_s = clock.monotonic() + 3600
    while clock.monotonic() < end_s:
        clock.run(throttle.wait_s("vera", ATTACKER))
        throttle.attempt("vera", ATTACKER)
        tried += 1
        clock.run(throttle.wait_s("mallory", ATTACKER))
        throttle.attempt("mallory", ATTACKER)
        throttle.succeeded("mallory", ATTACKER)
    assert tried < 80


def test_twenty_tries_at_once_are_not_twenty_free_ones(throttle: ThrottleStore) -> None:
    def attempt(_: int) -> bool:
        try:
            throttle.attempt("vera", ATTACKER)
        except ThrottledError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == FREE_FAILURES


def test_a_thousand_guesses_from_one_address_take_most_of_a_day(throttle: ThrottleStore, clock: MovableClock) -> None:
    assert guesses(throttle, clock, 3600) <= 70


def test_many_addresses_together_are_hardly_faster(throttle: ThrottleStore, clock: MovableClock) -> None:
    network = tuple(f"192.168.1.{number}" for number in range(50, 60))
    # Each address has a few tries before it counts as one that guesses; then all share one lane.
    assert guesses(throttle, clock, 3600, addresses=network) <= 70 + len(network) * FREE_FAILURES


class TestTheAdminGetsIn:
    def test_from_a_known_address_at_once(self, throttle: ThrottleStore, clock: MovableClock) -> None:
        throttle.succeeded("vera", HOME)
        guesses(throttle, clock, 600)
        assert throttle.wait_s("vera", HOME) == 0
        throttle.attempt("vera", HOME)

    def test_from_a_new_address_after_seconds(self, throttle: ThrottleStore, clock: MovableClock) -> None:
        guesses(throttle, clock, 600, addresses=tuple(f"192.168.1.{number}" for number in range(50, 60)))
        assert throttle.wait_s("vera", HOME) <= FRESH_LONGEST_PAUSE_S

    def test_but_not_without_limit(self, throttle: ThrottleStore, clock: MovableClock) -> None:
        throttle.succeeded("vera", HOME)
        assert guesses(throttle, clock, 600, addresses=(HOME,)) < 25

    def test_and_a_known_address_is_known_to_its_account_only(self, throttle: ThrottleStore, clock: MovableClock) -> None:
        throttle.succeeded("mallory", ATTACKER)
        guesses(throttle, clock, 600, addresses=("192.168.1.50",))
        guesses(throttle, clock, 60)
        assert throttle.wait_s("vera", ATTACKER) > 1


class TestAddresses:
    def test_a_host_that_takes_ever_new_ipv6_addresses_is_hardly_faster(
        self, throttle: ThrottleStore, clock: MovableClock
    ) -> None:
        tried, end_s = 0, clock.monotonic() + 3600
        while clock.monotonic() < end_s:
            address = f"fd00:1:2:3::{tried:x}"
            clock.run(throttle.wait_s("vera", address))
            throttle.attempt("vera", address)
            tried += 1
        assert tried <= 70 + NETWORK_FAILURES
        assert throttle.wait_s("vera", HOME) <= FRESH_LONGEST_PAUSE_S  # another network is not held up by it

    @pytest.mark.parametrize("prefix", ["fe80::", "fd00:1:2:3::"])
    def test_a_neighbour_on_the_same_network_does_not_lock_out_a_known_address(
        self, throttle: ThrottleStore, clock: MovableClock, prefix: str
    ) -> None:
        throttle.succeeded("vera", f"{prefix}1")
        guesses(throttle, clock, 600, addresses=(f"{prefix}2", f"{prefix}3"))
        assert throttle.wait_s("vera", f"{prefix}1") == 0

    def test_a_mapped_address_is_its_ipv4_one(self, throttle: ThrottleStore) -> None:
        for _ in range(FREE_FAILURES):
            throttle.attempt(None, "::ffff:192.168.1.66")
        with pytest.raises(ThrottledError):
            throttle.attempt(None, "192.168.1.66")

    @pytest.mark.parametrize("address", ["", "nonsense", "fe80::1%eth0", "\0" * 1000])
    def test_odd_addresses_are_throttled_too(self, throttle: ThrottleStore, address: str) -> None:
        for _ in range(FREE_FAILURES):
            throttle.attempt(None, address)
        with pytest.raises(ThrottledError):
            throttle.attempt(None, address)


def test_unknown_names_are_throttled_like_known_ones_and_kept_as_hashes(throttle: ThrottleStore, database: Database) -> None:
    for _ in range(FREE_FAILURES):
        throttle.attempt("my-Secret-password", HOME)
    with pytest.raises(ThrottledError):
        throttle.attempt("MY-secret-PASSWORD ", HOME)
    database.close()
    assert b"ecret-pass" not in database.path.read_bytes()
    database.open()


@pytest.mark.parametrize("days", [30, -30])
def test_a_lock_out_survives_clock_jumps_and_restarts(
    folder: DataFolder, database: Database, clock: MovableClock, days: int
) -> None:
    throttle = ThrottleStore(database, clock)
    guesses(throttle, clock, 600)
    clock.run(throttle.wait_s("vera", ATTACKER))
    throttle.attempt("vera", ATTACKER)
    assert throttle.wait_s("vera", ATTACKER) == 60
    clock.jump(days)
    assert throttle.wait_s("vera", ATTACKER) > 45
    database.close()
    clock.restart()
    clock.jump(days)
    again = Database(folder.root, clock)
    again.open()
    throttle = ThrottleStore(again, clock)
    assert 45 < throttle.wait_s("vera", ATTACKER) <= 60
    clock.run(60)
    assert throttle.wait_s("vera", ATTACKER) == 0
    again.close()


def test_failures_are_forgotten_after_a_day(throttle: ThrottleStore, clock: MovableClock) -> None:
    guesses(throttle, clock, 600)
    clock.run(FORGET_AFTER_S + 1)
    assert guesses(throttle, clock, 1) == FREE_FAILURES


def test_invented_names_and_addresses_do_not_fill_the_disk(
    throttle: ThrottleStore, database: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.throttle.MOST_ROWS", 50)
    assert MOST_ROWS == 4096
    for number in range(200):
        throttle.attempt(f"name{number}", f"10.0.{number}.1")
        clock.run(1)
    with database.read() as db:
        assert ThrottleRow.select().count(db) <= 50 + 3
