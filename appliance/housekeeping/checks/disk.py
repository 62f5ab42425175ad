"""Checks of the disk below the data folder: taking no more writes, damaged, worn, failing or slow."""

from collections import deque

from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict

WORN_PERCENT = 90
IO_ERRORS_AN_HOUR = 5
"""Fewer are weather: a disk that wakes up answers its first commands with errors."""
READINGS_AN_HOUR = 60
SLOW_PERCENT, FAST_PERCENT = 60.0, 40.0
_REPLACE = "Export the nights that you want to keep, then replace the card or disk."


def judge_writing(reading: Reading) -> Verdict:
    """Say whether the data folder takes no more writes."""
    if not reading.disk.is_read_only:
        return Fine.WELL
    return Finding(
        Severity.ERROR,
        "The disk takes no more writing",
        f"No picture can be kept. Start the machine anew. If this comes again, the disk is failing. {_REPLACE}",
    )


def judge_file_system(reading: Reading) -> Verdict:
    """Say whether the file system has met errors."""
    count = reading.disk.file_system_errors
    if not count:
        return Fine.WELL
    return Finding(
        Severity.WARNING,
        f"The file system of the disk has met {count} error{'' if count == 1 else 's'}",
        f"The card or disk may be failing, or the power went while it wrote. {_REPLACE}",
    )


def judge_wear(reading: Reading) -> Verdict:
    """Say whether a card is near its end, as it tells itself."""
    worn, spare = reading.disk.worn_percent, reading.disk.spare_blocks
    if spare == "nearly gone" or (worn is not None and worn > 100):
        return Finding(Severity.ERROR, "The card is worn out", f"It can fail any day. {_REPLACE}")
    if spare == "low" or (worn is not None and worn >= WORN_PERCENT):
        return Finding(Severity.WARNING, "The card is nearly worn out", f"It says so itself. {_REPLACE}")
    return Fine.WELL


class IoErrors:
    """Says whether the disk failed commands within the last hour: the kernel counts from the moment it was plugged in."""

    def __init__(self) -> None:
        self._counts: deque[int] = deque(maxlen=READINGS_AN_HOUR)

    def judge(self, reading: Reading) -> Verdict:
        """Compare with the counts of the last hour."""
        count = reading.disk.io_errors
        if count is None or (self._counts and count < self._counts[-1]):  # none, or another disk
            self._counts.clear()
        if count is None:
            return Fine.WELL
        self._counts.append(count)
        grown = count - self._counts[0]
        if grown < IO_ERRORS_AN_HOUR:
            return Fine.WELL
        return Finding(
            Severity.WARNING,
            f"The disk failed {grown} times within an hour",
            f"Check its cable and its power supply. If this goes on, the disk is failing. {_REPLACE}",
        )


def judge_speed(reading: Reading) -> Verdict:
    """Say whether everything waits for the disk most of the time."""
    percent = reading.disk.stalled_percent
    if percent is None or percent < FAST_PERCENT:
        return Fine.WELL
    if percent < SLOW_PERCENT:
        return Fine.BETWEEN
    return Finding(
        Severity.INFO,
        f"The disk is slow: programs waited for it {percent:.0f} % of the last minute",
        "A card that has become slow is often at its end. Take a fast one of good make, class A1 or A2.",
    )


def make_rules() -> tuple[Rule, ...]:
    """Return the rules; that of failed commands has a memory of its own."""
    return (
        Rule("disk.read_only", judge_writing),
        Rule("disk.damaged", judge_file_system),
        Rule("disk.worn", judge_wear),
        Rule("disk.failing", IoErrors().judge, clear_after_s=3600),
        Rule("disk.slow", judge_speed, raise_after_s=900, clear_after_s=900),
    )
