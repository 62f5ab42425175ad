"""What is written to the card while nothing happens: a card wears out by what is written to it."""

from typing import Any

import pytest

from tests.image import questions
from tests.image.card import COMMANDS, Card
from tests.image.owner import let_rest, owned

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(7200)]

LIMIT_BYTES_H = 2_000_000
MEASURED_S = 600
OVER = "import os, pathlib; pathlib.Path(given).write_bytes(os.urandom(3 << 20))"


@pytest.fixture(scope="module")
def resting(card: Card) -> Card:
    """Return a card that is claimed, with a camera that rests; what the claim has begun is over."""
    let_rest(owned(card))
    card.must("sleep", "60", timeout_s=3600)
    return card


def written(card: Card, began: dict[str, Any]) -> tuple[int, float]:
    """Return how many bytes were written since, and how many that makes in an hour of the machine's own time."""
    now = card.python(questions.WRITTEN)
    count = now["bytes"] - began["bytes"]
    return count, count * 3600 / (now["uptime_s"] - began["uptime_s"])


def test_next_to_nothing_is_written_while_the_camera_rests(resting: Card) -> None:
    began = resting.python(questions.WRITTEN)
    resting.must("sleep", str(MEASURED_S), timeout_s=4 * MEASURED_S)
    count, in_an_hour = written(resting, began)
    print(f"image: {count} bytes written to the card at rest in {MEASURED_S} s, {in_an_hour / 1e6:.2f} MB an hour")
    assert in_an_hour < LIMIT_BYTES_H


def test_what_is_written_is_counted(resting: Card) -> None:
    began = resting.python(questions.WRITTEN)
    try:
        resting.python(OVER, "/data/over")
        assert written(resting, began)[0] > LIMIT_BYTES_H
    finally:
        resting.must("rm", "-f", "/data/over")
