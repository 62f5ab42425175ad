"""What stands in a backup, as canonical JSON and back; read as strictly as what a stranger sends.

A backup is authentic to its pass-phrase only: somebody may hand an admin one of their own making, with its pass-phrase.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from appliance.domain.access import Role
from appliance.domain.backup import CREDENTIALS, Belongings, Origin, SavedAccount, SavedKey, SavedPeer, SavedStick
from appliance.domain.errors import InputError, SettingsError
from appliance.domain.peer import PeerLimits, check_name
from appliance.domain.secret import Secret
from appliance.domain.stick import is_fs_id
from appliance.domain.syncv1 import V1Peer, check_user, parse_network
from appliance.security.passwords import check_foreign_hash
from appliance.settings.parse import from_json, to_json
from appliance.settings.schema import VERSION, Settings
from appliance.store.accounts import MOST_ACCOUNTS, checked_name
from appliance.store.credentials import LARGEST_BYTES
from appliance.store.peers import MOST_PEERS
from appliance.store.sticks import MOST_STICKS

_ID = re.compile(r"[a-z0-9]{1,40}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_TOTP = re.compile(r"[A-Z2-7]{16,64}\Z")
_CREDENTIAL = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}\Z")
_MOST_CODES = 20
_MOST_KEYS = 10
_MOST_CREDENTIALS = 500
_LARGEST_SECRET = LARGEST_BYTES // 2
"""Sealed it is a third larger, and more."""
_LATEST_S = 1 << 40
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, opened."""

    origin: Origin
    settings: Settings
    """As this release knows them."""
    belongings: Belongings


def to_content(backup: Backup) -> Secret[bytes]:
    """Return the content of a file."""
    belongings = backup.belongings
    tree = {
        "origin": _plain(backup.origin, ("made_at", "made_by", "device_id", "device_name", "version")),
        "settings_version": VERSION,
        "settings": to_json(backup.settings),
        "accounts": [_account_tree(account) for account in belongings.accounts],
        "peers": [_peer_tree(peer) for peer in belongings.peers],
        "sticks": [_plain(stick, ("fs_id", "name", "by", "at")) for stick in belongings.sticks],
        "credentials": {name: secret.reveal() for name, secret in belongings.credentials.items()},
    }
    return Secret(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode("ascii"))


def backup_of(content: Secret[bytes]) -> Backup:
    """Return what is in a content, brought up to this release.

    Raises
    ------
    InputError
        If a newer release made it, or something in it cannot be used; says what.
    """
    try:
        tree = json.loads(content.reveal())
    except (ValueError, RecursionError) as error:
        raise InputError("What is in this backup cannot be read.") from error
    read = _Reader("the backup", tree)
    backup = Backup(
        _origin(_Reader("its origin", read.take("origin", dict))),
        _settings(read.take("settings", str), read.whole("settings_version", 1, 10_000)),
        Belongings(
            accounts=_each(read, "accounts", MOST_ACCOUNTS, _account, lambda account: account.name),
            peers=_each(read, "peers", 2 * MOST_PEERS, _peer, lambda peer: peer.id),
            sticks=_each(read, "sticks", MOST_STICKS, _stick, lambda stick: stick.fs_id),
            credentials=_credentials(read.take("credentials", dict)),
        ),
    )
    read.end()
    _check_whole(backup.belongings)
    return backup


def _check_whole(belongings: Belongings) -> None:
    if not any(account.role is Role.ADMIN and not account.is_disabled for account in belongings.accounts):
        raise InputError("There is no admin in this backup who can log in: after it nobody could change anything here.")
    peers = belongings.peers
    users = [peer.v1.user for peer in peers if peer.v1 is not None]
    for what in ([peer.name for peer in peers], users, [key.id for peer in peers for key in peer.keys]):
        if len(set(what)) < len(what):
            raise InputError("Two of the other cameras in this backup go by the same name, user or key.")


