"""The TLS front: one thread with one event loop accepts, decrypts, limits, and hands whole requests to waitress.

waitress speaks no TLS, and wrapping its sockets freezes it or cuts its answers; see decisions/0301-tls-front.md.
"""

import asyncio
import asyncio.sslproto
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from appliance.domain.errors import NightjarError
from appliance.web.connection import Connection, House
from appliance.web.crowd import Crowd, Guest, plain_address
from appliance.web.door import AskLeave, Door, no_leave
from appliance.web.limits import Limits
from appliance.web.redirect import Redirector

log = logging.getLogger(__name__)

Serve = Callable[[Guest, socket.socket], Coroutine[Any, Any, None]]
"""What is done with an accepted connection."""

# Each TLS connection of asyncio owns a read buffer of this size, 256 KiB unless told otherwise: with 480 connections
# 120 MB on a machine that may have 512. Requests are small, so 32 KiB loses nothing.
asyncio.sslproto.SSLProtocol.max_size = 32 * 1024

_WRITE_BUFFER = 64 * 1024
_STOP_S = 3.0


class Front:
    """Listens with TLS on some sockets, and on others only to redirect to it.

    Parameters
    ----------
    context : ssl.SSLContext
        Given once; the keeper of certificates renews what is behind it.
    hand_over : callable
        Gives one end of a socket pair, with the client's address and port, to the application server.
    is_ours : callable
        Says whether a name is ours, given the address of ours that the connection came to.
    hsts : callable
        Returns the Strict-Transport-Security header for answers to a host.
    ask_leave : callable or None
        Says which requests may bring a large body; None: no request may.
    page_at : callable
        Returns the page that is told without TLS to who came to an address of ours; None where they are redirected.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        hand_over: Callable[[socket.socket, tuple[str, int]], None],
        is_ours: Callable[[str, str], bool],
        *,
        hsts: Callable[[str], str] = lambda _host: "",
        ask_leave: AskLeave | None = None,
        page_at: Callable[[str], str | None] = lambda _address: None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._context = context
        self._hand_over, self._is_ours, self._hsts, self._limits = hand_over, is_ours, hsts, limits
        self._page_at = page_at
        self._ask_leave = ask_leave or no_leave(limits)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_loop_fault)
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._crowd: Crowd | None = None
        self._failure: BaseException | None = None

    def start(self, secure: Sequence[socket.socket], plain: Sequence[socket.socket] = ()) -> None:
        """Serve listening sockets: TLS on `secure`, redirects on `plain`. The sockets are closed at the stop."""
        self._thread = threading.Thread(target=self._run, args=(tuple(secure), tuple(plain)), name="web-tls", daemon=True)
        self._thread.start()

    def is_answering(self, timeout: float) -> bool:
        """Tell whether the event loop comes round within `timeout` seconds.

        Raises
        ------
        NightjarError
            If the loop has ended.
        """
        if self._thread is None or not self._thread.is_alive():
            raise NightjarError(f"the TLS front ended: {self._failure}")
        came_round = threading.Event()
        self._loop.call_soon_threadsafe(came_round.set)
        return came_round.wait(timeout)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._crowd) if self._crowd is not None else 0

    def stop(self) -> None:
        """Close listeners and connections and end the thread."""
        if self._thread is None:
            self._loop.close()
            return
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop may end at this very moment
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(2 * _STOP_S)

    def _run(self, secure: tuple[socket.socket, ...], plain: tuple[socket.socket, ...]) -> None:
        try:
            self._loop.run_until_complete(self._serve(secure, plain))
        except Exception as error:  # told by is_answering, so that the worker restarts the service
            self._failure = error
            log.exception("the TLS front failed")
        finally:
            for listener in (*secure, *plain):
                listener.close()
            self._loop.close()

    async def _serve(self, secure: tuple[socket.socket, ...], plain: tuple[socket.socket, ...]) -> None:
        self._crowd = crowd = Crowd(self._limits)
        door = Door(self._limits, self._ask_leave)
        house = House(self._limits, crowd, self._hand_over, self._is_ours, self._hsts, door)
        redirector = Redirector(self._is_ours, self._page_at, self._limits)

        async def serve_secure(guest: Guest, client: socket.socket) -> None:
            await self._serve_secure(house, guest, client)

        async with asyncio.TaskGroup() as listeners:
            tasks = [listeners.create_task(self._accept(crowd, s, serve_secure)) for s in secure]
            tasks += [listeners.create_task(self._accept(crowd, s, redirector.serve)) for s in plain]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
        await crowd.part(self._limits.parting_s)
        connections = crowd.tasks()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections, timeout=_STOP_S)
        door.close()

    async def _accept(self, crowd: Crowd, listener: socket.socket, serve: Serve) -> None:
        listener.setblocking(False)
        while True:
            try:
                client, peer = await self._loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the client left already
                log.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(0.2)
                continue
            try:
                address, port = plain_address(peer)
                guest = Guest(address, port, plain_address(client.getsockname())[0], self._loop.time())
            except (OSError, ValueError):
                client.close()
                continue
            if not crowd.admit(guest):
                client.close()
                continue
            guest.task = self._loop.create_task(self._attend(crowd, guest, client, serve))

    async def _attend(self, crowd: Crowd, guest: Guest, client: socket.socket, serve: Serve) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await serve(guest, client)
        except (OSError, asyncio.IncompleteReadError) as error:  # ssl.SSLError and time-outs among them
            log.debug("connection ended: %s", error)
        finally:
            crowd.leave(guest)
            client.close()

    async def _serve_secure(self, house: House, guest: Guest, client: socket.socket) -> None:
        reader = asyncio.StreamReader(limit=self._limits.head_bytes, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol,
            client,
            ssl=self._context,
            ssl_handshake_timeout=self._limits.handshake_s,
            ssl_shutdown_timeout=2.0,
        )
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        try:
            await Connection(house, guest, reader, writer).serve()
            writer.close()
            async with asyncio.timeout(self._limits.progress_s):
                await writer.wait_closed()
        finally:
            transport.abort()


def _log_loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what the loop could not tell anybody: one line, since broken clients cause it."""
    log.info("TLS front: %s: %s", context.get("message"), context.get("exception"))
