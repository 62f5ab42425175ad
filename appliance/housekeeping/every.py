"""When something is due again."""


class Every:
    """Tells when something is due again, by monotonic seconds; the first time at once."""

    def __init__(self, period_s: float) -> None:
        self._period_s, self._due_at = period_s, float("-inf")

    def is_due(self, now_s: float) -> bool:
        """Return whether the period has passed, and begin the next one if so."""
        if now_s < self._due_at:
            return False
        self._due_at = now_s + self._period_s
        return True
