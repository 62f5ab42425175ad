"""Files from https addresses, for the update channel: certificates always checked, no redirect followed, every wait bounded."""

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from appliance.domain.errors import FetchError

WAIT_S = 15.0
"""For each answer of the network."""
WHOLE_S = 60.0
"""For a small file in all."""
_PIECE = 256 << 10
_AGENT = {"User-Agent": "Nightjar", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Asks servers.

    Parameters
    ----------
    context : callable
        Makes what certificates are checked with.
    """

    context: Callable[[], ssl.SSLContext] = ssl.create_default_context

    def small(self, url: str, most: int) -> bytes:
        """Return a file of at most so many bytes; raises FetchError."""
        with Download(self, url, 0) as file:
            if file.begins_at:
                raise FetchError("the server sent a part of the file")
            found, until_s = b"", time.monotonic() + WHOLE_S
            while piece := file.read(_PIECE):
                found += piece
                if len(found) > most:
                    raise FetchError(f"the file at {url} is larger than {most >> 10} KiB")
                if time.monotonic() > until_s:
                    raise FetchError("the server is too slow")
            return found


class Download:
    """A file on its way, from a byte on where the server can."""

    def __init__(self, fetcher: Fetcher, url: str, begin: int) -> None:
        """Ask for a file; raises FetchError."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise FetchError(f"{url} is no https address")
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=WAIT_S, context=fetcher.context()
        )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            self._connection.request("GET", path, headers={**_AGENT, **({"Range": f"bytes={begin}-"} if begin else {})})
            self._answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _told(error) from error
        self.begins_at = begin if self._answer.status == 206 else 0
        """Where in the file the bytes begin: a server that cannot go on begins anew."""
        is_part = self._answer.status == 206 and (self._answer.getheader("Content-Range") or "").startswith(f"bytes {begin}-")
        if self._answer.status != 200 and not is_part:
            status = self._answer.status
            self.close()
            raise FetchError(f"the server answered {status} for {url}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, count: int) -> bytes:
        """Return the next bytes, nothing at the end; raises FetchError."""
        try:
            return self._answer.read1(count)
        except (OSError, http.client.HTTPException) as error:
            raise _told(error) from error

    def close(self) -> None:
        """Be done with it."""
        self._connection.close()


def _told(error: OSError | http.client.HTTPException) -> FetchError:
    match error:
        case ssl.SSLCertVerificationError():
            return FetchError(f"the server's certificate is not trusted: {error.verify_message}")
        case TimeoutError():
            return FetchError("the server did not answer in time")
        case OSError():
            return FetchError(f"the server cannot be reached: {error.strerror or error}")
        case _:
            return FetchError("the server's answer is not understood")
