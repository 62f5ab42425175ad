"""Which nights go, with numbers worked out by hand."""

from appliance.domain.night import NightId
from appliance.domain.peer import PeerLimits, PeerNight
from appliance.housekeeping.retention import NightSize, nights_to_remove, peer_nights_to_remove

NIGHTS = [NightSize(NightId(f"2026-01-{day:02d}"), 100) for day in (28, 30, 29, 31, 27)]
TONIGHT = NightId("2026-01-31")


def _removed(keep_days: int = 0, free: int = 1000, reserve: int = 500) -> list[str]:
    gone = nights_to_remove(NIGHTS, tonight=TONIGHT, keep_days=keep_days, free_bytes=free, reserve_bytes=reserve)
    return [night.text for night in gone]


def test_nothing_goes_while_there_is_room_and_nothing_is_old() -> None:
    assert _removed() == []
    assert _removed(keep_days=4) == []


def test_nights_older_than_asked_go() -> None:
    assert _removed(keep_days=2) == ["2026-01-27", "2026-01-28"]


def test_the_oldest_go_until_the_reserve_is_free() -> None:
    assert _removed(free=350) == ["2026-01-27", "2026-01-28"]


def test_age_and_room_add_up_once() -> None:
    assert _removed(keep_days=3, free=350) == ["2026-01-27", "2026-01-28"]


def test_tonight_stays_even_on_a_full_disk() -> None:
    assert _removed(keep_days=1, free=0) == ["2026-01-27", "2026-01-28", "2026-01-29", "2026-01-30"]


def test_nights_of_a_clock_that_was_ahead_stay() -> None:
    future = [*NIGHTS, NightSize(NightId("2031-01-01"), 100)]
    gone = nights_to_remove(future, tonight=TONIGHT, keep_days=0, free_bytes=0, reserve_bytes=10_000)
    assert NightId("2031-01-01") not in gone


def of_peer(peer: str, night: str, mib: int) -> PeerNight:
    return PeerNight(peer, NightId(night), 10, mib << 20, None, None)


PEER_NIGHTS = [of_peer(peer, f"2026-01-{day:02}", 100) for peer in ("a", "b") for day in (10, 20, 30)]


def going(limits: dict[str, PeerLimits], *, free_mib: int = 1000) -> list[tuple[str, str]]:
    nights = peer_nights_to_remove(
        PEER_NIGHTS, limits, tonight=NightId("2026-01-31"), free_bytes=free_mib << 20, reserve_bytes=500 << 20
    )
    return [(one.peer, one.night.text) for one in nights]


def test_a_peers_nights_go_by_age_and_by_its_own_limit() -> None:
    assert going({"a": PeerLimits(0, 4096), "b": PeerLimits(0, 4096)}) == []
    assert going({"a": PeerLimits(15, 4096), "b": PeerLimits(0, 4096)}) == [("a", "2026-01-10")]
    assert going({"a": PeerLimits(0, 4096), "b": PeerLimits(0, 300)}) == [("b", "2026-01-10")]  # from nine tenths on
    assert going({"a": PeerLimits(0, 100), "b": PeerLimits(0, 4096)}) == [("a", "2026-01-10"), ("a", "2026-01-20")]


def test_a_short_disk_takes_the_oldest_of_all_peers_but_never_the_newest_of_one() -> None:
    limits = {"a": PeerLimits(0, 4096), "b": PeerLimits(0, 4096)}
    assert going(limits, free_mib=350) == [("a", "2026-01-10"), ("b", "2026-01-10")]
    assert {night for _, night in going(limits, free_mib=0)} == {"2026-01-10", "2026-01-20"}
