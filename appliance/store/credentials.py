"""Credentials: sealed bytes by name; this module cannot open them."""

import re
from collections.abc import Mapping

from appliance.domain.clock import Clock, SystemClock
from appliance.domain.errors import InputError
from appliance.store.database import Database
from appliance.store.models import CredentialRow, replace

LARGEST_BYTES = 64 << 10
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}\Z")


class CredentialStore:
    """What the vault has sealed: passwords of targets, keys of peers."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database, self._clock = database, clock or SystemClock()

    def set(self, name: str, sealed: bytes) -> None:
        """Keep sealed bytes under a name, in place of what was there.

        Raises
        ------
        InputError
            If the name cannot be one or the bytes are too many.
        """
        with self._database.write() as db:
            replace(CredentialRow, db, name=_checked(name), sealed=_bounded(sealed), saved_at=self._clock.now())

    def get(self, name: str) -> bytes | None:
        """Return the sealed bytes of a name, or None."""
        with self._database.read() as db:
            row = CredentialRow.select().where(CredentialRow.name == name).get_or_none(db)
        return None if row is None else bytes(row.sealed)

    def clear(self, name: str) -> bool:
        """Forget a credential; return whether there was one."""
        with self._database.write() as db:
            return bool(CredentialRow.delete().where(CredentialRow.name == name).execute(db))

    def names(self) -> tuple[str, ...]:
        """Return the names of all credentials."""
        with self._database.read() as db:
            return tuple(row.name for row in CredentialRow.select(CredentialRow.name).order_by(CredentialRow.name).execute(db))

    def all(self) -> dict[str, bytes]:
        """Return every credential, for rotation and backup."""
        with self._database.read() as db:
            return {row.name: bytes(row.sealed) for row in CredentialRow.select().execute(db)}

    def replace_all(self, sealed: Mapping[str, bytes]) -> None:
        """Put these in place of all that is there, in one transaction: a rotation leaves no mixture of keys.

        Raises
        ------
        InputError
            If a name that is there is missing here: it was saved while the rotation ran; begin it again.
        """
        with self._database.write() as db:
            missing = {row.name for row in CredentialRow.select(CredentialRow.name).execute(db)} - sealed.keys()
            if missing:
                raise InputError("A credential was saved meanwhile. Start the rotation again.")
            CredentialRow.delete().execute(db)
            for name, value in sealed.items():
                CredentialRow.insert(name=_checked(name), sealed=_bounded(value), saved_at=self._clock.now()).execute(db)


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise InputError(f"not the name of a credential: {name!r}")
    return name


def _bounded(sealed: bytes) -> bytes:
    if len(sealed) > LARGEST_BYTES:
        raise InputError(f"A credential has at most {LARGEST_BYTES // 1024} KiB.")
    return sealed
