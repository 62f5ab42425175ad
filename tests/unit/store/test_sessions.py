"""Sessions and API tokens: their ends, and that no jump of the clock moves them."""

import pytest

from appliance.domain.access import Account, Role, Scope
from appliance.domain.errors import InputError
from appliance.store.accounts import AccountStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.models import SessionRow
from appliance.store.sessions import MOST_OF_AN_ACCOUNT, TOUCH_EVERY_S, SessionLimits, SessionStore
from appliance.store.tokens import LONGEST_DAYS, MOST_TOKENS, TokenStore
from tests.unit.store.conftest import MovableClock

HOUR_S, DAY_S = 3600.0, 86400.0
LIMITS = SessionLimits(idle_s=2 * HOUR_S, absolute_s=10 * HOUR_S)


@pytest.fixture
def admin(database: Database, clock: MovableClock) -> Account:
    return AccountStore(database, clock).claim("vera", "hash")


@pytest.fixture
def sessions(database: Database, clock: MovableClock) -> SessionStore:
    return SessionStore(database, clock, lambda: LIMITS)


@pytest.fixture
def tokens(database: Database, clock: MovableClock) -> TokenStore:
    return TokenStore(database, clock)


def log_in(sessions: SessionStore, account: Account, token: str = "token") -> int:
    return sessions.create(account.id, token, "csrf", "192.168.1.2", "Firefox").id


def test_a_session_comes_back_by_its_hash_only(sessions: SessionStore, admin: Account, clock: MovableClock) -> None:
    session = sessions.create(admin.id, "token", "csrf", "192.168.1.2", "Firefox" * 100)
    assert sessions.find("token") == session
    assert (session.account, session.csrf_token, session.address) == (admin, "csrf", "192.168.1.2")
    assert (session.created_at, session.last_seen_at) == (clock.now(), clock.now())
    assert len(session.agent) == 200
    assert sessions.find("other") is None
    assert sessions.find("") is None


@pytest.mark.parametrize("days", [30, -30])
class TestClockJumps:
    def test_an_idle_session_ends_on_time(self, sessions: SessionStore, admin: Account, clock: MovableClock, days: int) -> None:
        log_in(sessions, admin)
        clock.jump(days)
        clock.run(2 * HOUR_S - 1)
        assert sessions.find("token") is not None
        assert len(sessions.list()) == 1
        clock.jump(-days)
        clock.run(1)
        assert sessions.find("token") is None
        assert sessions.list() == []

    def test_a_used_session_ends_on_time_too(
        self, sessions: SessionStore, admin: Account, clock: MovableClock, days: int
    ) -> None:
        session_id = log_in(sessions, admin)
        clock.jump(days)
        for _ in range(9):
            clock.run(HOUR_S)
            assert sessions.find("token") is not None
            sessions.touch(session_id)
        clock.run(HOUR_S)
        assert sessions.find("token") is None

    def test_a_token_ends_on_time(self, tokens: TokenStore, admin: Account, clock: MovableClock, days: int) -> None:
        tokens.create("script", Scope.READ, "token", 2, admin.id)
        clock.jump(days)
        clock.run(2 * DAY_S - 1)
        assert tokens.find("token") is not None
        clock.jump(-days)
        clock.run(1)
        assert tokens.find("token") is None
        assert tokens.list() == []

    def test_a_restart_with_another_date_changes_nothing(
        self, folder: DataFolder, database: Database, admin: Account, clock: MovableClock, days: int
    ) -> None:
        log_in(SessionStore(database, clock, lambda: LIMITS), admin)
        clock.run(HOUR_S)
        database.close()
        clock.restart()
        clock.jump(days)
        again = Database(folder.root, clock)
        again.open()
        sessions = SessionStore(again, clock, lambda: LIMITS)
        clock.run(HOUR_S - 1)
        assert sessions.find("token") is not None
        clock.run(1)
        assert sessions.find("token") is None
        again.close()


def test_use_prolongs_and_is_written_once_a_minute(sessions: SessionStore, admin: Account, clock: MovableClock) -> None:
    session_id, began = log_in(sessions, admin), clock.now()
    clock.run(TOUCH_EVERY_S / 2)
    sessions.touch(session_id)
    assert sessions.list()[0].last_seen_at == began
    clock.run(TOUCH_EVERY_S)
    sessions.touch(session_id)
    assert sessions.list()[0].last_seen_at == clock.now()
    clock.run(2 * HOUR_S - 1)
    assert sessions.find("token") is not None
    sessions.touch(99)


def test_shorter_limits_work_at_once(database: Database, admin: Account, clock: MovableClock) -> None:
    limits = [SessionLimits()]
    sessions = SessionStore(database, clock, lambda: limits[0])
    log_in(sessions, admin)
    clock.run(HOUR_S)
    assert sessions.find("token") is not None
    limits[0] = SessionLimits(idle_s=60.0)
    assert sessions.find("token") is None


