"""Sessions: logged-in browsers, by the hash of their token; they end by running time, which no clock jump moves."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import peewee

from appliance.domain.access import Session
from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, InputError
from appliance.settings.schema import Settings
from appliance.store.accounts import account_of
from appliance.store.database import Database
from appliance.store.models import AccountRow, SessionRow

MOST_OF_AN_ACCOUNT = 20
TOUCH_EVERY_S = 60.0
_LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When a session ends."""

    idle_s: float = 12 * 3600.0
    absolute_s: float = 30 * 86400.0


def session_limits(settings: Settings) -> SessionLimits:
    """Return when a session ends by the settings."""
    return SessionLimits(idle_s=settings.web.session_idle_minutes * 60, absolute_s=settings.web.session_days * 86400)


class SessionStore:
    """Every session of every account; tokens are hashed before they come here."""

    def __init__(self, database: Database, clock: Clock, limits: Callable[[], SessionLimits] = SessionLimits) -> None:
        self._database, self._clock, self._limits = database, clock, limits

    def create(self, account_id: int, token_hash: str, csrf_token: str, address: str, agent: str) -> Session:
        """Log an account in; its oldest sessions end when it has too many.

        Raises
        ------
        InputError
            If the account is gone or disabled.
        """
        now, now_s = self._clock.now(), self._database.running.seconds()
        with self._database.write() as db:
            account = AccountRow.select().where(AccountRow.id == account_id).get_or_none(db)
            if account is None or account.disabled:
                raise InputError("This account cannot log in.")
            self._remove_ended(db, now_s)
            row = SessionRow(
                account_id=account_id,
                token_hash=token_hash,
                csrf_token=csrf_token,
                created_at=now,
                last_seen_at=now,
                created_running_s=now_s,
                seen_running_s=now_s,
                address=address[:64],
                agent=agent[:_LONGEST_AGENT],
            )
            row.id = SessionRow.insert(row.__data__).execute(db)
            _remove_oldest(db, account_id)
        return _session(row, account)

    def find(self, token_hash: str) -> Session | None:
        """Return the session of a token; None if it has ended, was revoked, or its account is disabled."""
        with self._database.read() as db:
            row = SessionRow.select().where(SessionRow.token_hash == token_hash).get_or_none(db)
            if row is None or not self._is_alive(row, self._database.running.seconds()):
                return None
            account = AccountRow.select().where(AccountRow.id == row.account_id).get_or_none(db)
        return None if account is None or account.disabled else _session(row, account)

    def touch(self, session_id: int) -> None:
        """Note that a session was used; written at most once a minute, to spare the card, and where the disk has room for it."""
        now_s = self._database.running.seconds()
        is_stale = (SessionRow.id == session_id) & (SessionRow.seen_running_s < now_s - TOUCH_EVERY_S)
        with self._database.read() as db:
            if not SessionRow.select().where(is_stale).exists(db):
                return
        with contextlib.suppress(DiskFullError), self._database.write() as db:
            SessionRow.update(seen_running_s=now_s, last_seen_at=self._clock.now()).where(is_stale).execute(db)

    def revoke(self, session_id: int) -> bool:
        """End a session; return whether there was one."""
        with self._database.write() as db:
            return bool(SessionRow.delete().where(SessionRow.id == session_id).execute(db))

    def revoke_all(self, account_id: int, except_id: int | None = None) -> int:
        """End every session of an account but one; return how many ended."""
        query = SessionRow.delete().where(SessionRow.account_id == account_id)
        if except_id is not None:
            query = query.where(SessionRow.id != except_id)
        with self._database.write() as db:
            return int(query.execute(db))

    def list(self, account_id: int | None = None) -> "list[Session]":
        """Return the sessions of an account, or of all, that have not ended; the one used last comes first."""
        now_s = self._database.running.seconds()
        query = SessionRow.select().order_by(SessionRow.seen_running_s.desc(), SessionRow.id.desc())
        if account_id is not None:
            query = query.where(SessionRow.account_id == account_id)
        with self._database.read() as db:
            accounts = {row.id: row for row in AccountRow.select().execute(db)}
            rows = [row for row in query.execute(db) if self._is_alive(row, now_s)]
        return [_session(row, accounts[row.account_id]) for row in rows]

    def _is_alive(self, row: SessionRow, now_s: float) -> bool:
        limits = self._limits()
        return now_s - row.seen_running_s < limits.idle_s and now_s - row.created_running_s < limits.absolute_s

    def _remove_ended(self, db: peewee.SqliteDatabase, now_s: float) -> None:
        limits = self._limits()
        is_idle = SessionRow.seen_running_s <= now_s - limits.idle_s
        is_old = SessionRow.created_running_s <= now_s - limits.absolute_s
        SessionRow.delete().where(is_idle | is_old).execute(db)


def _remove_oldest(db: peewee.SqliteDatabase, account_id: int) -> None:
    query = SessionRow.select(SessionRow.id).where(SessionRow.account_id == account_id)
    for row in list(query.order_by(SessionRow.id.desc()).offset(MOST_OF_AN_ACCOUNT).execute(db)):
        SessionRow.delete().where(SessionRow.id == row.id).execute(db)


def _session(row: SessionRow, account: AccountRow) -> Session:
    return Session(row.id, account_of(account), row.csrf_token, row.created_at, row.last_seen_at, row.address, row.agent)
