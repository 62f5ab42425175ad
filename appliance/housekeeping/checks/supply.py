"""The check of the power supply."""

from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict

_ADVICE = "Use the official power supply with its own cable, and a USB hub with a supply of its own for what needs much power."


def judge_supply(reading: Reading) -> Verdict:
    """Say whether the voltage was too low, now or at a moment since the start."""
    if reading.now.under_voltage:
        return Finding(
            Severity.WARNING,
            "The power supply is too weak",
            f"The voltage falls too low: pictures and the card itself can be damaged. {_ADVICE}",
        )
    if reading.since_start.under_voltage:
        return Finding(
            Severity.INFO,
            "The power supply was too weak for a moment",
            f"The voltage fell too low at least once since the start. {_ADVICE}",
        )
    return Fine.WELL


RULES = (Rule("machine.under_voltage", judge_supply, clear_after_s=3600),)
