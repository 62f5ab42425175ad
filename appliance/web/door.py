"""The door for large bodies: nothing of one is read before the head alone has proved the right to send it.

Who may send what is not decided here: `AskLeave` says it. This module holds the places: few large bodies are in memory at
once, and one of each sender, so that neither a flood nor a slow line keeps the panel from its work.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from appliance.web.head import HeadError, RequestHead
from appliance.web.limits import Limits

Done = TypeVar("Done")

AGAIN_S = 5
"""When a sender that found every place taken may come back."""


class Sink(Protocol):
    """Where a body goes that is not kept in memory; one thread at a time calls it."""

    def feed(self, data: bytes, /) -> None:
        """Take the next bytes; InputError if they are not what was announced, StoreError if they find no room."""
        ...

    def finish(self) -> tuple[str, bytes]:
        """Return what the page is told in the body's place: under which token the sink knows it, and some bytes of it."""
        ...

    def discard(self) -> None:
        """Forget what nobody has taken; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class Leave:
    """What a request may bring, beyond what everybody may."""

    size: int
    """Bytes of body, at most."""
    holder: str
    """Who brings it: one body of each holder is on its way at a time."""
    body_sha256: str = ""
    """What the body must hash to, where the head tells; another one goes no further."""
    sink: Callable[[], Sink] | None = None
    """Makes where the body goes, in place of memory."""


AskLeave = Callable[[RequestHead, str], Leave]
"""Given a head and the client's address, says what its body may be; raises HeadError with the reason why it may not.

It is called in a thread of the door's own, so it may look things up; it answers in much less than a second.
"""


def no_leave(limits: Limits) -> AskLeave:
    """Return the rule by which nobody may send more than an ordinary body."""

    def ask(_head: RequestHead, _address: str) -> Leave:
        raise HeadError(413, f"a body may have {limits.body_bytes} bytes at most")

    return ask


def leave_by_path(rules: Mapping[str, AskLeave], otherwise: AskLeave) -> AskLeave:
    """Return the rule that asks whoever is responsible for a path, by its beginning."""

    def ask(head: RequestHead, address: str) -> Leave:
        rule = next((rule for begin, rule in rules.items() if head.target.startswith(begin)), otherwise)
        return rule(head, address)

    return ask


class Door:
    """The places for large bodies of one front; lives in its event loop and needs no lock."""

    def __init__(self, limits: Limits, ask: AskLeave) -> None:
        self._limits, self._ask = limits, ask
        self._holders: set[str] = set()
        self._sinks = asyncio.Semaphore(limits.sunk_bodies)
        self._askers = ThreadPoolExecutor(1, thread_name_prefix="web-door")
        self._writers = ThreadPoolExecutor(2, thread_name_prefix="web-sink")

    @asynccontextmanager
    async def opened(self, head: RequestHead, address: str) -> AsyncIterator[Leave | None]:
        """Hold a place for a large body until its answer is there; an ordinary body needs none and gets None.

        Raises
        ------
        HeadError
            If this head may not bring such a body, or every place is taken.
        """
        if head.body_bytes <= self._limits.body_bytes:
            yield None
            return
        leave = await asyncio.get_running_loop().run_in_executor(self._askers, self._ask, head, address)
        if head.body_bytes > leave.size:
            raise HeadError(413, f"this body may have {leave.size} bytes at most")
        if leave.sink is not None:
            async with self._sunk():
                yield leave
            return
        if leave.holder in self._holders or len(self._holders) >= self._limits.large_bodies:
            raise HeadError(503, "other large files are on their way here; try again in a moment", retry_after_s=AGAIN_S)
        self._holders.add(leave.holder)
        try:
            yield leave
        finally:
            self._holders.discard(leave.holder)

    @asynccontextmanager
    async def _sunk(self) -> AsyncIterator[None]:
        """Hold one of the places for bodies that go to a sink; whoever finds none waits for a while."""
        try:
            async with asyncio.timeout(self._limits.sunk_wait_s):
                await self._sinks.acquire()
        except TimeoutError as error:
            raise HeadError(
                503, "other large files are on their way here; try again in a moment", retry_after_s=AGAIN_S
            ) from error
        try:
            yield
        finally:
            self._sinks.release()

    def close(self) -> None:
        """End the door's thread."""
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._writers.shutdown(wait=False)

    def work(self, do: Callable[..., Done], *arguments: object) -> "asyncio.Future[Done]":
        """Do what a sink does, in a thread of the door's own: a disk that is slow stops nobody else."""
        return asyncio.get_running_loop().run_in_executor(self._writers, do, *arguments)
