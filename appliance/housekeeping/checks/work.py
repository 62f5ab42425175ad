"""Checks of memory and load: whether the machine has more to do than it can."""

from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict

SCARCE_SHARE, ENOUGH_SHARE = 0.08, 0.12
STALLED_PERCENT, FLOWING_PERCENT = 20.0, 10.0
"""Of the last minute in which everything waited for memory."""
BUSY, NOT_BUSY = 2.0, 1.5
"""Threads that work or want to, for each processor."""


def judge_memory(reading: Reading) -> Verdict:
    """Say whether memory is scarce."""
    total, available = reading.memory.total_bytes, reading.memory.available_bytes
    share = available / total if total and available is not None else 1.0
    stalled = reading.memory.stalled_percent or 0.0
    if share >= ENOUGH_SHARE and stalled < FLOWING_PERCENT:
        return Fine.WELL
    if share >= SCARCE_SHARE and stalled < STALLED_PERCENT:
        return Fine.BETWEEN
    return Finding(
        Severity.WARNING,
        f"Memory is scarce: {share * 100:.0f} % is free" if share < SCARCE_SHARE else "Everything waits for memory",
        "Pictures may be lost. Raise Binning under Settings, Camera, or take a machine with more memory.",
    )


def judge_load(reading: Reading) -> Verdict:
    """Say whether the processors have more to do than they can, for a quarter of an hour."""
    if reading.load_15min is None or not reading.processors:
        return Fine.WELL
    share = reading.load_15min / reading.processors
    if share < NOT_BUSY:
        return Fine.WELL
    if share < BUSY:
        return Fine.BETWEEN
    return Finding(
        Severity.INFO,
        "The machine has more to do than it can",
        "Pictures may come late. Raise Time between frames or Binning under Settings, Camera.",
    )


RULES = (
    Rule("machine.memory", judge_memory, raise_after_s=180, clear_after_s=300),
    Rule("machine.busy", judge_load, clear_after_s=300),
)
