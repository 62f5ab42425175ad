"""Which nights go: a pure decision from ages, sizes and free space."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from appliance.domain.night import NightId


@dataclass(frozen=True, slots=True)
class NightSize:
    """One stored night and the bytes that removing it would free."""

    night: NightId
    bytes: int


def nights_to_remove(
    nights: Sequence[NightSize], *, tonight: NightId, keep_days: int, free_bytes: int, reserve_bytes: int
) -> tuple[NightId, ...]:
    """Return the nights to remove, oldest first; tonight never goes.

    Parameters
    ----------
    nights : sequence of NightSize
        Every stored night, in any order.
    tonight : NightId
        The night of now; pictures of it and of later nights (a clock that was ahead) are kept.
    keep_days : int
        Nights older than this go; 0 keeps them.
    free_bytes, reserve_bytes : int
        Free space now, and what should be free: further nights go until it would be.
    """
    oldest_kept = (date.fromisoformat(tonight.text) - timedelta(days=keep_days)).isoformat() if keep_days else ""
    removed = []
    for size in sorted(nights, key=lambda n: n.night):
        if size.night >= tonight:
            break
        if size.night.text < oldest_kept or free_bytes < reserve_bytes:
            removed.append(size.night)
            free_bytes += size.bytes
    return tuple(removed)
