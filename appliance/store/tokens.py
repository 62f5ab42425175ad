"""API tokens: named, scoped, hashed, ending by running time."""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.domain.access import Account, Scope
from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, InputError
from appliance.store.accounts import account_of
from appliance.store.database import Database
from appliance.store.models import AccountRow, TokenRow, count

MOST_TOKENS = 100
LONGEST_DAYS = 366
LONGEST_NAME = 60
USE_EVERY_S = 60.0
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token that a program uses in place of a login."""

    id: int
    name: str
    scope: Scope
    account: Account
    """Who made it; while this account is disabled, the token is too."""
    created_at: datetime
    expires_at: datetime
    """Reckoned from the running time that is left, if the appliance stays on."""
    last_used_at: datetime | None


class TokenStore:
    """Every token; hashed before they come here."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def create(self, name: str, scope: Scope, token_hash: str, expires_days: int, account_id: int) -> ApiToken:
        """Keep a new token.

        Raises
        ------
        InputError
            If the name is empty or too long, the days are not 1 to 366, the account is gone, or there are too many tokens.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise InputError(f"Give the token a name of 1 to {LONGEST_NAME} letters, so that you know it again.")
        if not 1 <= expires_days <= LONGEST_DAYS:
            raise InputError(f"A token ends after 1 to {LONGEST_DAYS} days.")
        now_s = self._database.running.seconds()
        with self._database.write() as db:
            account = AccountRow.select().where(AccountRow.id == account_id).get_or_none(db)
            if account is None:
                raise InputError("This account is gone. Look at the list again.")
            TokenRow.delete().where(TokenRow.ends_running_s <= now_s).execute(db)
            if count(TokenRow.select(), db) >= MOST_TOKENS:
                raise InputError(f"There are {MOST_TOKENS} tokens already. Revoke one first.")
            row = TokenRow(
                account_id=account_id,
                name=name,
                scope=scope.value,
                token_hash=token_hash,
                created_at=self._clock.now(),
                ends_running_s=now_s + expires_days * _DAY_S,
            )
            row.id = TokenRow.insert(row.__data__).execute(db)
        return self._token(row, account, now_s)

    def find(self, token_hash: str) -> ApiToken | None:
        """Return the token of a hash; None if it has ended, was revoked, or its account is disabled.

        Its use is noted, where the disk has room for that.
        """
        now_s = self._database.running.seconds()
        with self._database.read() as db:
            row = TokenRow.select().where((TokenRow.token_hash == token_hash) & (TokenRow.ends_running_s > now_s)).get_or_none(db)
            account = None if row is None else AccountRow.select().where(AccountRow.id == row.account_id).get_or_none(db)
        if row is None or account is None or account.disabled:
            return None
        if row.used_running_s is None or row.used_running_s < now_s - USE_EVERY_S:
            row.last_used_at = self._clock.now()
            values = {"last_used_at": row.last_used_at, "used_running_s": now_s}
            with contextlib.suppress(DiskFullError), self._database.write() as db:
                TokenRow.update(values).where(TokenRow.id == row.id).execute(db)
        return self._token(row, account, now_s)

    def list(self) -> "list[ApiToken]":
        """Return every token that has not ended, the newest first."""
        now_s = self._database.running.seconds()
        with self._database.read() as db:
            accounts = {row.id: row for row in AccountRow.select().execute(db)}
            rows = list(TokenRow.select().where(TokenRow.ends_running_s > now_s).order_by(TokenRow.id.desc()).execute(db))
        return [self._token(row, accounts[row.account_id], now_s) for row in rows]

    def revoke(self, token_id: int) -> bool:
        """End a token; return whether there was one."""
        with self._database.write() as db:
            return bool(TokenRow.delete().where(TokenRow.id == token_id).execute(db))

    def _token(self, row: TokenRow, account: AccountRow, now_s: float) -> ApiToken:
        ends_at = self._clock.now() + timedelta(seconds=row.ends_running_s - now_s)
        return ApiToken(row.id, row.name, Scope(row.scope), account_of(account), row.created_at, ends_at, row.last_used_at)
