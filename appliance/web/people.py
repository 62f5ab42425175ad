"""What admins do with accounts, sessions and tokens, and everybody with their own password and second factor.

Each method checks the level of who asks, although the route has done so before, and writes to the audit log.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.access import Account, Role, Scope, Session
from appliance.domain.clock import Clock
from appliance.domain.errors import InputError, RefusedError, VaultError
from appliance.domain.secret import Secret
from appliance.security.passwords import check_strength, hash_password
from appliance.security.tokens import hash_token, new_token
from appliance.security.totp import matching_step, new_recovery_codes, new_secret, provisioning_uri, qr_svg, recovery_hash
from appliance.security.vault import Vault
from appliance.store.accounts import checked_name
from appliance.store.tokens import ApiToken
from appliance.web.login import Gate, GateStores


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor that was offered and waits for its first code."""

    secret: Secret[str]
    """To be typed into the telephone where it cannot read the picture."""
    qr_svg: Secret[str]
    ticket: str
    """Sealed: comes back with the first code, so that nothing is kept meanwhile."""


class People:
    """Accounts and what belongs to them; `by` is the session that asks, `address` where the request comes from."""

    def __init__(
        self, gate: Gate, stores: GateStores, vault: Callable[[], Vault], clock: Clock, clock_is_set: Callable[[], bool]
    ) -> None:
        self._gate, self._stores, self._vault, self._clock, self._clock_is_set = gate, stores, vault, clock, clock_is_set

    def create(self, by: Session, untrusted_name: str, password: Secret[str], role: Role, address: str) -> Account:
        """Make an account; InputError if the name is taken or not usable, or the password is weak."""
        _need_admin(by)
        name = checked_name(untrusted_name)
        check_strength(password, name)
        account = self._stores.accounts.create(name, hash_password(password), role)
        self._note(by, address, "account created", f"{name} as {role.value}")
        return account

    def change_password(self, by: Session, old: Secret[str], new: Secret[str], address: str) -> None:
        """Change one's own password; every other session of the account ends.

        Raises
        ------
        RefusedError
            If the old one is wrong.
        InputError
            If the new one is weak.
        ThrottledError
            While a pause is on.
        """
        self._gate.confirm(by, old, address)
        check_strength(new, by.account.name)
        self._stores.accounts.change_password(by.account.id, hash_password(new), keep_session=by.id)
        self._note(by, address, "password changed", "other sessions ended")

    def reset_password(self, by: Session, account_id: int, password: Secret[str], address: str) -> None:
        """Set another's password; all sessions of that account end. One's own is changed, which asks for the old one."""
        _need_admin(by)
        if account_id == by.account.id:
            raise InputError("Change your own password on your own page; it asks for the old one.")
        account = self._account(account_id)
        check_strength(password, account.name)
        self._stores.accounts.change_password(account_id, hash_password(password))
        self._note(by, address, "password reset", account.name)

    def set_role(self, by: Session, account_id: int, role: Role, address: str) -> None:
        """Change a level; the sessions of that account end. InputError for the last admin."""
        _need_admin(by)
        account = self._account(account_id)
        self._stores.accounts.set_role(account_id, role)
        self._note(by, address, "role changed", f"{account.name}: {account.role.value} to {role.value}")

    def set_disabled(self, by: Session, account_id: int, disabled: bool, address: str) -> None:
        """Shut an account out or let it in; its sessions end at once. InputError for the last admin."""
        _need_admin(by)
        account = self._account(account_id)
        self._stores.accounts.set_disabled(account_id, disabled)
        self._note(by, address, "account disabled" if disabled else "account enabled", account.name)

    def delete(self, by: Session, account_id: int, address: str) -> None:
        """Remove an account with its sessions and tokens. InputError for the last admin."""
        _need_admin(by)
        account = self._account(account_id)
        self._stores.accounts.delete(account_id)
        self._note(by, address, "account deleted", account.name)

    def revoke_session(self, by: Session, session_id: int, address: str) -> None:
        """End a session: one's own, or, for an admin, anybody's. One that is gone already, or another's, is InputError."""
        visible = self._stores.sessions.list(None if by.account.role is Role.ADMIN else by.account.id)
        found = [session for session in visible if session.id == session_id]
        if not found or not self._stores.sessions.revoke(session_id):
            raise InputError("This session has ended already. Look at the list again.")
        self._note(by, address, "session revoked", f"of {found[0].account.name} from {found[0].address}")

    def create_token(self, by: Session, name: str, scope: Scope, expires_days: int, address: str) -> tuple[ApiToken, Secret[str]]:
        """Make an API token and return it with its text, which is shown once; InputError for name or days."""
        _need_admin(by)
        text = new_token()
        token = self._stores.tokens.create(name, scope, hash_token(text.reveal()), expires_days, by.account.id)
        self._note(by, address, "token created", f"{token.name}, {scope.value}, {expires_days} days")
        return token, text

    def revoke_token(self, by: Session, token_id: int, address: str) -> None:
        """End an API token; InputError if it is gone already."""
        _need_admin(by)
        found = [token for token in self._stores.tokens.list() if token.id == token_id]
        if not found or not self._stores.tokens.revoke(token_id):
            raise InputError("This token has ended already. Look at the list again.")
        self._note(by, address, "token revoked", found[0].name)

    def offer_totp(self, by: Session, device_name: str) -> Enrolment:
        """Offer a second factor for one's own account; nothing changes until `enrol_totp`.

        Raises
        ------
        InputError
            If the clock is not set, or there is one already.
        """
        self._need_clock()
        if by.account.has_totp:
            raise InputError("A second factor is on already. Turn it off first.")
        secret = new_secret()
        ticket = self._vault().seal(Secret(json.dumps({"account": by.account.id, "secret": secret.reveal()})))
        return Enrolment(secret, qr_svg(provisioning_uri(secret, by.account.name, device_name)), ticket.decode("ascii"))

    def enrol_totp(self, by: Session, untrusted_ticket: str, untrusted_code: str, address: str) -> list[Secret[str]]:
        """Turn the second factor on after a first good code, and return the recovery codes, which are shown once.

        Raises
        ------
        InputError
            If the clock is not set, the offer is not this account's, or the code does not fit.
        """
        self._need_clock()
        secret = self._offered(by, untrusted_ticket)
        step = matching_step(secret, untrusted_code, self._clock.now())
        if step is None:
            raise InputError("The code does not fit. Wait for the next one, and check the time of telephone and camera.")
        codes = new_recovery_codes()
        hashes = [code_hash for code in codes if (code_hash := recovery_hash(code.reveal())) is not None]
        self._stores.accounts.set_totp(by.account.id, self._vault().seal(secret), hashes)
        self._stores.accounts.use_totp_step(by.account.id, step)
        self._note(by, address, "second factor turned on")
        return codes

    def clear_own_totp(self, by: Session, password: Secret[str], address: str) -> None:
        """Turn one's own second factor off; asks for the password."""
        self._gate.confirm(by, password, address)
        self._stores.accounts.clear_totp(by.account.id)
        self._note(by, address, "second factor turned off")

    def clear_totp(self, by: Session, account_id: int, address: str) -> None:
        """Turn another's second factor off, for somebody whose telephone and recovery codes are lost."""
        _need_admin(by)
        if account_id == by.account.id:
            raise InputError("Turn your own second factor off on your own page; it asks for the password.")
        account = self._account(account_id)
        self._stores.accounts.clear_totp(account_id)
        self._stores.sessions.revoke_all(account_id)
        self._note(by, address, "second factor turned off", f"of {account.name}")

    def _offered(self, by: Session, untrusted_ticket: str) -> Secret[str]:
        try:
            opened = self._vault().open(untrusted_ticket.encode("ascii", "replace"))
            offer = json.loads(opened.reveal())
            secret, account_id = Secret(str(offer["secret"])), int(offer["account"])
        except (VaultError, ValueError, TypeError, KeyError) as error:
            raise InputError("This offer is not valid any more. Begin again.") from error
        if account_id != by.account.id:
            raise InputError("This offer was made to another account. Begin again.")
        return secret

    def _need_clock(self) -> None:
        if not self._clock_is_set():
            raise InputError("The clock of the camera is not set; the codes of a second factor need it. Set the clock first.")

    def _account(self, account_id: int) -> Account:
        account = self._stores.accounts.get(account_id)
        if account is None:
            raise InputError("This account is gone. Look at the list again.")
        return account

    def _note(self, by: Session, address: str, action: str, detail: str = "") -> None:
        self._stores.audit.add(by.account.name, address, action, detail)


def _need_admin(by: Session) -> None:
    if by.account.role is not Role.ADMIN:
        raise RefusedError("only an admin may do this")
