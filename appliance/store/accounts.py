"""Accounts: who may log in, at which level; the last enabled admin cannot be lost."""

import re
from collections.abc import Iterable

import peewee

from appliance.domain.access import Account, Role
from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError
from appliance.store.database import Database
from appliance.store.models import AccountRow, RecoveryCodeRow, RecoveryRow, SessionRow, count

MOST_ACCOUNTS = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}\Z")


class AccountStore:
    """The people; passwords are hashes and second factors sealed bytes before they come here."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    @property
    def is_claimed(self) -> bool:
        """Whether anybody has an account."""
        with self._database.read() as db:
            return count(AccountRow.select(), db) > 0

    def claim(self, name: str, password_hash: str) -> Account:
        """Make the first account, an admin; of two who try at once, one succeeds.

        Raises
        ------
        RefusedError
            If the appliance is claimed already.
        InputError
            If the name cannot be one.
        """
        with self._database.write() as db:
            if count(AccountRow.select(), db):
                raise RefusedError("claimed already")
            return self._insert(db, name, password_hash, Role.ADMIN)

    def create(self, name: str, password_hash: str, role: Role) -> Account:
        """Make an account.

        Raises
        ------
        InputError
            If the name cannot be one, is taken, or there are too many accounts.
        """
        with self._database.write() as db:
            if count(AccountRow.select(), db) >= MOST_ACCOUNTS:
                raise InputError(f"There are {MOST_ACCOUNTS} accounts already. Delete one first.")
            return self._insert(db, name, password_hash, role)

    def by_name(self, name: str) -> tuple[Account, str] | None:
        """Return an account and its password hash, disabled ones too; None for an unknown name."""
        with self._database.read() as db:
            row = AccountRow.select().where(AccountRow.name == _folded(name)).get_or_none(db)
        return None if row is None else (account_of(row), row.password_hash)

    def get(self, account_id: int) -> Account | None:
        """Return an account by its id."""
        with self._database.read() as db:
            row = AccountRow.select().where(AccountRow.id == account_id).get_or_none(db)
        return None if row is None else account_of(row)

    def list(self) -> "list[Account]":
        """Return every account, by name."""
        with self._database.read() as db:
            return [account_of(row) for row in AccountRow.select().order_by(AccountRow.name).execute(db)]

    def set_password(self, account_id: int, password_hash: str) -> None:
        """Replace the hash and nothing else: what a rehash at login does; see `change_password`."""
        with self._database.write() as db:
            _row(db, account_id)
            AccountRow.update(password_hash=password_hash).where(AccountRow.id == account_id).execute(db)

    def change_password(self, account_id: int, password_hash: str, *, keep_session: int | None = None) -> None:
        """Replace the password and end every session of the account but one, in one transaction."""
        with self._database.write() as db:
            _row(db, account_id)
            AccountRow.update(password_hash=password_hash).where(AccountRow.id == account_id).execute(db)
            _end_sessions(db, account_id, keep_session)

    def set_role(self, account_id: int, role: Role) -> None:
        """Change the level; its sessions end, so that nobody keeps what was taken."""
        with self._database.write() as db:
            row = _row(db, account_id)
            if role is not Role.ADMIN:
                _keep_an_admin(db, row)
            AccountRow.update(role=role.value).where(AccountRow.id == account_id).execute(db)
            _end_sessions(db, account_id, None)

    def set_disabled(self, account_id: int, disabled: bool) -> None:
        """Shut an account out, at once, or let it in again."""
        with self._database.write() as db:
            row = _row(db, account_id)
            if disabled:
                _keep_an_admin(db, row)
                _end_sessions(db, account_id, None)
            AccountRow.update(disabled=disabled).where(AccountRow.id == account_id).execute(db)

    def delete(self, account_id: int) -> None:
        """Remove an account with its sessions, tokens and recovery codes."""
        with self._database.write() as db:
            _keep_an_admin(db, _row(db, account_id))
            AccountRow.delete().where(AccountRow.id == account_id).execute(db)

    def recover(self, name: str, password_hash: str) -> Account:
        """Make or repair an admin after a proof of presence; whoever was logged in as that name is not any more.

        The open recovery ends in the same transaction, so that its code works once (see `recovery.RecoveryStore`).

        Raises
        ------
        RefusedError
            If no recovery is open.
        """
        now_s = self._database.running.seconds()
        with self._database.write() as db:
            if not RecoveryRow.delete().where(RecoveryRow.ends_running_s > now_s).execute(db):
                raise RefusedError("no recovery is open")
            row = AccountRow.select().where(AccountRow.name == _folded(name)).get_or_none(db)
            if row is None:
                return self._insert(db, name, password_hash, Role.ADMIN)
            values = {"password_hash": password_hash, "role": Role.ADMIN.value, "disabled": False}
            AccountRow.update(values).where(AccountRow.id == row.id).execute(db)
            _clear_totp(db, row.id)
            _end_sessions(db, row.id, None)
            return account_of(_row(db, row.id))

    def totp_sealed(self, account_id: int) -> bytes | None:
        """Return the sealed secret of the second factor, or None where there is none."""
        with self._database.read() as db:
            sealed = _row(db, account_id).totp_sealed
        return None if sealed is None else bytes(sealed)

    def set_totp(self, account_id: int, sealed: bytes, recovery_hashes: Iterable[str]) -> None:
        """Turn the second factor on, with the hashes of its recovery codes; former codes are void."""
        with self._database.write() as db:
            _row(db, account_id)
            _clear_totp(db, account_id)
            AccountRow.update(totp_sealed=sealed).where(AccountRow.id == account_id).execute(db)
            for code_hash in set(recovery_hashes):
                RecoveryCodeRow.insert(account_id=account_id, code_hash=code_hash).execute(db)

    def clear_totp(self, account_id: int) -> None:
        """Turn the second factor off."""
        with self._database.write() as db:
            _row(db, account_id)
            _clear_totp(db, account_id)

    def replace_all_totp(self, sealed: dict[int, bytes]) -> None:
        """Write every second factor's secret anew, by account: for the rotation of the vault's key."""
        with self._database.write() as db:
            for account_id, value in sealed.items():
                has_one = (AccountRow.id == account_id) & AccountRow.totp_sealed.is_null(False)
                AccountRow.update(totp_sealed=value).where(has_one).execute(db)

    def use_totp_step(self, account_id: int, step: int) -> bool:
        """Note the time step of an accepted code; return False if it, or a later one, was used before: a replay."""
        with self._database.write() as db:
            is_newer = (AccountRow.id == account_id) & (AccountRow.totp_last_step < step)
            return bool(AccountRow.update(totp_last_step=step).where(is_newer).execute(db))

    def use_recovery_code(self, account_id: int, code_hash: str) -> bool:
        """Consume a recovery code; return whether it was there."""
        with self._database.write() as db:
            is_it = (RecoveryCodeRow.account_id == account_id) & (RecoveryCodeRow.code_hash == code_hash)
            return bool(RecoveryCodeRow.delete().where(is_it).execute(db))

    def recovery_codes_left(self, account_id: int) -> int:
        """Return how many recovery codes are unused."""
        with self._database.read() as db:
            return count(RecoveryCodeRow.select().where(RecoveryCodeRow.account_id == account_id), db)

    def _insert(self, db: peewee.SqliteDatabase, name: str, password_hash: str, role: Role) -> Account:
        row = AccountRow(
            name=checked_name(name), role=role.value, disabled=False, created_at=self._clock.now(), password_hash=password_hash
        )
        try:
            row.id = AccountRow.insert(row.__data__).execute(db)
        except peewee.IntegrityError as error:
            raise InputError(f"The name {row.name} is taken. Choose another one.") from error
        return account_of(row)


def checked_name(untrusted: str) -> str:
    """Return the name of an account in the one way it is written.

    Raises
    ------
    InputError
        If it is not 2 to 32 of a-z, 0-9, dot, dash and underscore.
    """
    name = _folded(untrusted)
    if not _NAME.match(name):
        raise InputError(
            "A name has 2 to 32 letters a-z, digits, dots, dashes or underscores, and begins with a letter or digit."
        )
    return name


def account_of(row: AccountRow) -> Account:
    """Return the account of a row."""
    return Account(row.id, row.name, Role(row.role), row.disabled, row.created_at, row.totp_sealed is not None)


def _folded(untrusted: str) -> str:
    return untrusted.strip().lower()


def _row(db: peewee.SqliteDatabase, account_id: int) -> AccountRow:
    row = AccountRow.select().where(AccountRow.id == account_id).get_or_none(db)
    if row is None:
        raise InputError("This account is gone. Look at the list again.")
    return row


def _keep_an_admin(db: peewee.SqliteDatabase, row: AccountRow) -> None:
    others = AccountRow.select().where(
        (AccountRow.role == Role.ADMIN.value) & (AccountRow.disabled == False) & (AccountRow.id != row.id)  # noqa: E712 - peewee's
    )
    if row.role == Role.ADMIN.value and not row.disabled and not count(others, db):
        raise InputError("This is the last admin who can log in. Make another admin first.")


def _end_sessions(db: peewee.SqliteDatabase, account_id: int, keep: int | None) -> None:
    query = SessionRow.delete().where(SessionRow.account_id == account_id)
    if keep is not None:
        query = query.where(SessionRow.id != keep)
    query.execute(db)


def _clear_totp(db: peewee.SqliteDatabase, account_id: int) -> None:
    AccountRow.update(totp_sealed=None).where(AccountRow.id == account_id).execute(db)
    RecoveryCodeRow.delete().where(RecoveryCodeRow.account_id == account_id).execute(db)