def test_revoked_sessions_are_gone(sessions: SessionStore, admin: Account, database: Database, clock: MovableClock) -> None:
    staff = AccountStore(database, clock).create("staff", "hash", Role.STAFF)
    one, _, three = (log_in(sessions, admin, token) for token in ("one", "two", "three"))
    log_in(sessions, staff, "staff's")
    assert sessions.revoke(one)
    assert not sessions.revoke(one)
    assert sessions.revoke_all(admin.id, except_id=three) == 1
    assert [session.id for session in sessions.list(admin.id)] == [three]
    assert sessions.revoke_all(admin.id) == 1
    assert [sessions.find(token) is None for token in ("one", "two", "three", "staff's")] == [True, True, True, False]


def test_sessions_of_an_account_are_bounded_and_the_oldest_ends(sessions: SessionStore, admin: Account) -> None:
    for number in range(MOST_OF_AN_ACCOUNT + 1):
        log_in(sessions, admin, f"token{number}")
    assert sessions.find("token0") is None
    assert len(sessions.list()) == MOST_OF_AN_ACCOUNT


def test_ended_sessions_are_removed_at_the_next_login(
    sessions: SessionStore, admin: Account, clock: MovableClock, database: Database
) -> None:
    log_in(sessions, admin, "old")
    clock.run(2 * HOUR_S)
    log_in(sessions, admin, "new")
    with database.read() as db:
        assert [row.token_hash for row in SessionRow.select().execute(db)] == ["new"]


def test_a_disabled_or_lost_account_has_no_sessions_and_no_tokens(
    sessions: SessionStore, tokens: TokenStore, admin: Account, database: Database, clock: MovableClock
) -> None:
    accounts = AccountStore(database, clock)
    staff = accounts.create("staff", "hash", Role.STAFF)
    log_in(sessions, staff)
    tokens.create("script", Scope.READ, "token", 30, staff.id)
    accounts.set_disabled(staff.id, True)
    assert (sessions.find("token"), tokens.find("token")) == (None, None)
    for who in (staff.id, 99):
        with pytest.raises(InputError, match="cannot log in"):
            sessions.create(who, "another", "csrf", "", "")
    accounts.set_disabled(staff.id, False)
    assert sessions.find("token") is None
    assert tokens.find("token") is not None
    accounts.delete(staff.id)
    assert tokens.find("token") is None
    assert tokens.list() == []


class TestTokens:
    def test_a_token_tells_scope_owner_end_and_last_use(self, tokens: TokenStore, admin: Account, clock: MovableClock) -> None:
        made = tokens.create("  weather   script ", Scope.WRITE, "token", 30, admin.id)
        assert (made.name, made.scope, made.account, made.last_used_at) == ("weather script", Scope.WRITE, admin, None)
        assert (made.expires_at - clock.now()).total_seconds() == 30 * DAY_S
        clock.run(10)
        found = tokens.find("token")
        assert found is not None
        assert found.last_used_at == clock.now() == tokens.list()[0].last_used_at
        assert tokens.find("other") is None

    def test_its_use_is_written_once_a_minute(self, tokens: TokenStore, admin: Account, clock: MovableClock) -> None:
        tokens.create("script", Scope.READ, "token", 30, admin.id)
        tokens.find("token")
        first = clock.now()
        clock.run(30)
        tokens.find("token")
        assert tokens.list()[0].last_used_at == first
        clock.run(40)
        tokens.find("token")
        assert tokens.list()[0].last_used_at == clock.now()

    def test_a_revoked_token_is_gone(self, tokens: TokenStore, admin: Account) -> None:
        made = tokens.create("script", Scope.READ, "token", 30, admin.id)
        assert tokens.revoke(made.id)
        assert not tokens.revoke(made.id)
        assert tokens.find("token") is None

    @pytest.mark.parametrize(
        ("name", "days"), [("", 1), (" ", 1), ("x" * 61, 1), ("a\x1bb", 1), ("ok", 0), ("ok", -1), ("ok", LONGEST_DAYS + 1)]
    )
    def test_odd_names_and_ends_are_refused(self, tokens: TokenStore, admin: Account, name: str, days: int) -> None:
        with pytest.raises(InputError):
            tokens.create(name, Scope.READ, "token", days, admin.id)
        assert tokens.list() == []

    def test_tokens_are_bounded_and_ended_ones_make_room(self, tokens: TokenStore, admin: Account, clock: MovableClock) -> None:
        for number in range(MOST_TOKENS):
            tokens.create("script", Scope.READ, f"token{number}", 1, admin.id)
        with pytest.raises(InputError, match="Revoke one"):
            tokens.create("script", Scope.READ, "onemore", 1, admin.id)
        clock.run(DAY_S)
        tokens.create("script", Scope.READ, "onemore", 1, admin.id)

    def test_nobody_s_token_is_refused(self, tokens: TokenStore) -> None:
        with pytest.raises(InputError, match="gone"):
            tokens.create("script", Scope.READ, "token", 1, 99)
