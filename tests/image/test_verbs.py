"""What polkit lets the appliance's users have the booted machine do: every action that it knows, asked of it there."""

from typing import Any

import pytest

from tests.image import questions
from tests.image.card import COMMANDS, Card
from tests.image.owner import owned
from tests.integration.host.polkitroom import ALLOWED, DETAILS, IMPLIED, NETWORK, passes

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(3600)]

DETAILED = {action: list(enumerate(DETAILS)) for action, alternatives in ALLOWED.items() if alternatives != ({},)}
"""Actions of which it counts what polkit is told beside; of the others nothing is told."""
GIVEN_TO_ANYBODY = 5
ANYBODY = {
    "org.freedesktop.login1.inhibit-block-idle", "org.freedesktop.login1.inhibit-delay-shutdown",
    "org.freedesktop.login1.inhibit-delay-sleep", "org.freedesktop.login1.set-self-linger",
}  # fmt: skip


def ask(card: Card, how: str, unit: str) -> dict[str, Any]:
    """Return what a unit's process is given, told by its connection to the bus or by its number."""
    said: dict[str, Any] = card.python(questions.VERBS, [how, unit, DETAILED], timeout_s=2400)
    assert said["known"].keys() >= ALLOWED.keys() | IMPLIED, "else polkit was asked of nothing"
    return said


def test_the_panel_is_given_exactly_the_listed_verbs(card: Card) -> None:
    owned(card)
    said = ask(card, "connection", "nightjar.service")
    expected = {
        (action, number)
        for action in said["known"]
        for number, details in DETAILED.get(action, [(0, {})])
        if action in IMPLIED or passes(action, details)
    }
    assert {(action, number) for action, number in said["given"]} == expected
    assert said["asked for a password"] == []
    assert {action for action, _ in expected} == ALLOWED.keys() | IMPLIED


def test_whom_polkit_knows_by_a_number_only_is_given_the_network_or_nothing(card: Card) -> None:
    for unit, verbs in (("nightjar.service", set(NETWORK)), ("nightjar-indi.service", set())):
        said = ask(card, "process", unit)
        assert {action for action, _ in said["given"]} == verbs
        assert said["asked for a password"] == []


def test_exactly_these_verbs_are_everybodys(card: Card) -> None:
    said = ask(card, "process", "dbus.service")
    assert {action for action, given in said["known"].items() if given == GIVEN_TO_ANYBODY} == ANYBODY
    assert {action for action, _ in said["given"]} == ANYBODY
