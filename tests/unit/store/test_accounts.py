"""Accounts: the claim, names, the last admin, second factor, recovery."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.domain.access import Account, Role
from appliance.domain.errors import InputError, RefusedError
from appliance.store.accounts import MOST_ACCOUNTS, AccountStore
from appliance.store.database import Database
from appliance.store.recovery import VALID_S, RecoveryStore
from appliance.store.sessions import SessionStore
from tests.unit.store.conftest import MovableClock


@pytest.fixture
def accounts(database: Database, clock: MovableClock) -> AccountStore:
    return AccountStore(database, clock)


@pytest.fixture
def admin(accounts: AccountStore) -> Account:
    return accounts.claim("vera", "hash")


@pytest.fixture
def sessions(database: Database, clock: MovableClock) -> SessionStore:
    return SessionStore(database, clock)


def test_the_claim_makes_the_first_admin_and_works_once(accounts: AccountStore, clock: MovableClock) -> None:
    assert not accounts.is_claimed
    admin = accounts.claim(" Vera ", "hash")
    assert (admin.name, admin.role, admin.disabled, admin.created_at) == ("vera", Role.ADMIN, False, clock.now())
    assert accounts.is_claimed
    with pytest.raises(RefusedError):
        accounts.claim("mallory", "hash")
    assert [account.name for account in accounts.list()] == ["vera"]


def test_of_many_claims_at_once_one_succeeds(accounts: AccountStore) -> None:
    def claim(number: int) -> bool:
        try:
            accounts.claim(f"name{number}", "hash")
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(16))) == 1
    assert len(accounts.list()) == 1


@pytest.mark.parametrize("name", ["", "a", "a" * 33, "a b", "ä1", ".ab", "-ab", "a/b", "a\nb", "root\0", "<b>x</b>", "ab\n\n c"])
def test_odd_names_are_refused(accounts: AccountStore, name: str) -> None:
    with pytest.raises(InputError, match="2 to 32"):
        accounts.claim(name, "hash")
    assert not accounts.is_claimed


def test_an_account_is_found_by_its_name_in_any_case(accounts: AccountStore, admin: Account) -> None:
    assert accounts.by_name(" VERA") == (admin, "hash")
    assert accounts.get(admin.id) == admin
    assert accounts.by_name("nobody") is None
    assert accounts.get(99) is None


def test_a_name_is_taken_once_and_accounts_are_bounded(accounts: AccountStore, admin: Account) -> None:
    with pytest.raises(InputError, match="is taken"):
        accounts.create("Vera", "hash", Role.STAFF)
    for number in range(MOST_ACCOUNTS - 1):
        accounts.create(f"staff{number}", "hash", Role.STAFF)
    with pytest.raises(InputError, match="Delete one"):
        accounts.create("onemore", "hash", Role.STAFF)


LOSING: list[Callable[[AccountStore, int], None]] = [
    lambda accounts, who: accounts.delete(who),
    lambda accounts, who: accounts.set_role(who, Role.STAFF),
    lambda accounts, who: accounts.set_disabled(who, True),
]


@pytest.mark.parametrize("lose", LOSING, ids=["delete", "demote", "disable"])
class TestTheLastAdmin:
    def test_cannot_be_lost(self, accounts: AccountStore, admin: Account, lose: Callable[[AccountStore, int], None]) -> None:
        accounts.create("staff", "hash", Role.STAFF)
        other = accounts.create("disabled", "hash", Role.ADMIN)
        accounts.set_disabled(other.id, True)
        with pytest.raises(InputError, match="last admin"):
            lose(accounts, admin.id)
        assert accounts.get(admin.id) == admin

    def test_can_go_when_there_is_another(
        self, accounts: AccountStore, admin: Account, lose: Callable[[AccountStore, int], None]
    ) -> None:
        other = accounts.create("second", "hash", Role.ADMIN)
        lose(accounts, admin.id)
        with pytest.raises(InputError, match="last admin"):
            lose(accounts, other.id)

    def test_of_two_admins_who_remove_each_other_at_once_one_stays(
        self, accounts: AccountStore, admin: Account, lose: Callable[[AccountStore, int], None]
    ) -> None:
        other = accounts.create("second", "hash", Role.ADMIN)

        def attempt(who: int) -> bool:
            try:
                lose(accounts, who)
            except InputError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(attempt, [admin.id, other.id])) == 1
        left = [account for account in accounts.list() if account.role is Role.ADMIN and not account.disabled]
        assert len(left) == 1


def test_a_disabled_account_can_be_let_in_again(accounts: AccountStore, admin: Account) -> None:
    staff = accounts.create("staff", "hash", Role.STAFF)
    accounts.set_disabled(staff.id, True)
    assert accounts.by_name("staff") is not None
    disabled = accounts.get(staff.id)
    assert disabled is not None
    assert disabled.disabled
    accounts.set_disabled(staff.id, False)
    assert accounts.get(staff.id) == staff


@pytest.mark.parametrize("who", [0, 99])
def test_what_is_gone_cannot_be_changed(accounts: AccountStore, admin: Account, who: int) -> None:
    changes: list[Callable[[], object]] = [
        lambda: accounts.delete(who),
        lambda: accounts.set_role(who, Role.ADMIN),
        lambda: accounts.set_disabled(who, True),
        lambda: accounts.set_password(who, "hash"),
        lambda: accounts.change_password(who, "hash"),
        lambda: accounts.set_totp(who, b"sealed", []),
        lambda: accounts.clear_totp(who),
        lambda: accounts.totp_sealed(who),
    ]
    for change in changes:
        with pytest.raises(InputError, match="gone"):
            change()


class TestSessionsOfAnAccount:
    @pytest.mark.parametrize("lose", LOSING, ids=["delete", "demote", "disable"])
    def test_end_with_what_the_account_loses(
        self, accounts: AccountStore, sessions: SessionStore, admin: Account, lose: Callable[[AccountStore, int], None]
    ) -> None:
        accounts.create("second", "hash", Role.ADMIN)
        sessions.create(admin.id, "token", "csrf", "192.168.1.2", "browser")
        lose(accounts, admin.id)
        assert sessions.find("token") is None
        assert sessions.list() == []

    def test_end_with_its_password_but_for_the_one_that_changed_it(
        self, accounts: AccountStore, sessions: SessionStore, admin: Account
    ) -> None:
        own, _ = (sessions.create(admin.id, token, "csrf", "192.168.1.2", "browser") for token in ("own", "other"))
        accounts.change_password(admin.id, "new hash", keep_session=own.id)
        assert (sessions.find("own"), sessions.find("other")) == (own, None)
        accounts.change_password(admin.id, "newer hash")
        assert sessions.find("own") is None
        assert accounts.by_name("vera") == (admin, "newer hash")

    def test_stay_at_a_rehash(self, accounts: AccountStore, sessions: SessionStore, admin: Account) -> None:
        session = sessions.create(admin.id, "token", "csrf", "192.168.1.2", "browser")
        accounts.set_password(admin.id, "the same password, other parameters")
        assert sessions.find("token") == session


class TestSecondFactor:
    def test_is_kept_sealed_and_shown_as_a_flag(self, accounts: AccountStore, admin: Account) -> None:
        assert accounts.totp_sealed(admin.id) is None
        assert not admin.has_totp
        accounts.set_totp(admin.id, b"sealed", ["h1", "h2"])
        assert accounts.totp_sealed(admin.id) == b"sealed"
        assert accounts.list()[0].has_totp
        accounts.clear_totp(admin.id)
        assert accounts.totp_sealed(admin.id) is None
        assert accounts.recovery_codes_left(admin.id) == 0

    def test_a_time_step_is_used_once_and_never_an_earlier_one(self, accounts: AccountStore, admin: Account) -> None:
        assert accounts.use_totp_step(admin.id, 1000)
        assert not accounts.use_totp_step(admin.id, 1000)
        assert not accounts.use_totp_step(admin.id, 999)
        assert accounts.use_totp_step(admin.id, 1001)
        assert not accounts.use_totp_step(99, 5000)

    def test_a_recovery_code_works_once_and_for_its_account_only(self, accounts: AccountStore, admin: Account) -> None:
        other = accounts.create("second", "hash", Role.ADMIN)
        accounts.set_totp(admin.id, b"sealed", ["h1", "h2", "h2"])
        assert accounts.recovery_codes_left(admin.id) == 2
        assert not accounts.use_recovery_code(other.id, "h1")
        assert accounts.use_recovery_code(admin.id, "h1")
        assert not accounts.use_recovery_code(admin.id, "h1")
        assert not accounts.use_recovery_code(admin.id, "h3")
        accounts.set_totp(admin.id, b"sealed again", ["h9"])
        assert not accounts.use_recovery_code(admin.id, "h2")

    def test_a_new_secret_begins_with_steps_afresh_only_where_they_are_later(
        self, accounts: AccountStore, admin: Account
    ) -> None:
        accounts.set_totp(admin.id, b"one", [])
        assert accounts.use_totp_step(admin.id, 1000)
        accounts.set_totp(admin.id, b"two", [])
        assert not accounts.use_totp_step(admin.id, 1000)

    def test_rotation_writes_every_secret_anew_but_makes_none(self, accounts: AccountStore, admin: Account) -> None:
        other = accounts.create("second", "hash", Role.ADMIN)
        accounts.set_totp(admin.id, b"old key", ["h1"])
        accounts.replace_all_totp({admin.id: b"new key", other.id: b"was turned off meanwhile"})
        assert accounts.totp_sealed(admin.id) == b"new key"
        assert accounts.totp_sealed(other.id) is None
        assert accounts.recovery_codes_left(admin.id) == 1


class TestRecovery:
    @pytest.fixture
    def recovery(self, database: Database, clock: MovableClock) -> RecoveryStore:
        return RecoveryStore(database, clock)

    def test_an_admin_is_repaired_once(
        self, accounts: AccountStore, sessions: SessionStore, recovery: RecoveryStore, admin: Account
    ) -> None:
        accounts.create("second", "hash", Role.ADMIN)
        accounts.set_totp(admin.id, b"sealed", ["h1"])
        accounts.set_disabled(admin.id, True)
        recovery.start("code hash")
        assert recovery.code_hash() == "code hash"
        assert accounts.recover("Vera", "new hash") == admin
        assert accounts.by_name("vera") == (admin, "new hash")
        assert accounts.recovery_codes_left(admin.id) == 0
        assert recovery.code_hash() is None
        with pytest.raises(RefusedError):
            accounts.recover("vera", "again")

    def test_its_sessions_end(
        self, accounts: AccountStore, sessions: SessionStore, recovery: RecoveryStore, admin: Account
    ) -> None:
        sessions.create(admin.id, "token", "csrf", "192.168.1.2", "the intruder's")
        recovery.start("code hash")
        accounts.recover("vera", "new hash")
        assert sessions.find("token") is None

    def test_a_new_name_becomes_an_admin(self, accounts: AccountStore, recovery: RecoveryStore, admin: Account) -> None:
        recovery.start("code hash")
        assert accounts.recover("rescue", "hash").role is Role.ADMIN
        assert len(accounts.list()) == 2

    def test_a_refused_name_does_not_use_it_up(self, accounts: AccountStore, recovery: RecoveryStore, admin: Account) -> None:
        recovery.start("code hash")
        with pytest.raises(InputError):
            accounts.recover("no name at all", "hash")
        assert recovery.code_hash() == "code hash"

    def test_without_one_nothing_happens(self, accounts: AccountStore, recovery: RecoveryStore, admin: Account) -> None:
        assert recovery.code_hash() is None
        with pytest.raises(RefusedError):
            accounts.recover("vera", "hash of a thief")
        assert accounts.by_name("vera") == (admin, "hash")

    def test_it_ends_by_running_time_or_by_hand(self, recovery: RecoveryStore, clock: MovableClock) -> None:
        recovery.start("first")
        recovery.start("second")
        clock.jump(30)
        clock.run(VALID_S - 1)
        assert recovery.code_hash() == "second"
        clock.jump(-30)
        clock.run(1)
        assert recovery.code_hash() is None
        recovery.start("third")
        recovery.cancel()
        assert recovery.code_hash() is None

    def test_one_that_has_ended_does_not_recover(
        self, accounts: AccountStore, recovery: RecoveryStore, admin: Account, clock: MovableClock
    ) -> None:
        recovery.start("code hash")
        clock.run(VALID_S)
        with pytest.raises(RefusedError):
            accounts.recover("vera", "too late")
