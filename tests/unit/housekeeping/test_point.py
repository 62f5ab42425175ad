"""When the machine opens its own access point, with numbers."""

from dataclasses import replace

import pytest

from appliance.housekeeping.point import PointFacts, PointStep, next_point

STAY, OPEN, CLOSE = PointStep.STAY, PointStep.OPEN, PointStep.CLOSE
ALONE = PointFacts(
    now_s=1180.0, started_s=1000.0, can_open=True, is_connected=False, was_connected=False, knows_wifi=False, is_changing=False
)
"""Three minutes after the start, and nothing has ever been connected."""
OPENED = replace(ALONE, opened_s=1180.0)


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (replace(ALONE, now_s=1179.9), STAY),
        (ALONE, OPEN),
        (replace(ALONE, now_s=90000.0), OPEN),
        (replace(ALONE, can_open=False), STAY),
        (replace(ALONE, is_connected=True, was_connected=True), STAY),
        (replace(ALONE, was_connected=True), STAY),  # what was there once comes back by itself
        (replace(ALONE, is_changing=True), STAY),
        (replace(ALONE, is_wanted=False), STAY),  # an admin has closed it
    ],
)
def test_it_opens_when_nothing_was_connected_for_three_minutes_after_the_start(facts: PointFacts, step: PointStep) -> None:
    assert next_point(facts) is step


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (replace(OPENED, now_s=1e6), STAY),  # there is nothing to look for
        (replace(OPENED, is_connected=True), CLOSE),
        (replace(OPENED, is_connected=True, is_wanted=True), STAY),  # an admin wants both
        (replace(OPENED, is_connected=True, is_changing=True), STAY),
        (replace(OPENED, knows_wifi=True, now_s=1779.9), STAY),
        (replace(OPENED, knows_wifi=True, now_s=1780.0), CLOSE),
        (replace(OPENED, knows_wifi=True, now_s=1780.0, asked_s=1200.0), STAY),  # somebody is at work
        (replace(OPENED, knows_wifi=True, now_s=1800.0, asked_s=1200.0), CLOSE),
    ],
)
def test_it_closes_for_a_network_and_makes_room_for_a_saved_one_now_and_then(facts: PointFacts, step: PointStep) -> None:
    assert next_point(facts) is step


def test_after_a_minute_of_looking_in_vain_it_opens_again() -> None:
    looking = replace(ALONE, knows_wifi=True, looking_since_s=1780.0)
    assert next_point(replace(looking, now_s=1839.9)) is STAY
    assert next_point(replace(looking, now_s=1840.0)) is OPEN
    assert next_point(replace(looking, now_s=1840.0, is_connected=True, was_connected=True)) is STAY
