"""What the build says while it works: each step with the time that it took last time, and how long is left of all."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Steps:
    """Tells of one step after another; remembers how long each took, in a file."""

    def __init__(self, memory: Path, names: tuple[str, ...]) -> None:
        self._memory, self._left = memory, list(names)
        try:
            self._took: dict[str, float] = json.loads(memory.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            self._took = {}
        self._total, self._number = len(names), 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Tell that a step begins, and how long it took when it is over."""
        self._left.remove(name)
        self._number += 1
        self._say(f"{self._number}/{self._total} {name}{self._estimate(name)}")
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self._say(f"{self._number}/{self._total} {name}: done in {took:.0f} s")
        if took > 1:  # what came from the cache says nothing of how long it takes
            self._took[name] = round(took, 1)
            self._memory.write_text(json.dumps(self._took, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def _estimate(self, name: str) -> str:
        known = [self._took.get(one) for one in (name, *self._left)]
        if None in known:
            return ""
        return f", about {sum(one for one in known if one):.0f} s left in all"

    @staticmethod
    def _say(text: str) -> None:
        print(f"image: {text}", file=sys.stderr, flush=True)
