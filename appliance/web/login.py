"""The gate: claims, logs in, logs out, and tells who a cookie or token belongs to; knows nothing of HTTP.

Every refusal looks the same from outside and takes as long; every try is counted before it is judged; each act is audited.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.access import Account, Role, Scope, Session
from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError
from appliance.domain.secret import Secret
from appliance.security.passwords import check_strength, hash_password, prepare, verify
from appliance.security.tokens import (
    hash_token,
    looks_like_token,
    new_setup_code,
    new_token,
    normalise_code,
    same,
)
from appliance.security.totp import matching_step, recovery_hash
from appliance.security.vault import Vault
from appliance.store.accounts import AccountStore, checked_name
from appliance.store.audit import AuditStore
from appliance.store.recovery import RecoveryStore
from appliance.store.sessions import SessionStore
from appliance.store.throttle import ThrottleStore
from appliance.store.tokens import ApiToken, TokenStore

_CLAIM = "/setup code/"
"""Counts tries at the claim from everywhere together; cannot be the name of an account."""
_REFUSED = "the name, the password or the code is wrong"


@dataclass(frozen=True, slots=True)
class GateStores:
    """What the gate reads and writes."""

    accounts: AccountStore
    sessions: SessionStore
    tokens: TokenStore
    throttle: ThrottleStore
    recovery: RecoveryStore
    audit: AuditStore


def start_recovery(recovery: RecoveryStore, audit: AuditStore, reason: str) -> str:
    """Open a recovery after a proof of presence and return its setup code, for that person's eyes only.

    Nothing changes until the code is used: then a new password is set for one admin, and all else stays.
    """
    code = new_setup_code().reveal()
    recovery.start(hash_token(code))
    audit.add("device", "", "recovery started", reason)
    return code


class Gate:
    """Who may come in; safe to use from every thread.

    Parameters
    ----------
    vault : callable
        Returns the vault of now, which opens the secrets of second factors.
    clock_is_set : callable
        Says whether the machine's time can be believed; without that no code of a second factor can be checked.
    code : Secret or None
        What claims an appliance that nobody has claimed; None for a fresh one.
    """

    def __init__(
        self,
        stores: GateStores,
        vault: Callable[[], Vault],
        clock: Clock,
        clock_is_set: Callable[[], bool],
        code: Secret[str] | None = None,
    ) -> None:
        self._stores, self._vault, self._clock, self._clock_is_set = stores, vault, clock, clock_is_set
        self._code = (code or new_setup_code()).reveal()
        self._was_claimed = False
        prepare()

    @property
    def is_claimed(self) -> bool:
        """Whether somebody has an account; once true it stays true while the program runs."""
        self._was_claimed = self._was_claimed or self._stores.accounts.is_claimed
        return self._was_claimed

    @property
    def is_recovering(self) -> bool:
        """Whether the claim page takes the code of a recovery."""
        return self._stores.recovery.code_hash() is not None

    def setup_code(self) -> str | None:
        """Return the setup code, or None once claimed."""
        return None if self.is_claimed else self._code

    def claim(self, untrusted_code: str, untrusted_name: str, password: Secret[str], address: str) -> Account:
        """Make the first admin, or, in a recovery, make or repair one.

        Raises
        ------
        InputError
            If code or name have no usable form, or the password is weak.
        RefusedError
            If the code is wrong, or there is nothing to claim.
        ThrottledError
            After too many tries from this address, or from all together.
        """
        stores = self._stores
        code = normalise_code(untrusted_code)
        was_claimed = self.is_claimed
        expected = stores.recovery.code_hash() if was_claimed else hash_token(self._code)
        if expected is None:
            raise RefusedError("claimed already")
        self._check_code(code, expected, address)
        name = checked_name(untrusted_name)
        check_strength(password, name)
        password_hash = hash_password(password)
        if was_claimed:
            account = stores.accounts.recover(name, password_hash)
            stores.audit.add(name, address, "admin recovered")
        else:
            account = stores.accounts.claim(name, password_hash)
            stores.audit.add(name, address, "claimed")
        stores.throttle.succeeded(name, address)
        return account

    def prove_presence(self, untrusted_code: str, address: str) -> None:
        """Make sure that whoever wants to claim with a backup knows the setup code; raises as `claim` does."""
        if self.is_claimed:
            raise RefusedError("claimed already")
        self._check_code(normalise_code(untrusted_code), hash_token(self._code), address)

    def login(
        self, untrusted_name: str, password: Secret[str], untrusted_second: str, address: str, agent: str
    ) -> tuple[Session, Secret[str]]:
        """Open a session and return it with its token, which stands in the cookie and nowhere else.

        Parameters
        ----------
        untrusted_second : str
            Six digits of the second factor, or a recovery code; empty where none is set up.

        Raises
        ------
        RefusedError
            Whatever was wrong.
        ThrottledError
            While a pause is on for the name or the address.
        """
        stores = self._stores
        stores.throttle.attempt(untrusted_name, address)
        found = self._find(untrusted_name)
        account, password_hash = found if found is not None else (None, None)
        verdict = verify(password_hash, password)
        is_good = verdict.ok and account is not None and not account.disabled
        if account is None or not is_good or not self._passes_second(account, untrusted_second, address):
            # A name that is unknown is not written down: it may be a password that slipped into the wrong field.
            stores.audit.add(account.name if account else "", address, "login refused", "" if account else "unknown name")
            raise RefusedError(_REFUSED)
        stores.throttle.succeeded(untrusted_name, address)
        if verdict.needs_rehash:
            stores.accounts.set_password(account.id, hash_password(password))
        session, token = self._open_session(account, address, agent)
        stores.audit.add(account.name, address, "logged in")
        return session, token

    def logout(self, session: Session, address: str) -> None:
        """End a session."""
        if self._stores.sessions.revoke(session.id):
            self._stores.audit.add(session.account.name, address, "logged out")

    def session_of(self, untrusted_cookie: str) -> Session | None:
        """Return the session that a cookie opens, and note its use; None where there is none."""
        if not looks_like_token(untrusted_cookie):
            return None
        session = self._stores.sessions.find(hash_token(untrusted_cookie))
        if session is not None:
            self._stores.sessions.touch(session.id)
        return session

    def token_of(self, untrusted_bearer: str) -> ApiToken | None:
        """Return the API token that a header carries; None where there is none, or its maker may not do so much any more."""
        if not looks_like_token(untrusted_bearer):
            return None
        token = self._stores.tokens.find(hash_token(untrusted_bearer))
        if token is not None and token.account.role is not Role.ADMIN and token.scope is not Scope.READ:
            return None
        return token

    def confirm(self, session: Session, password: Secret[str], address: str) -> None:
        """Make sure that it is still the person who logged in, before something that an open browser must not do.

        Raises
        ------
        RefusedError
            If the password is wrong.
        ThrottledError
            While a pause is on.
        """
        name = session.account.name
        self._stores.throttle.attempt(name, address)
        found = self._stores.accounts.by_name(name)
        if not verify(found[1] if found else None, password).ok:
            self._stores.audit.add(name, address, "password refused")
            raise RefusedError("the password is wrong")
        self._stores.throttle.succeeded(name, address)

    def _check_code(self, code: str, expected: str, address: str) -> None:
        """Compare a setup code with the hash of the true one; every try is counted first."""
        stores = self._stores
        stores.throttle.attempt(_CLAIM, address)
        if not same(hash_token(code), expected):
            stores.audit.add("", address, "claim refused")
            raise RefusedError("the setup code is wrong")
        stores.throttle.succeeded(_CLAIM, address)

    def _find(self, untrusted_name: str) -> tuple[Account, str] | None:
        try:
            return self._stores.accounts.by_name(checked_name(untrusted_name))
        except InputError:  # no account has such a name; the form of a name is public, but the time it takes is not
            return None

    def _open_session(self, account: Account, address: str, agent: str) -> tuple[Session, Secret[str]]:
        token, csrf_token = new_token(), new_token()
        try:
            session = self._stores.sessions.create(account.id, hash_token(token.reveal()), csrf_token.reveal(), address, agent)
        except InputError as error:  # disabled or deleted in this very moment
            raise RefusedError(_REFUSED) from error
        return session, token

    def _passes_second(self, account: Account, untrusted_second: str, address: str) -> bool:
        """Check the second factor of an account whose password was right; recovery codes work without a clock."""
        accounts = self._stores.accounts
        sealed = accounts.totp_sealed(account.id)
        if sealed is None:
            return True
        if not self._clock_is_set():
            self._stores.audit.add(account.name, address, "second factor not asked for", "the clock is not set")
            return True
        step = matching_step(self._vault().open(sealed), untrusted_second, self._clock.now())
        if step is not None:
            return accounts.use_totp_step(account.id, step)
        code_hash = recovery_hash(untrusted_second)
        if code_hash is None or not accounts.use_recovery_code(account.id, code_hash):
            return False
        self._stores.audit.add(account.name, address, "recovery code used", f"{accounts.recovery_codes_left(account.id)} left")
        return True
