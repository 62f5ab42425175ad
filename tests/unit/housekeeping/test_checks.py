"""Checks of the machine: what each raises, what it lets be, when it goes; and that none flaps."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from appliance.domain.health import Severity
from appliance.domain.machine import Disk, Interface, Memory, Reading, Strain
from appliance.housekeeping.checks.disk import IO_ERRORS_AN_HOUR, READINGS_AN_HOUR, make_rules
from appliance.housekeeping.checks.heat import RULES as HEAT
from appliance.housekeeping.checks.network import RULES as NETWORK
from appliance.housekeeping.checks.rule import Finding, Fine, Rule, Verdict, Watched
from appliance.housekeeping.checks.supply import RULES as SUPPLY
from appliance.housekeeping.checks.work import RULES as WORK

AT = datetime(2026, 1, 31, 20, tzinfo=UTC)
UNKNOWN = Reading(AT)
CABLE = Interface("eth0", is_wireless=False, is_up=True, has_carrier=True, received_bytes=1, sent_bytes=1)
WIFI = replace(CABLE, name="wlan0", is_wireless=True, signal_dbm=-60.0)
OFF = replace(CABLE, has_carrier=False)
WELL = Reading(
    AT,
    temperature_c=50.0,
    now=Strain(False, False, False, False),
    since_start=Strain(False, False, False, False),
    load=1.0,
    load_15min=1.0,
    processors=4,
    memory=Memory(1000, 500, 0.0),
    disk=Disk("mmcblk0", worn_percent=10, spare_blocks="normal", file_system_errors=0, io_errors=0, is_read_only=False),
    interfaces=(CABLE, WIFI),
)
MINUTE = 60.0
LONG = 100


def rules() -> dict[str, Rule]:
    return {rule.key: rule for rule in (*SUPPLY, *HEAT, *make_rules(), *WORK, *NETWORK)}


def with_disk(**changes: object) -> Reading:
    return replace(WELL, disk=replace(WELL.disk, **changes))  # type: ignore[arg-type] # tests name fields that there are


def after(key: str, *readings: Reading) -> list[Finding | None]:
    """Return what is shown after each of the readings, a minute apart."""
    watched = Watched(rules()[key])
    return [watched.look(reading, MINUTE * number) for number, reading in enumerate(readings)]


BAD = [
    ("machine.under_voltage", replace(WELL, now=Strain(under_voltage=True)), Severity.WARNING, "official power supply"),
    ("machine.under_voltage", replace(WELL, since_start=Strain(under_voltage=True)), Severity.INFO, "official power supply"),
    ("machine.hot", replace(WELL, temperature_c=80.0), Severity.WARNING, "into the shade"),
    ("machine.hot", replace(WELL, temperature_c=90.0), Severity.ERROR, "its fan"),
    ("machine.slowed", replace(WELL, now=Strain(is_throttled=True)), Severity.WARNING, "its fan"),
    ("machine.slowed", replace(WELL, now=Strain(is_capped=True)), Severity.WARNING, "official power supply"),
    ("disk.read_only", with_disk(is_read_only=True), Severity.ERROR, "replace the card"),
    ("disk.damaged", with_disk(file_system_errors=1), Severity.WARNING, "replace the card"),
    ("disk.worn", with_disk(worn_percent=90), Severity.WARNING, "replace the card"),
    ("disk.worn", with_disk(spare_blocks="low"), Severity.WARNING, "replace the card"),
    ("disk.worn", with_disk(worn_percent=110), Severity.ERROR, "replace the card"),
    ("disk.worn", with_disk(spare_blocks="nearly gone"), Severity.ERROR, "replace the card"),
    ("disk.slow", with_disk(stalled_percent=60.0), Severity.INFO, "fast one"),
    ("machine.memory", replace(WELL, memory=Memory(1000, 79, 0.0)), Severity.WARNING, "Binning"),
    ("machine.memory", replace(WELL, memory=Memory(1000, 500, 20.0)), Severity.WARNING, "Binning"),
    ("machine.busy", replace(WELL, load_15min=8.0), Severity.INFO, "Time between frames"),
    ("network.none", replace(WELL, interfaces=(OFF,)), Severity.INFO, "cable"),
    ("network.weak", replace(WELL, interfaces=(replace(WIFI, signal_dbm=-80.0),)), Severity.INFO, "nearer"),
]
LET_BE = [
    ("machine.under_voltage", replace(WELL, now=Strain(is_throttled=True))),
    ("machine.hot", replace(WELL, temperature_c=79.9)),
    ("machine.slowed", replace(WELL, now=Strain(is_near_limit=True))),
    ("machine.slowed", replace(WELL, now=Strain(is_throttled=True), temperature_c=81.0)),
    ("machine.slowed", replace(WELL, now=Strain(is_throttled=True, under_voltage=True))),
    ("machine.slowed", replace(WELL, since_start=Strain(is_throttled=True))),
    ("disk.worn", with_disk(worn_percent=80)),
    ("disk.failing", with_disk(io_errors=1000)),
    ("disk.slow", with_disk(stalled_percent=59.0)),
    ("machine.memory", replace(WELL, memory=Memory(1000, 80, 19.0))),
    ("machine.memory", replace(WELL, memory=Memory(None, 5, None))),
    ("machine.busy", replace(WELL, load_15min=7.9)),
    ("machine.busy", replace(WELL, load_15min=1000.0, processors=None)),
    ("network.none", replace(WELL, interfaces=(OFF, CABLE))),
    ("network.none", replace(WELL, interfaces=(OFF, replace(WIFI, has_carrier=None)))),
    ("network.none", replace(WELL, interfaces=())),
    ("network.weak", replace(WELL, interfaces=(replace(WIFI, signal_dbm=-79.0),))),
    ("network.weak", replace(WELL, interfaces=(replace(WIFI, signal_dbm=-90.0), replace(WIFI, signal_dbm=-50.0)))),
]


@pytest.mark.parametrize(("key", "reading", "severity", "advice"), BAD)
def test_what_is_wrong_is_told_with_what_to_do(key: str, reading: Reading, severity: Severity, advice: str) -> None:
    found = after(key, *[reading] * LONG)[-1]
    assert found is not None
    assert (found.severity, found.advice.endswith(".")) == (severity, True)
    assert advice in found.advice


@pytest.mark.parametrize(("key", "reading"), LET_BE)
def test_what_is_not_wrong_is_let_be(key: str, reading: Reading) -> None:
    assert after(key, *[reading] * LONG) == [None] * LONG


@pytest.mark.parametrize("key", sorted(rules()))
def test_a_machine_that_is_well_or_tells_nothing_has_no_issue(key: str) -> None:
    assert after(key, *[WELL] * LONG, *[UNKNOWN] * LONG) == [None] * 2 * LONG


@pytest.mark.parametrize(("key", "reading"), [(key, reading) for key, reading, _, _ in BAD])
@pytest.mark.parametrize("better", [WELL, UNKNOWN])
def test_every_issue_goes_when_its_reason_has_gone(key: str, reading: Reading, better: Reading) -> None:
    shown = after(key, *[reading] * LONG, *[better] * LONG)
    assert shown[LONG - 1] is not None
    assert shown[-1] is None


def test_each_rule_is_held_by_a_test() -> None:
    assert {key for key, *_ in BAD} | {"disk.failing"} == set(rules())


def test_heat_is_told_after_two_minutes_and_gone_after_five_below_its_lower_bound() -> None:
    hot, between = replace(WELL, temperature_c=82.0), replace(WELL, temperature_c=77.0)
    shown = after("machine.hot", hot, WELL, hot, hot, hot, *[between] * 30, WELL, between, *[WELL] * 6)
    assert [one is not None for one in shown] == [False] * 4 + [True] * 38 + [False]


def test_a_single_moment_of_low_voltage_is_told_at_once_and_shown_for_an_hour() -> None:
    moment = replace(WELL, now=Strain(under_voltage=True), since_start=Strain(under_voltage=True))
    later = replace(WELL, since_start=Strain(under_voltage=True))
    shown = [one.severity for one in after("machine.under_voltage", moment, *[later] * 62) if one]
    assert shown == [Severity.WARNING] * 61 + [Severity.INFO] * 2


def test_it_becomes_worse_at_once_and_better_with_patience() -> None:
    hot, very_hot = replace(WELL, temperature_c=82.0), replace(WELL, temperature_c=91.0)
    shown = [one.severity for one in after("machine.hot", *[hot] * 3, very_hot, *[hot] * 7) if one]
    assert shown == [Severity.WARNING] + [Severity.ERROR] * 6 + [Severity.WARNING] * 2


def test_the_words_follow_the_numbers_while_an_issue_lasts() -> None:
    shown = after("machine.hot", *[replace(WELL, temperature_c=81.0)] * 3, replace(WELL, temperature_c=85.0))
    assert [one.title for one in shown if one] == ["The processor is hot: 81 °C", "The processor is hot: 85 °C"]


def test_a_disk_that_fails_within_an_hour_is_told_and_one_that_failed_long_ago_is_not() -> None:
    errors = [with_disk(io_errors=7)] * 3 + [with_disk(io_errors=7 + IO_ERRORS_AN_HOUR)] * (READINGS_AN_HOUR + 70)
    shown = [one is not None for one in after("disk.failing", *errors)]
    # It grows at the fourth reading, leaves the hour's count sixty readings later, and stays an hour more.
    assert shown.index(True) == 3
    assert shown.count(True) == READINGS_AN_HOUR - 1 + 60
    assert not shown[-1]


def test_another_disk_begins_its_own_count() -> None:
    readings = [with_disk(io_errors=0), with_disk(io_errors=3), with_disk(io_errors=None), with_disk(io_errors=900)]
    assert after("disk.failing", *readings, with_disk(io_errors=2), with_disk(io_errors=4)) == [None] * 6


def test_readings_around_a_bound_do_not_make_an_issue_flap() -> None:
    finding = Finding(Severity.INFO, "bad", "do something.")
    verdicts: Iterator[Verdict] = iter(
        [finding, Fine.BETWEEN, finding, Fine.WELL, finding, Fine.WELL, Fine.BETWEEN, Fine.WELL, finding]
    )
    watched = Watched(Rule("a", lambda _: next(verdicts), clear_after_s=120))
    assert [watched.look(WELL, MINUTE * number) for number in range(9)] == [finding] * 9
