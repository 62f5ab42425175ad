"""How fast it goes, and how long it will take."""

from collections import deque

WINDOW_S = 60.0
SURE_AFTER_S = 5.0


class Rate:
    """Bytes per second over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, done_bytes: int) -> None:
        """Note how much is done."""
        self._samples.append((now_s, done_bytes))
        while now_s - self._samples[0][0] > WINDOW_S and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def is_whole(self) -> bool:
        """Whether a whole minute was seen."""
        return bool(self._samples) and self._samples[-1][0] - self._samples[0][0] >= 0.9 * WINDOW_S

    @property
    def bytes_per_s(self) -> float | None:
        """The rate, or None while that cannot be said."""
        if not self._samples:
            return None
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return None if last_s - first_s < SURE_AFTER_S else (last - first) / (last_s - first_s)

    def left_s(self, total_bytes: int) -> float | None:
        """Return the seconds left until `total_bytes` are done, or None while that cannot be said."""
        rate = self.bytes_per_s
        if rate is None or rate <= 0:
            return None
        return max(0, total_bytes - self._samples[-1][1]) / rate
