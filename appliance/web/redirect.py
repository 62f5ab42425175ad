"""Port 80: one answer, the way to HTTPS, and only ever to a name or address that is ours; in some places a page that tells it."""

import asyncio
import socket
from collections.abc import Callable

from appliance.web.crowd import Guest
from appliance.web.head import END, HeadError, parse_head
from appliance.web.limits import Limits
from appliance.web.refusals import page_answer, redirection, refusal


class Redirector:
    """Answers each plain connection once, with a 308 to https or with a page, and closes it.

    Parameters
    ----------
    page_at : callable
        Returns the page for who came to an address of ours, None where they are redirected.
    """

    def __init__(self, is_ours: Callable[[str, str], bool], page_at: Callable[[str], str | None], limits: Limits) -> None:
        self._is_ours, self._page_at, self._limits = is_ours, page_at, limits

    async def serve(self, guest: Guest, client: socket.socket) -> None:
        """Read one head and redirect; the Host value is used only after it was found among our names."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.head_s):
            buffer = b""
            while END not in buffer and len(buffer) <= self._limits.head_bytes:
                piece = await loop.sock_recv(client, 4096)
                if not piece:
                    return
                buffer += piece
            await loop.sock_sendall(client, self._answer(guest, buffer))

    def _answer(self, guest: Guest, buffer: bytes) -> bytes:
        head_bytes, end, _ = buffer.partition(END)
        if not end:
            return refusal(431, f"the head of a request may have {self._limits.head_bytes} bytes at most")
        try:
            head = parse_head(head_bytes + END, self._limits)
        except HeadError as error:
            return refusal(error.status, str(error))
        page = self._page_at(guest.arrival_address)
        if page is not None:
            return page_answer(page, has_body=head.method != "HEAD")
        host = head.host if head.host and self._is_ours(head.host, guest.arrival_address) else guest.arrival_address
        return redirection(f"https://{f'[{host}]' if ':' in host else host}{head.target}")
