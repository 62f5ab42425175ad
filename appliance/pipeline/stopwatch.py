"""Wall and CPU time of every stage of every frame, for `develop --timings`."""

import re
import time
from pathlib import Path

Moment = tuple[float, float]
"""Milliseconds of the wall clock, and of this process's CPU in all its threads."""


class Stopwatch:
    """Takes the time at the end of each stage."""

    def __init__(self) -> None:
        self._stages: dict[str, list[Moment]] = {}
        self._total: list[Moment] = []
        self._began: Moment = _now()
        self._at = self._began

    def start(self) -> None:
        """Begin a frame."""
        self._at = self._began = _now()

    def lap(self, stage: str) -> None:
        """End a stage; the next one begins."""
        now = _now()
        self._stages.setdefault(stage, []).append(_between(self._at, now))
        self._at = now

    def stop(self) -> None:
        """End the frame."""
        self._total.append(_between(self._began, _now()))

    def report(self) -> dict[str, object]:
        """Return what `--timings` writes."""
        return {
            "frames": len(self._total),
            "stages": {name: _columns(laps) for name, laps in self._stages.items()},
            "total": _columns(self._total),
            "peak_rss_mb": round(_peak_rss_mb(), 1),
        }


def _peak_rss_mb() -> float:
    """Return this program's largest resident memory; getrusage would also count the process that started it, before exec."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def _now() -> Moment:
    return time.perf_counter() * 1e3, time.process_time() * 1e3


def _between(first: Moment, last: Moment) -> Moment:
    return last[0] - first[0], last[1] - first[1]


def _columns(laps: list[Moment]) -> dict[str, list[float]]:
    return {"wall_ms": [round(wall, 3) for wall, _ in laps], "cpu_ms": [round(cpu, 3) for _, cpu in laps]}
