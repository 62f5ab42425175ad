"""What a backup holds beside the settings, read out of the tables and put back into them: all of it in one transaction each.

Secrets pass through callables of whoever holds the vault; this module sees none of its keys.
"""

from collections.abc import Callable
from datetime import datetime

import peewee

from appliance.domain.access import Role
from appliance.domain.backup import CREDENTIALS, Belongings, SavedAccount, SavedKey, SavedPeer, SavedStick
from appliance.domain.clock import Clock
from appliance.domain.errors import RefusedError
from appliance.domain.peer import PeerLimits
from appliance.domain.secret import Secret
from appliance.settings.schema import Settings
from appliance.store.audit import write_entry
from appliance.store.database import Database
from appliance.store.models import AccountRow, CredentialRow, RecoveryCodeRow, StickRow, TokenRow, count
from appliance.store.peermodels import PeerKeyRow, PeerNonceRow, PeerRow, ReceivedRow, V1PeerRow
from appliance.store.revisions import write_revision
from appliance.store.v1peers import v1_peer_of

Opened = Callable[[str, bytes], Secret[str]]
"""Opens what is sealed; told what it is, for people."""
Sealed = Callable[[Secret[str]], bytes]


class BelongingsStore:
    """Reads and replaces them; `database` may be that of another device of the same release."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def read(self, opened: Opened) -> Belongings:
        """Return everything as it is at this moment."""
        with self._database.read() as db:
            return Belongings(
                accounts=tuple(_account(db, row, opened) for row in AccountRow.select().order_by(AccountRow.name).execute(db)),
                peers=tuple(_peer(db, row) for row in PeerRow.select().order_by(PeerRow.name).execute(db)),
                sticks=tuple(
                    SavedStick(row.fs_id, row.name, row.confirmed_by, row.confirmed_at)
                    for row in StickRow.select().order_by(StickRow.fs_id).execute(db)
                ),
                credentials={
                    row.name: opened(f"the credential {row.name}", bytes(row.sealed))
                    for row in CredentialRow.select().order_by(CredentialRow.name).execute(db)
                    if row.name.startswith(CREDENTIALS)
                },
            )

    def tokens(self) -> int:
        """Return how many API tokens there are; they end when accounts are replaced."""
        with self._database.read() as db:
            return count(TokenRow.select(), db)

    def replace(
        self, belongings: Belongings, settings: Settings, sealed: Sealed, *, by: str, address: str, detail: str, is_first: bool
    ) -> None:
        """Put everything in place of what is there, after the database was saved beside; a power cut leaves old or new.

        Every session and API token ends. Other cameras that are not among these are shut out, and what came from them stays.

        Parameters
        ----------
        is_first : bool
            Whether this claims the appliance: then nobody may have an account yet.

        Raises
        ------
        RefusedError
            If somebody has claimed the appliance meanwhile.
        StoreError
            If it cannot be written; nothing is changed then.
        """
        self._database.backup()
        now = self._clock.now()
        with self._database.write() as db:
            if is_first and count(AccountRow.select(), db):
                raise RefusedError("claimed already")
            _replace_accounts(db, belongings.accounts, sealed)
            _replace_peers(db, belongings.peers, int(now.timestamp()))
            _replace_sticks(db, belongings.sticks)
            _replace_credentials(db, belongings, sealed, now)
            write_revision(db, now, settings, by)
            write_entry(db, now, by, address, "backup restored", detail)


def _account(db: peewee.SqliteDatabase, row: AccountRow, opened: Opened) -> SavedAccount:
    codes = RecoveryCodeRow.select().where(RecoveryCodeRow.account_id == row.id).order_by(RecoveryCodeRow.code_hash)
    return SavedAccount(
        name=row.name,
        role=Role(row.role),
        is_disabled=bool(row.disabled),
        created_at=row.created_at,
        password_hash=Secret(row.password_hash),
        totp=None if row.totp_sealed is None else opened(f"the second factor of {row.name}", bytes(row.totp_sealed)),
        totp_last_step=row.totp_last_step,
        recovery_hashes=tuple(code.code_hash for code in codes.execute(db)),
    )


def _peer(db: peewee.SqliteDatabase, row: PeerRow) -> SavedPeer:
    keys = PeerKeyRow.select().where(PeerKeyRow.peer == row.id).order_by(PeerKeyRow.made_at)
    v1 = V1PeerRow.select().where(V1PeerRow.peer == row.id).get_or_none(db)
    return SavedPeer(
        id=row.id,
        name=row.name,
        made_at=row.made_at,
        limits=PeerLimits(row.keep_days, row.most_mib),
        is_open=bool(row.is_open),
        told=row.told,
        keys=tuple(SavedKey(key.id, key.made_at, _used_until(db, key)) for key in keys.execute(db)),
        v1=None if v1 is None else v1_peer_of(v1),
    )


def _used_until(db: peewee.SqliteDatabase, key: PeerKeyRow) -> int:
    """Return the unix time up to which requests of a key were taken: their nonces do not travel."""
    newest = PeerNonceRow.select(peewee.fn.MAX(PeerNonceRow.time_s)).where(PeerNonceRow.key == key.id).scalar(db)
    return max(int(newest or 0), key.forgotten_until_s)


def _replace_accounts(db: peewee.SqliteDatabase, accounts: tuple[SavedAccount, ...], sealed: Sealed) -> None:
    """Sessions, API tokens and recovery codes go with their accounts; a code that was used here stays used."""
    used = {row.name: row.totp_last_step for row in AccountRow.select().execute(db)}
    AccountRow.delete().execute(db)
    for account in accounts:
        account_id = AccountRow.insert(
            name=account.name,
            role=account.role.value,
            disabled=account.is_disabled,
            created_at=account.created_at,
            password_hash=account.password_hash.reveal(),
            totp_sealed=None if account.totp is None else sealed(account.totp),
            totp_last_step=max(account.totp_last_step, used.get(account.name, 0)),
        ).execute(db)
        for code_hash in account.recovery_hashes:
            RecoveryCodeRow.insert(account_id=account_id, code_hash=code_hash).execute(db)


def _replace_peers(db: peewee.SqliteDatabase, peers: tuple[SavedPeer, ...], now_s: int) -> None:
    """No request that was signed before now is taken: whether its nonce was used, nobody knows here."""
    for model in (PeerNonceRow, PeerKeyRow, V1PeerRow):
        model.delete().execute(db)
    _shut_out_others(db, peers)
    for peer in peers:
        values = {
            "name": peer.name,
            "made_at": peer.made_at,
            "keep_days": peer.limits.keep_days,
            "most_mib": peer.limits.most_mib,
            "is_open": peer.is_open,
            "told": peer.told,
        }
        if not PeerRow.update(**values).where(PeerRow.id == peer.id).execute(db):
            PeerRow.insert(id=peer.id, last_at=None, last_address="", **values).execute(db)
        for key in peer.keys:
            until_s = max(key.forgotten_until_s, now_s)
            PeerKeyRow.insert(id=key.id, peer=peer.id, made_at=key.made_at, forgotten_until_s=until_s).execute(db)
        if peer.v1 is not None:
            values = {"user": peer.v1.user, "network": str(peer.v1.network), "camera": peer.v1.camera}
            V1PeerRow.insert(peer=peer.id, **values).execute(db)


def _shut_out_others(db: peewee.SqliteDatabase, peers: tuple[SavedPeer, ...]) -> None:
    """Make room for the names of those that come; of the others those stay of which pictures are kept."""
    coming, names = {peer.id for peer in peers}, {peer.name for peer in peers}
    here = [(row.id, row.name) for row in PeerRow.select().execute(db)]
    PeerRow.update(name=PeerRow.id, is_open=False).execute(db)
    for peer_id, name in here:
        if peer_id in coming:
            continue
        if ReceivedRow.select().where(ReceivedRow.peer == peer_id).exists(db):
            PeerRow.update(name=f"{name[:50]} {peer_id}" if name in names else name).where(PeerRow.id == peer_id).execute(db)
        else:
            PeerRow.delete().where(PeerRow.id == peer_id).execute(db)


def _replace_sticks(db: peewee.SqliteDatabase, sticks: tuple[SavedStick, ...]) -> None:
    StickRow.delete().execute(db)
    for stick in sticks:
        StickRow.insert(fs_id=stick.fs_id, name=stick.name, confirmed_by=stick.by, confirmed_at=stick.at).execute(db)


def _replace_credentials(db: peewee.SqliteDatabase, belongings: Belongings, sealed: Sealed, now: datetime) -> None:
    for beginning in CREDENTIALS:
        CredentialRow.delete().where(CredentialRow.name.startswith(beginning)).execute(db)
    for name, secret in belongings.credentials.items():
        CredentialRow.insert(name=name, sealed=sealed(secret), saved_at=now).execute(db)
