"""Checks of heat and of what the processor does about it."""

from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict

HOT_C, COOL_C = 80.0, 75.0
"""A Raspberry Pi slows its processor down from 80 degrees on."""
VERY_HOT_C = 90.0
_ADVICE = "Put the box into the shade, see that its fan turns and that air can pass."


def judge_heat(reading: Reading) -> Verdict:
    """Say whether the processor is hot."""
    degrees = reading.temperature_c
    if degrees is None or degrees < COOL_C:
        return Fine.WELL
    if degrees < HOT_C:
        return Fine.BETWEEN
    if degrees >= VERY_HOT_C:
        return Finding(
            Severity.ERROR, f"The processor is very hot: {degrees:.0f} °C", f"It may switch itself off any moment. {_ADVICE}"
        )
    return Finding(Severity.WARNING, f"The processor is hot: {degrees:.0f} °C", f"It slows down to protect itself. {_ADVICE}")


def judge_slowness(reading: Reading) -> Verdict:
    """Say whether the processor is slowed down for a reason that no other check tells."""
    if not reading.now.is_slowed:
        return Fine.WELL
    if reading.now.under_voltage or (reading.temperature_c is not None and reading.temperature_c >= HOT_C):
        return Fine.BETWEEN
    return Finding(
        Severity.WARNING,
        "The processor is slowed down",
        f"It protects itself, mostly from heat. {_ADVICE} If it is cool, use the official power supply.",
    )


RULES = (
    Rule("machine.hot", judge_heat, raise_after_s=120, clear_after_s=300),
    Rule("machine.slowed", judge_slowness, clear_after_s=900),
)
