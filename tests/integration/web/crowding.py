"""How crowded the machine is, so that a bound on a wait means the same on a busy one."""

import time

SHARE_S = 0.2


def crowding() -> float:
    """Return how many times longer than alone a piece of computing takes here and now; 1 where nobody else computes."""
    began_s, own_s = time.monotonic(), time.thread_time()
    while time.thread_time() - own_s < SHARE_S:
        sum(range(1000))
    return max(1.0, (time.monotonic() - began_s) / SHARE_S)
