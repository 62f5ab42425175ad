"""Which nights go: a pure decision from ages, sizes and free space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from appliance.domain.night import NightId
from appliance.domain.peer import PeerLimits, PeerNight


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
    oldest_kept = _days_before(tonight, keep_days) if keep_days else ""
    removed = []
    for size in sorted(nights, key=lambda n: n.night):
        if size.night >= tonight:
            break
        if size.night.text < oldest_kept or free_bytes < reserve_bytes:
            removed.append(size.night)
            free_bytes += size.bytes
    return tuple(removed)


TRIM_TO = 0.9
"""A peer's oldest nights go from this share of its limit on, so that what comes next finds room."""


def peer_nights_to_remove(
    nights: Sequence[PeerNight], limits: Mapping[str, PeerLimits], *, tonight: NightId, free_bytes: int, reserve_bytes: int
) -> tuple[PeerNight, ...]:
    """Return the nights of peers to remove, oldest first; the newest night of each peer never goes.

    Where the disk is short of room they go before any night of this appliance's own camera.

    Parameters
    ----------
    nights : sequence of PeerNight
    limits : mapping
        By the peer's id.
    tonight : NightId
        The night of now.
    free_bytes, reserve_bytes : int
        Free space now, and what should be free.
    """
    kept = {peer: sum(night.bytes for night in nights if night.peer == peer) for peer in limits}
    newest = {peer: max((night.night for night in nights if night.peer == peer), default=tonight) for peer in limits}
    removed = []
    for night in sorted(nights, key=lambda one: (one.night, one.peer)):
        limit = limits.get(night.peer)
        if limit is None or night.night >= newest[night.peer]:
            continue
        is_old = limit.keep_days and night.night.text < _days_before(tonight, limit.keep_days)
        is_too_much = kept[night.peer] > TRIM_TO * limit.most_mib * (1 << 20)
        if is_old or is_too_much or free_bytes < reserve_bytes:
            removed.append(night)
            kept[night.peer] -= night.bytes
            free_bytes += night.bytes
    return tuple(removed)


def _days_before(night: NightId, days: int) -> str:
    return (date.fromisoformat(night.text) - timedelta(days=days)).isoformat()
