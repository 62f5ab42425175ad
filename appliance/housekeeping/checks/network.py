"""Checks of the network: whether there is any, and whether the Wi-Fi carries."""

from appliance.domain.health import Severity
from appliance.domain.machine import Reading
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict

WEAK_DBM, GOOD_DBM = -80.0, -75.0


def judge_connection(reading: Reading) -> Verdict:
    """Say whether no interface is connected; one of which nothing is known may be."""
    if not reading.interfaces or any(one.has_carrier is not False for one in reading.interfaces):
        return Fine.WELL
    return Finding(
        Severity.INFO,
        "No network is connected",
        "Pictures are taken and kept all the same. Check the cable or the Wi-Fi; the panel is reached again when it is back.",
    )


def judge_signal(reading: Reading) -> Verdict:
    """Say whether the Wi-Fi is weak."""
    signal = reading.signal_dbm
    if signal is None or signal > GOOD_DBM:
        return Fine.WELL
    if signal > WEAK_DBM:
        return Fine.BETWEEN
    return Finding(
        Severity.INFO,
        f"The Wi-Fi is weak: \N{MINUS SIGN}{-signal:.0f} dBm",
        "The panel and uploads may be slow. Bring the access point nearer, turn the box, or use a cable.",
    )


RULES = (
    Rule("network.none", judge_connection, raise_after_s=300),
    Rule("network.weak", judge_signal, raise_after_s=600, clear_after_s=600),
)
