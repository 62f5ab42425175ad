"""Long downloads: each occupies one of the application server's threads for as long as its reader takes, so few go at once."""

import logging
import threading
from collections.abc import Iterable, Iterator

from appliance.domain.errors import NightjarError
from appliance.web.answers import BusyError

log = logging.getLogger(__name__)

MOST = 2
"""Of eight threads."""
AGAIN_S = 30


class Downloads:
    """Gives places to downloads, and takes them back when they end, well or not."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MOST)

    def begin(self, pieces: Iterator[bytes]) -> Iterable[bytes]:
        """Return the pieces of a download that has a place now.

        Raises
        ------
        BusyError
            If there is none.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError(f"{MOST} downloads of this kind are under way already. Try again when one has ended.", AGAIN_S)
        return _Sending(pieces, self._places)


class _Sending:
    """Pieces on their way; whatever ends them gives back what they held.

    The server closes what it iterates over, also where the client goes away, and where it never began.
    """

    def __init__(self, pieces: Iterator[bytes], places: threading.BoundedSemaphore) -> None:
        self._pieces, self._places = pieces, places
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next piece.

        Where one cannot be made it ends: too few bytes for the length that was told, so nobody takes them for the whole.
        """
        try:
            return next(self._pieces)
        except NightjarError as error:
            log.warning("a download was broken off: %s", error)
            self.close()
            raise StopIteration from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file under way and give the place back; once."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
        finally:
            self._places.release()
