"""The two ways in which threads talk: a mailbox for work, a published value for state."""

import threading
from collections import deque
from typing import Generic, TypeVar

from appliance.domain.health import QueueHealth

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A bounded queue that never blocks its producer: when full it drops its oldest item and counts the drop."""

    def __init__(self, name: str, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"mailbox {name!r} needs room for one item at least, not {capacity}")
        self.name, self.capacity = name, capacity
        self._items: deque[T] = deque()
        self._dropped = 0
        self._condition = threading.Condition()

    def put(self, item: T) -> None:
        """Add an item; drop and count the oldest if there is no room."""
        with self._condition:
            if len(self._items) >= self.capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._condition.notify()

    def take(self, timeout: float) -> T | None:
        """Return the oldest item, or None after `timeout` seconds without one."""
        with self._condition:
            if not self._items:
                self._condition.wait_for(lambda: bool(self._items), timeout)
            return self._items.popleft() if self._items else None

    def clear(self) -> int:
        """Throw away what waits, without counting it as dropped; return how many items that were."""
        with self._condition:
            count = len(self._items)
            self._items.clear()
            return count

    @property
    def has_room(self) -> bool:
        """Whether a put would drop nothing."""
        return len(self) < self.capacity

    @property
    def dropped(self) -> int:
        """How many items were dropped since the start."""
        return self._dropped

    @property
    def health(self) -> QueueHealth:
        """What the system page shows."""
        return QueueHealth(self.name, len(self), self.capacity, self._dropped)

    def __len__(self) -> int:
        with self._condition:
            return len(self._items)


class Published(Generic[T]):
    """The latest immutable value of something, with a revision number that grows at each change."""

    def __init__(self, value: T) -> None:
        self._value, self._revision = value, 0
        self._condition = threading.Condition()

    @property
    def value(self) -> T:
        """The latest value."""
        return self._value

    @property
    def revision(self) -> int:
        """How often a value was published."""
        return self._revision

    def publish(self, value: T) -> None:
        """Replace the value and wake who waits."""
        with self._condition:
            self._value = value
            self._revision += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout: float) -> tuple[T, int]:
        """Return the latest value and its revision, at the latest after `timeout` seconds.

        Returns at once when the revision is not `seen`.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._revision != seen, timeout)
            return self._value, self._revision