class _Reader:
    """Takes the fields of an object one by one, each of its type and within its bounds."""

    def __init__(self, what: str, untrusted: object) -> None:
        if not isinstance(untrusted, dict):
            raise _unusable(what)
        self._what, self._left = what, dict(untrusted)

    def take(self, name: str, kind: type[_T]) -> _T:
        value = self._left.pop(name, None)
        if type(value) is not kind:
            raise _unusable(f"{self._what}: {name}")
        return value

    def text(self, name: str, longest: int, pattern: re.Pattern[str] | None = None) -> str:
        value = self.take(name, str)
        if len(value) > longest or not value.isprintable() or (pattern is not None and not pattern.match(value)):
            raise _unusable(f"{self._what}: {name}")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.take(name, int)
        if not low <= value <= high:
            raise _unusable(f"{self._what}: {name}")
        return value

    def moment(self, name: str) -> datetime:
        try:
            value = datetime.fromisoformat(self.text(name, 40)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise _unusable(f"{self._what}: {name}") from error
        return value

    def is_none(self, name: str) -> bool:
        """Return whether a field that may be null is it, which takes it."""
        return name in self._left and self._left[name] is None and self._left.pop(name) is None

    def end(self) -> None:
        if self._left:
            raise _unusable(f"{self._what}: {min(self._left)[:40]}")


def _unusable(what: str) -> InputError:
    return InputError(f"Something in this backup cannot be used: {what}. Nothing was changed.")


def _each(read: _Reader, name: str, most: int, parse: Callable[[object], _T], key: Callable[[_T], str]) -> tuple[_T, ...]:
    """Return the values of a list, each of its own key."""
    items = read.take(name, list)
    if len(items) > most:
        raise _unusable(f"more than {most} {name}")
    found = tuple(parse(item) for item in items)
    if len({key(item) for item in found}) < len(found):
        raise _unusable(f"two {name} with the same name")
    return found


def _settings(text: str, version: int) -> Settings:
    if not _is_text(text):
        raise _unusable("the settings")
    if version > VERSION:
        raise InputError("The settings in this backup were saved by a newer Nightjar. Update this appliance first.")
    try:
        return from_json(text, version)
    except SettingsError as error:
        raise InputError(f"The settings in this backup cannot be used: {error}. Nothing was changed.") from error


def _is_text(untrusted: str) -> bool:
    """Return whether a text can be written down: JSON may hold halves of letters."""
    return untrusted.encode("utf-8", "replace").decode() == untrusted


def _origin(read: _Reader) -> Origin:
    origin = Origin(
        read.moment("made_at"), read.text("made_by", 64), read.text("device_id", 32), read.text("device_name", 64),
        read.text("version", 40),
    )  # fmt: skip
    read.end()
    return origin


def _account(untrusted: object) -> SavedAccount:
    read = _Reader("an account", untrusted)
    name = read.text("name", 32)
    if checked_name(name) != name:
        raise _unusable("the name of an account")
    codes = read.take("recovery_hashes", list)
    if len(codes) > _MOST_CODES or not all(isinstance(code, str) and _HASH.match(code) for code in codes):
        raise _unusable(f"the recovery codes of {name}")
    password_hash = read.text("password_hash", 200)
    check_foreign_hash(password_hash)
    account = SavedAccount(
        name=name,
        role=_role(read.text("role", 10)),
        is_disabled=read.take("is_disabled", bool),
        created_at=read.moment("created_at"),
        password_hash=Secret(password_hash),
        totp=None if read.is_none("totp") else Secret(read.text("totp", 64, _TOTP)),
        totp_last_step=read.whole("totp_last_step", 0, _LATEST_S),
        recovery_hashes=tuple(sorted(set(codes))),
    )
    read.end()
    return account


def _role(untrusted: str) -> Role:
    try:
        return Role(untrusted)
    except ValueError as error:
        raise _unusable("the level of an account") from error


def _peer(untrusted: object) -> SavedPeer:
    read = _Reader("another camera", untrusted)
    name, peer_id = read.text("name", 100), read.text("id", 40, _ID)
    if check_name(name) != name:
        raise _unusable("the name of another camera")
    peer = SavedPeer(
        id=peer_id,
        name=name,
        made_at=read.moment("made_at"),
        limits=PeerLimits(read.whole("keep_days", 0, 3650), read.whole("most_mib", 100, 10_000_000)),
        is_open=read.take("is_open", bool),
        told=read.text("told", 120),
        keys=_each(read, "keys", _MOST_KEYS, _key, lambda key: key.id),
        v1=None if read.is_none("v1") else _v1(peer_id, read.take("v1", dict)),
    )
    read.end()
    return peer


def _key(untrusted: object) -> SavedKey:
    read = _Reader("a key of another camera", untrusted)
    key = SavedKey(read.text("id", 40, _ID), read.moment("made_at"), read.whole("forgotten_until_s", 0, _LATEST_S))
    read.end()
    return key


def _v1(peer_id: str, untrusted: object) -> V1Peer:
    read = _Reader("an indi-allsky", untrusted)
    peer = V1Peer(peer_id, check_user(read.text("user", 60)), parse_network(read.text("network", 60)), read.text("camera", 100))
    read.end()
    return peer


def _stick(untrusted: object) -> SavedStick:
    read = _Reader("a USB stick", untrusted)
    stick = SavedStick(read.text("fs_id", 64), read.text("name", 60), read.text("by", 64), read.moment("at"))
    if not is_fs_id(stick.fs_id):
        raise _unusable("the id of a USB stick")
    read.end()
    return stick


def _credentials(untrusted: dict[str, Any]) -> dict[str, Secret[str]]:
    if len(untrusted) > _MOST_CREDENTIALS:
        raise _unusable("too many credentials")
    for name, value in untrusted.items():
        is_named = _CREDENTIAL.match(name) and name.startswith(CREDENTIALS)
        if not is_named or not isinstance(value, str) or not _is_text(value) or len(value.encode()) > _LARGEST_SECRET:
            raise _unusable("a credential")
    return {name: Secret(value) for name, value in untrusted.items()}


def _account_tree(account: SavedAccount) -> dict[str, object]:
    return _plain(account, ("name", "role", "is_disabled", "created_at", "totp_last_step")) | {
        "password_hash": account.password_hash.reveal(),
        "totp": None if account.totp is None else account.totp.reveal(),
        "recovery_hashes": list(account.recovery_hashes),
    }


def _peer_tree(peer: SavedPeer) -> dict[str, object]:
    v1 = peer.v1
    return _plain(peer, ("id", "name", "made_at", "is_open", "told")) | {
        "keep_days": peer.limits.keep_days,
        "most_mib": peer.limits.most_mib,
        "keys": [_plain(key, ("id", "made_at", "forgotten_until_s")) for key in peer.keys],
        "v1": None if v1 is None else {"user": v1.user, "network": str(v1.network), "camera": v1.camera},
    }


def _plain(value: object, names: Iterable[str]) -> dict[str, object]:
    """Return fields as JSON takes them."""
    found = {name: getattr(value, name) for name in names}
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in found.items()}
