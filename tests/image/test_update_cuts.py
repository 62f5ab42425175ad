"""Power cuts of an update, as many as `--power-cuts` says: each on a card that is as another was when it kept its moment."""

import shutil
from pathlib import Path

import pytest

from imagebuild import keys
from tests.image import releases
from tests.image.card import COMMANDS
from tests.image.conftest import cuts_of, results_of
from tests.image.cuts import Cut
from tests.image.owner import owned, take_pictures
from tests.image.releases import Releases
from tests.image.updatecuts import NEW, Points, Times, keep, suffer, timed_install, timed_restart, timed_upload
from tests.image.updated import Updated

pytestmark = [pytest.mark.needs(*COMMANDS, *releases.COMMANDS), pytest.mark.timeout(7200)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each cut that has no outcome yet."""
    if "cut" in metafunc.fixturenames:
        metafunc.parametrize("cut", cuts_of(Path(__file__).name, metafunc.config), ids=str)


@pytest.fixture(scope="module")
def points(image: Path, u_boot: Path, tmp_path_factory: pytest.TempPathFactory, *, is_busy: bool) -> Points:
    """Return the moments from which updates are cut, each kept by the machine that went on from the one before."""

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    def go_on(name: str, kept: Path) -> Updated:
        card = Updated(kept, u_boot, folder(name), is_counted=is_busy, is_kept=True)
        card.resume()
        return card

    bundle = Releases(image, folder("releases"), keys.Keys(keys.FOLDER)).make(NEW, releases.slow_migration)
    with Updated(image, u_boot, folder("owned"), is_counted=is_busy) as card:
        version = card.version()
        panel = owned(card)
        take_pictures(panel, 3)
        at_owner = keep(card, panel)
    with_bundle = go_on("uploaded", at_owner.card)
    try:
        panel = at_owner.panel(with_bundle)
        panel.meet(with_bundle)
        upload_s = timed_upload(panel, bundle)
        uploaded = keep(with_bundle, panel)
    finally:
        with_bundle.cut_power()
    with_both = go_on("installed", uploaded.card)
    try:
        panel = uploaded.panel(with_both)
        panel.meet(with_both)
        install_s = timed_install(panel)
        installed = keep(with_both, panel)
        with_both.resume()
        panel.meet(with_both)
        restart_s, start_s = timed_restart(with_both, panel)
    finally:
        with_both.cut_power()
    times = Times(upload_s, install_s, restart_s, start_s, version)
    print(times)
    return Points(at_owner, uploaded, installed, bundle, times)


def test_a_power_cut_of_an_update_leaves_a_good_system(
    cut: Cut, points: Points, image: Path, u_boot: Path, tmp_path: Path, pytestconfig: pytest.Config, *, is_busy: bool
) -> None:
    card = Updated(points.of(cut.phase).card, u_boot, tmp_path, is_counted=is_busy, is_kept=True)
    outcome = suffer(cut, card, points)
    results_of(Path(__file__).name, pytestconfig).add(outcome.seen_with(image))
    assert outcome.is_well, outcome
    shutil.rmtree(tmp_path)  # a hundred cards would fill a disk
