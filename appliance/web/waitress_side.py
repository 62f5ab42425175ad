"""waitress without a socket of its own: it gets each request over a socket pair from the TLS front.

This uses waitress's inside (its channel class and trigger), so its version is pinned and tests hold it.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import create_server

from appliance.domain.errors import NightjarError

log = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application; the environment's values have any type."""

HIGH_WATER = 512 * 1024
"""So many bytes of an answer wait in memory for a slow reader."""
LARGEST_BODY = (8 << 20) + (128 << 10)
"""More than the front lets through, so that it is the front that refuses, in words."""
_TEN_YEARS_S = 315_360_000


class ApplicationServer:
    """waitress's own loop in one thread and its pool of workers."""

    def __init__(self, app: WsgiApp, *, threads: int = 8) -> None:
        # It never listens and is never bound: waitress only wants to be built around a socket.
        self._unbound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        # A deep queue is ordinary here: the front's own caps decide how many requests may wait.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}  # file descriptor to waitress's own objects, which have no types
        self._server = create_server(
            app,
            map=self._map,
            _start=False,
            sockets=[self._unbound],
            threads=threads,
            url_scheme="https",
            ident=None,
            asyncore_use_poll=True,
            # The front keeps time, with a clock that does not jump; waitress would close downloads when the date does.
            channel_timeout=_TEN_YEARS_S,
            log_socket_errors=False,
            # What is made while it is sent waits for its reader; below this mark nothing spills into a temporary file.
            outbuf_high_watermark=HIGH_WATER,
            outbuf_overflow=4 * HIGH_WATER,
            max_request_header_size=64 * 1024,
            # What is large has been let in by the front's door, a few at a time: it stays in memory until it is handled.
            max_request_body_size=LARGEST_BODY,
            inbuf_overflow=LARGEST_BODY,
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="web-waitress", daemon=True)

    def start(self) -> None:
        """Start waitress's loop."""
        self._thread.start()

    def hand_over(self, channel: socket.socket, client: tuple[str, int]) -> None:
        """Serve the one request that comes over `channel`, as from the address and port `client`; from any thread."""
        server = self._server
        server.trigger.pull_trigger(lambda: HTTPChannel(server, channel, client, server.adj, map=self._map))

    def check(self) -> None:
        """Raise NightjarError if waitress's loop or one of its workers has ended."""
        if not self._thread.is_alive() or not self._server.task_dispatcher.threads:
            raise NightjarError("the application server ended")

    def stop(self, timeout: float) -> None:
        """End the loop and the workers."""
        server = self._server
        if self._thread.is_alive():
            server.trigger.pull_trigger(self._close_all)
            self._thread.join(timeout)
        server.task_dispatcher.shutdown(timeout=timeout)
        if not (self._thread.is_alive() or server.task_dispatcher.threads):
            server.close()
        self._unbound.close()

    def _close_all(self) -> None:
        """End the loop, in its own thread; each channel also lets go of the file that it was sending.

        The trigger stays open while there is a worker, who pulls it when done: its number may be another file's by then.
        """
        server = self._server
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.trigger.del_channel()
        server.del_channel()
        server.asyncore.close_all(self._map)
