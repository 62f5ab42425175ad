"""How often somebody may try: growing pauses for each account and address, kept over restarts (decision 0111).

A try is counted before it is judged, in one transaction: twenty guesses at once are not twenty free guesses.
"""

import hashlib
import ipaddress
from dataclasses import dataclass

import peewee

from appliance.domain.clock import Clock
from appliance.domain.errors import ThrottledError
from appliance.store.database import Database
from appliance.store.models import KnownAddressRow, ThrottleRow, count, replace

LONGEST_PAUSE_S = 60.0
FREE_FAILURES = 3
"""So many failures cost no pause: people mistype."""
FRESH_LONGEST_PAUSE_S = 4.0
"""The longest that others can hold up an address that has not failed often itself."""
FORGET_AFTER_S = 24 * 3600.0
KNOWN_FOR_S = 90 * 86400.0
NETWORK_FAILURES = 20
"""After so many failures from one IPv6 network its unknown addresses count as guessing: one host can take any of them."""
MOST_ROWS = 4096


@dataclass(frozen=True, slots=True)
class _Lane:
    """One counter that a try has to pass."""

    kind: str
    key: str
    longest_pause_s: float = LONGEST_PAUSE_S


class ThrottleStore:
    """Counts failures; a success forgives."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def attempt(self, account: str | None, address: str) -> None:
        """Count one try, or refuse it; `succeeded` takes it back.

        Parameters
        ----------
        account : str or None
            The name as it was typed, known or not; None where there is none, as at the claim.
        address : str
            Where it comes from.

        Raises
        ------
        ThrottledError
            If a pause is on; a refused try is not counted.
        """
        now_s = self._database.running.seconds()
        name, place = _account_key(account), _address_key(address)
        with self._database.write() as db:
            _forget_old(db, now_s)
            lanes = _lanes(db, name, place)
            wait_s = max(_wait_s(db, lane, now_s) for lane in lanes)
            if wait_s > 0:
                raise ThrottledError(wait_s)
            for lane in [*lanes, *_pair(name, place), *_network(place)]:
                _count(db, lane, now_s)

    def succeeded(self, account: str | None, address: str) -> None:
        """Forgive the account, and the address what it failed at this account; know the address as one of the account's.

        What the address failed at other accounts stays: logging in to one's own does not buy guesses at another.
        """
        now_s = self._database.running.seconds()
        name, place = _account_key(account), _address_key(address)
        with self._database.write() as db:
            lanes = _lanes(db, name, place)
            forgiven = sum(_failures(db, lane) for lane in (_pair(name, place) or lanes[:1]))
            for lane in [lanes[0], *_network(place)]:
                _forgive(db, lane, forgiven)
            for lane in [*lanes[1:], *_pair(name, place)]:
                ThrottleRow.delete().where(_is(lane)).execute(db)
            if name is not None:
                replace(KnownAddressRow, db, account_key=name, address=place, last_running_s=now_s)

    def wait_s(self, account: str | None, address: str) -> float:
        """Return how long a try would have to wait now, 0 for not at all; counts nothing."""
        now_s = self._database.running.seconds()
        name, place = _account_key(account), _address_key(address)
        with self._database.read() as db:
            return max(0.0, *(_wait_s(db, lane, now_s) for lane in _lanes(db, name, place)))


def pause_s(failures: int, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Return the pause after so many failures in a row: 0, 0, 0, then 1, 2, 4, ... seconds."""
    over = failures - FREE_FAILURES
    return 0.0 if over < 0 else min(longest_s, 2.0 ** min(over, 16))


def _lanes(db: peewee.SqliteDatabase, name: str | None, place: str) -> list[_Lane]:
    """Return the counters that a try passes: its own address always; then the account's, by how well the address is known.

    An address that has logged in to the account passes only its own: nobody else can lock it out. One that has not
    failed often shares a lane whose pauses are short. One that has, shares a lane with long pauses: many guessing
    addresses are together no faster than one.
    """
    lanes = [_Lane("address", place)]
    if name is None or _is_known(db, name, place):
        return lanes
    of_network = sum(_failures(db, lane) for lane in _network(place))
    if _failures(db, lanes[0]) < FREE_FAILURES and of_network < NETWORK_FAILURES:
        return [*lanes, _Lane("account-fresh", name, FRESH_LONGEST_PAUSE_S)]
    return [*lanes, _Lane("account", name)]


def _pair(name: str | None, place: str) -> list[_Lane]:
    """Return the counter of what an address failed at one account; it holds nobody up by itself."""
    return [] if name is None else [_Lane("pair", f"{name} {place}")]


def _network(place: str) -> list[_Lane]:
    """Return the counter of an IPv6 address's /64 network; it holds nobody up by itself."""
    return [_Lane("network", str(ipaddress.ip_network((place, 64), strict=False)))] if ":" in place else []


def _failures(db: peewee.SqliteDatabase, lane: _Lane) -> int:
    row = ThrottleRow.select().where(_is(lane)).get_or_none(db)
    return 0 if row is None else row.failures


def _forgive(db: peewee.SqliteDatabase, lane: _Lane, failures: int) -> None:
    ThrottleRow.update(failures=ThrottleRow.failures - failures).where(_is(lane)).execute(db)
    ThrottleRow.delete().where(_is(lane) & (ThrottleRow.failures <= 0)).execute(db)


def _is_known(db: peewee.SqliteDatabase, name: str, place: str) -> bool:
    is_it = (KnownAddressRow.account_key == name) & (KnownAddressRow.address == place)
    return bool(KnownAddressRow.select().where(is_it).exists(db))


def _wait_s(db: peewee.SqliteDatabase, lane: _Lane, now_s: float) -> float:
    row = ThrottleRow.select().where(_is(lane)).get_or_none(db)
    if row is None:
        return 0.0
    return float(row.last_running_s + pause_s(row.failures, lane.longest_pause_s) - now_s)


def _count(db: peewee.SqliteDatabase, lane: _Lane, now_s: float) -> None:
    failures = _failures(db, lane) + 1
    replace(ThrottleRow, db, kind=lane.kind, key=lane.key, failures=failures, last_running_s=now_s)


def _is(lane: _Lane) -> peewee.Expression:
    return (ThrottleRow.kind == lane.kind) & (ThrottleRow.key == lane.key)


def _forget_old(db: peewee.SqliteDatabase, now_s: float) -> None:
    ThrottleRow.delete().where(ThrottleRow.last_running_s < now_s - FORGET_AFTER_S).execute(db)
    KnownAddressRow.delete().where(KnownAddressRow.last_running_s < now_s - KNOWN_FOR_S).execute(db)
    while (rows := count(ThrottleRow.select(), db)) > MOST_ROWS:  # names and addresses are the attacker's to invent
        oldest = ThrottleRow.select().order_by(ThrottleRow.last_running_s).limit(rows - MOST_ROWS)
        for row in list(oldest.execute(db)):
            ThrottleRow.delete().where(_is(_Lane(row.kind, row.key))).execute(db)


def _account_key(account: str | None) -> str | None:
    """Return a short key of a name, known or not: now and then somebody types a password where the name belongs."""
    if account is None:
        return None
    return hashlib.blake2s(account.strip().lower().encode("utf-8", "replace"), digest_size=8).hexdigest()


def _address_key(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
