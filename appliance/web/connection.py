"""One client's connection: heads and bodies read within limits, each request handed on alone, each answer passed back.

A request reaches the application server over a socket pair of its own and only when it is complete, so a slow or
silent client costs neither a thread nor more than its own TLS buffers, and two requests can never be confused.
"""

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

from appliance.domain.errors import InputError, StoreError
from appliance.web.answerhead import parse_answer
from appliance.web.crowd import Crowd, Guest
from appliance.web.door import Door, Leave, Sink
from appliance.web.head import END, HeadError, RequestHead, parse_head
from appliance.web.limits import Limits
from appliance.web.refusals import refusal

log = logging.getLogger(__name__)

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class House:
    """What every connection of a front shares."""

    limits: Limits
    crowd: Crowd
    hand_over: Callable[[socket.socket, tuple[str, int]], None]
    """Give one end of a socket pair, with the true client address, to the application server."""
    is_ours: Callable[[str, str], bool]
    """Whether a Host value names this appliance, given the address that the connection arrived on."""
    hsts: Callable[[str], str]
    door: Door


class Connection:
    """The requests of one connection, one after the other."""

    def __init__(self, house: House, guest: Guest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house, self._limits, self._guest = house, house.limits, guest
        self._reader, self._writer = reader, writer
        self._inbox = b""
        # A head may announce a large body; whether it may bring it, the door says.
        self._head_limits = replace(
            house.limits, body_bytes=max(house.limits.body_bytes, house.limits.large_body_bytes, house.limits.sunk_body_bytes)
        )

    async def serve(self) -> None:
        """Answer requests until the client or a limit ends the connection."""
        is_api, host = False, ""
        try:
            while (head_bytes := await self._read_head()) is not None:
                is_api = b" /api/" in head_bytes.split(b"\r\n", 1)[0]
                head = parse_head(head_bytes, self._head_limits)
                host = head.host
                self._check_host(head)
                async with self._house.door.opened(head, self._guest.address) as leave:
                    can_go_on = await self._serve_one(head, leave)
                if not can_go_on or head.wants_close:
                    return
        except HeadError as error:
            await self._refuse(error, host, is_api=is_api)
        except TimeoutError:
            await self._refuse(HeadError(408, "the request took too long"), host, is_api=is_api)

    async def _read_head(self) -> bytes | None:
        """Return the next head, or None where the client ended the connection or had nothing more to say."""
        self._guest.waiting_since = asyncio.get_running_loop().time()
        if not self._inbox:
            try:
                async with asyncio.timeout(self._limits.idle_s):
                    self._inbox = await self._reader.read(_PIECE)
            except TimeoutError:
                return None
        async with asyncio.timeout(self._limits.head_s):
            while (end := self._inbox.find(END)) < 0:
                self._check_head_bytes(len(self._inbox))
                more = await self._reader.read(_PIECE)
                if not more:
                    return None
                self._inbox += more
        self._check_head_bytes(end)
        head, self._inbox = self._inbox[: end + len(END)], self._inbox[end + len(END) :]
        self._guest.waiting_since = None
        return head

    def _check_head_bytes(self, count: int) -> None:
        if count > self._limits.head_bytes:
            raise HeadError(431, f"the head of a request may have {self._limits.head_bytes} bytes at most")

    def _check_host(self, head: RequestHead) -> None:
        if not self._house.is_ours(head.host, self._guest.arrival_address):
            raise HeadError(421, "this appliance does not go by that name; use its own name or address")

    async def _read_body(self, head: RequestHead) -> bytes:
        await self._let_send(head)
        async with asyncio.timeout(self._limits.body_s):
            while len(self._inbox) < head.body_bytes:
                more = await self._reader.read(_PIECE)
                if not more:
                    raise ConnectionResetError("the client left before its body was complete")
                self._inbox += more
        body, self._inbox = self._inbox[: head.body_bytes], self._inbox[head.body_bytes :]
        return body

    async def _read_large(self, head: RequestHead, leave: Leave) -> bytes | bytearray:
        """Read a body that the door has let in, into memory that is taken once; its hash grows with it."""
        await self._let_send(head)
        body, taken, digest = bytearray(head.body_bytes), 0, hashlib.sha256()
        async with asyncio.timeout(self._limits.large_body_s):
            while taken < len(body):
                if not self._inbox:
                    async with asyncio.timeout(self._limits.stall_s):
                        self._inbox = await self._reader.read(_PIECE)
                    if not self._inbox:
                        raise ConnectionResetError("the client left before its body was complete")
                piece, self._inbox = self._inbox[: len(body) - taken], self._inbox[len(body) - taken :]
                body[taken : taken + len(piece)] = piece
                taken += len(piece)
                digest.update(piece)
        if leave.body_sha256 and digest.hexdigest() != leave.body_sha256:
            raise HeadError(401, "the body is not the one that was signed", reason="signature")
        return body

    async def _serve_one(self, head: RequestHead, leave: Leave | None) -> bool:
        """Read one body and hand it on; tell whether the connection can go on."""
        if leave is None:
            return await self._exchange(head.passed_on(), await self._read_body(head), head)
        if leave.sink is None:
            return await self._exchange(head.passed_on(), await self._read_large(head, leave), head)
        sink, work = leave.sink(), self._house.door.work
        try:
            await self._sink_body(head, sink)
            token, told = await work(sink.finish)
            return await self._exchange(head.passed_on_for(token, len(told)), told, head)
        except InputError as error:
            raise error if isinstance(error, HeadError) else HeadError(400, str(error)) from error
        except StoreError as error:
            raise HeadError(507, "there is no room for this file here") from error
        finally:
            await asyncio.shield(work(sink.discard))

    async def _sink_body(self, head: RequestHead, sink: Sink) -> None:
        """Pass a body on to its sink while it comes; writing happens in another thread, the loop goes on."""
        await self._let_send(head)
        taken = 0
        async with asyncio.timeout(self._limits.sunk_body_s):
            while taken < head.body_bytes:
                if not self._inbox:
                    async with asyncio.timeout(self._limits.stall_s):
                        self._inbox = await self._reader.read(_PIECE)
                    if not self._inbox:
                        raise ConnectionResetError("the client left before its body was complete")
                piece, self._inbox = self._inbox[: head.body_bytes - taken], self._inbox[head.body_bytes - taken :]
                taken += len(piece)
                await self._house.door.work(sink.feed, piece)

    async def _let_send(self, head: RequestHead) -> None:
        if head.expects_continue and head.body_bytes and not self._inbox:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _exchange(self, head_bytes: bytes, body: bytes | bytearray, head: RequestHead) -> bool:
        """Hand one request on and pass its answer back; tell whether the connection can go on."""
        try:
            async with self._house.crowd.answering(self._guest):
                ours, theirs = socket.socketpair()
                with closing(ours):
                    ours.setblocking(False)
                    theirs.setblocking(False)
                    self._house.hand_over(theirs, (self._guest.address, self._guest.port))
                    return await self._answer(ours, head_bytes, body, head)
        except TimeoutError as error:
            raise HeadError(503, "the appliance is busy; try again in a moment") from error

    async def _answer(self, ours: socket.socket, head_bytes: bytes, body: bytes | bytearray, head: RequestHead) -> bool:
        loop = asyncio.get_running_loop()
        if isinstance(body, bytes):
            await loop.sock_sendall(ours, head_bytes + body)
        else:  # a large one is not copied for its head
            await loop.sock_sendall(ours, head_bytes)
            await loop.sock_sendall(ours, body)
        async with asyncio.timeout(self._limits.answer_s):
            buffer = b""
            while (end := buffer.find(END)) < 0:
                piece = await loop.sock_recv(ours, _PIECE)
                if not piece:
                    raise HeadError(502, "the answer was lost; try again")
                buffer += piece
        answer = parse_answer(buffer[: end + len(END)], head)
        rest = buffer[end + len(END) :]
        if answer.body_bytes is None:
            self._house.crowd.settle(self._guest)
        await self._write(answer.passed_on + rest)
        return await self._pass_body(ours, answer.body_bytes, len(rest))

    async def _pass_body(self, ours: socket.socket, total: int | None, passed: int) -> bool:
        loop = asyncio.get_running_loop()
        while total is None or passed < total:
            try:
                async with asyncio.timeout(self._limits.answer_s):
                    piece = await loop.sock_recv(ours, _PIECE)
            except TimeoutError as error:
                raise ConnectionAbortedError("the rest of the answer did not come") from error
            if not piece:
                return False
            passed += len(piece)
            await self._write(piece)
        return True

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._limits.progress_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise ConnectionAbortedError("the client reads too slowly") from error

    async def _refuse(self, error: HeadError, host: str, *, is_api: bool) -> None:
        log.info("request refused: %s, %s", error.status, error)
        hsts = self._house.hsts(host)
        words = refusal(
            error.status, str(error), is_api=is_api, hsts=hsts, retry_after_s=error.retry_after_s, reason=error.reason
        )
        await self._write(words)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.linger_s
        try:
            async with asyncio.timeout_at(deadline):
                while await self._reader.read(_PIECE):
                    pass
        except TimeoutError:
            return
