"""Power cuts, as many as `--power-cuts` says: each on a card of its own, which is as another was when it kept its moment."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.card import COMMANDS, Card
from tests.image.conftest import cuts_of, results_of
from tests.image.cuts import Cut, healthy, prepare_claimed, suffer
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(7200)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each cut that has no outcome yet."""
    if "cut" in metafunc.fixturenames:
        metafunc.parametrize("cut", cuts_of(Path(__file__).name, metafunc.config), ids=str)


@pytest.fixture(scope="module")
def make(image: Path, u_boot: Path, *, is_busy: bool) -> Callable[[Path, Path | None], Card]:
    """Return what makes a card in a folder: new, or as another one was at the moment that it kept."""
    return lambda folder, kept: Card(kept or image, u_boot, folder, is_counted=is_busy, is_kept=kept is not None)


@pytest.fixture(scope="module")
def started(make: Callable[[Path, Path | None], Card], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return a card that waits to be claimed, and how long it took from power-on until it did."""
    with make(tmp_path_factory.mktemp("started"), None) as card:
        start_s = healthy(card, Panel(card))
        card.keep()
    return card.card, start_s


@pytest.fixture(scope="module")
def claimed(
    make: Callable[[Path, Path | None], Card], started: tuple[Path, float], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a card that is claimed and takes pictures."""
    card = make(tmp_path_factory.mktemp("claimed"), started[0])
    card.resume()
    try:
        prepare_claimed(card)
        card.keep()
    finally:
        card.cut_power()
    return card.card


def test_a_power_cut_costs_one_frame_at_most(
    cut: Cut,
    image: Path,
    make: Callable[[Path, Path | None], Card],
    started: tuple[Path, float],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    match cut.phase:
        case "first start":
            base = None
        case "claim":
            base = started[0]
        case _:
            base = request.getfixturevalue("claimed")
    outcome = suffer(cut, make(tmp_path, base), start_s=started[1])
    results_of(Path(__file__).name, pytestconfig).add(outcome.seen_with(image))
    assert outcome.is_well, outcome
    shutil.rmtree(tmp_path)  # a hundred cards would fill a disk
