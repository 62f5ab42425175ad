"""Backups: made, opened, and put in force; what was opened waits in memory for the person's yes, and nowhere else."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.backup import LARGEST_BACKUP, Origin
from appliance.domain.clock import SystemClock
from appliance.domain.errors import InputError, VaultError
from appliance.domain.secret import Secret
from appliance.security.passwords import check_strength
from appliance.security.sealedfile import lock, unlock
from appliance.security.tokens import hash_token, looks_like_token, new_token, same
from appliance.web.backupcontent import Backup, backup_of, to_content
from appliance.web.parts import WebParts

log = logging.getLogger(__name__)

ENDING = ".nightjar-backup"
LARGEST_UPLOAD = LARGEST_BACKUP + (64 << 10)
"""A file with the form around it."""
ADMITTED_S = 1800.0
OFFER_S = 900.0
MOST_OFFERS = 4
"""Opened backups in memory; the oldest gives way."""
AT_THE_CLAIM = "setup code"
"""Who, in the audit log, restores on an appliance that nobody has claimed."""
GONE = "What was opened is not kept any longer. Choose the file once more."


@dataclass(frozen=True, slots=True)
class Offer:
    """A backup that was opened and waits for a yes."""

    ticket: str
    """Comes back with the yes."""
    holder: str
    """Who has opened it: nobody else may say yes."""
    backup: Backup
    ends_s: float


class BackupKeeper:
    """Makes backups and restores them; safe to use from every thread."""

    def __init__(self, parts: WebParts, monotonic: Callable[[], float] | None = None) -> None:
        self._parts = parts
        self._monotonic = monotonic or SystemClock().monotonic  # never the accelerated one of a simulated sky
        self._offers: tuple[Offer, ...] = ()
        self._admitted: tuple[str, float] = ("", 0.0)
        """Hash of the one browser's token that has shown the setup code, and until when that counts."""

    def make(self, passphrase: Secret[str], by: str, device_name: str, at: datetime) -> bytes:
        """Return the file of a backup of now.

        Raises
        ------
        InputError
            If the pass-phrase is weak, a secret cannot be opened, or there is too much.
        ThrottledError
            If another Argon2 takes too long.
        """
        check_strength(passphrase, by, what="pass-phrase")
        parts = self._parts
        origin = Origin(at, by, parts.device_id, device_name[:64], parts.version)
        backup = Backup(origin, parts.settings.published.value, parts.belongings.read(self._opened))
        return lock(to_content(backup), passphrase)

    def open(self, holder: str, untrusted: bytes, passphrase: Secret[str]) -> Offer:
        """Open a file, check all of it, and keep what is in it for its holder's yes; nothing is changed.

        Raises
        ------
        InputError
            If it cannot be opened or used; says why.
        ThrottledError
            If another Argon2 takes too long.
        """
        if not untrusted:
            raise InputError("Choose the file of the backup.")
        backup = backup_of(unlock(untrusted, passphrase))
        offer = Offer(new_token().reveal(), holder, backup, self._monotonic() + OFFER_S)
        self._offers = (*(one for one in self._alive() if one.holder != holder), offer)[-MOST_OFFERS:]
        return offer

    def offer(self, holder: str, untrusted_ticket: str) -> Offer:
        """Return what a holder has opened; InputError if it is not kept any longer."""
        for offer in self._alive():
            if offer.holder == holder and same(offer.ticket, untrusted_ticket):
                return offer
        raise InputError(GONE)

    def restore(self, offer: Offer, by: str, address: str, *, is_first: bool = False) -> None:
        """Put an opened backup in force, as one act; every session and API token ends with it.

        Raises
        ------
        RefusedError
            If `is_first` and somebody has claimed the appliance meanwhile.
        StoreError
            If it cannot be written; nothing is changed then.
        """
        parts, backup = self._parts, offer.backup
        parts.belongings.replace(
            backup.belongings,
            backup.settings,
            parts.vault().seal,
            by=by,
            address=address,
            detail=_detail(backup),
            is_first=is_first,
        )
        self._offers, self._admitted = (), ("", 0.0)
        parts.settings.load()
        parts.peer_gate.open()
        for target in parts.settings.published.value.targets:
            parts.couriers.forget_check(target.id)
            parts.couriers.retry(target.id)
        log.info("backup restored: made %s on %s", backup.origin.made_at, backup.origin.device_id)

    def admit(self, untrusted_code: str, browser: str, address: str) -> None:
        """Let a browser bring a backup that claims the appliance, if it knows the setup code; a former one no longer.

        Parameters
        ----------
        browser : str
            The token of its forms, which its cookie holds.

        Raises
        ------
        InputError, RefusedError, ThrottledError
            As `Gate.prove_presence`.
        """
        self._parts.gate.prove_presence(untrusted_code, address)
        self._admitted = (hash_token(browser), self._monotonic() + ADMITTED_S)

    def is_admitted(self, untrusted_browser: str) -> bool:
        """Say whether a browser has shown the setup code, and there is still something to claim."""
        expected, ends_s = self._admitted
        is_it = looks_like_token(untrusted_browser) and same(hash_token(untrusted_browser), expected)
        return is_it and self._monotonic() < ends_s and not self._parts.gate.is_claimed

    def _alive(self) -> tuple[Offer, ...]:
        now_s = self._monotonic()
        return tuple(offer for offer in self._offers if now_s < offer.ends_s)

    def _opened(self, what: str, sealed: bytes) -> Secret[str]:
        try:
            return self._parts.vault().open(sealed)
        except VaultError as error:
            raise InputError(
                f"No backup was made: {what} cannot be opened with this device's key. Enter it again, or clear it."
            ) from error


def file_name(device_name: str, device_id: str, at: datetime) -> str:
    """Return the name of a backup's file: plain enough for FAT."""
    host = re.sub(r"[^a-z0-9]+", "-", device_name.partition(".")[0].lower()).strip("-").removeprefix("nightjar")[:40].strip("-")
    return f"nightjar-{host or device_id.lower()}-{at:%Y-%m-%d-%H%M%S}{ENDING}"


def _detail(backup: Backup) -> str:
    origin, belongings = backup.origin, backup.belongings
    names = ", ".join(account.name for account in belongings.accounts)
    return (
        f"made {origin.made_at:%Y-%m-%d %H:%M:%S} UTC by {origin.made_by} on {origin.device_name} ({origin.device_id}), version "
        f"{origin.version}; accounts: {names}; targets: {len(backup.settings.targets)}; other cameras: {len(belongings.peers)}"
    )
