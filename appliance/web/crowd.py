"""Who is connected: the caps in all and per address, and who makes room when one is reached."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from appliance.web.limits import Limits


@dataclass(eq=False, slots=True)
class Guest:
    """One connection."""

    address: str
    port: int
    arrival_address: str
    """The address of ours that the client connected to."""
    waiting_since: float | None
    """Since when, in the loop's time, no request is under way; None while one is."""
    task: "asyncio.Task[None] | None" = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = crowd_key(self.address)


class Crowd:
    """The connections of one front; lives in its event loop and needs no lock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: set[Guest] = set()
        self._answers = asyncio.Semaphore(limits.answers)
        self._answers_of: dict[str, asyncio.Semaphore] = {}
        self._owed: set[Guest] = set()
        self._is_even = asyncio.Event()
        self._is_even.set()

    def admit(self, guest: Guest) -> bool:
        """Take a connection in; at a cap the longest waiting one is closed for it, and if none waits it is refused."""
        of_address = [other for other in self._guests if other.key == guest.key]
        if len(of_address) >= self._limits.connections_per_address and not self._make_room(of_address):
            return False
        if len(self._guests) >= self._limits.connections and not self._make_room(list(self._guests)):
            return False
        self._guests.add(guest)
        return True

    def leave(self, guest: Guest) -> None:
        """Forget a connection that ended."""
        self._guests.discard(guest)
        if not any(other.key == guest.key for other in self._guests):
            self._answers_of.pop(guest.key, None)

    @asynccontextmanager
    async def answering(self, guest: Guest) -> AsyncIterator[None]:
        """Hold a place for one answer, which is owed until it was sent (`settle`).

        Raises
        ------
        TimeoutError
            If no place came free in time.
        """
        own = self._answers_of.setdefault(guest.key, asyncio.Semaphore(self._limits.answers_per_address))
        async with asyncio.timeout(self._limits.slot_s):
            await own.acquire()
            try:
                await self._answers.acquire()
            except BaseException:
                own.release()
                raise
        self._owed.add(guest)
        self._is_even.clear()
        try:
            yield
        finally:
            self._answers.release()
            own.release()
            self.settle(guest)

    def settle(self, guest: Guest) -> None:
        """Note that an answer was sent, or that it is one without an end, for which nobody waits."""
        self._owed.discard(guest)
        if not self._owed:
            self._is_even.set()

    async def part(self, limit_s: float) -> None:
        """Wait until nobody is owed an answer, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_even.wait()

    def tasks(self) -> list["asyncio.Task[None]"]:
        """Return the tasks of all connections."""
        return [guest.task for guest in self._guests if guest.task is not None]

    def __len__(self) -> int:
        return len(self._guests)

    def _make_room(self, candidates: list[Guest]) -> bool:
        waiting = [(g.waiting_since, g.port, g, g.task) for g in candidates if g.waiting_since is not None and g.task is not None]
        if not waiting:
            return False
        _, _, longest, task = min(waiting, key=lambda entry: entry[:2])
        task.cancel()
        self._guests.discard(longest)
        return True


def crowd_key(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that a client's global IPv6 addresses share."""
    value = ipaddress.ip_address(address)
    if value.version == 4 or value.is_link_local or value.is_loopback:
        return str(value)
    return str(ipaddress.ip_network((value, 64), strict=False))


def plain_address(sockaddr: object) -> tuple[str, int]:
    """Return address and port of a socket's peer as people write them: no zone, IPv4 not dressed up as IPv6."""
    if not (isinstance(sockaddr, tuple) and len(sockaddr) >= 2):
        raise ValueError(f"not an internet address: {sockaddr!r}")
    value = ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
    mapped = value.ipv4_mapped if isinstance(value, ipaddress.IPv6Address) else None
    return str(mapped or value), int(sockaddr[1])
