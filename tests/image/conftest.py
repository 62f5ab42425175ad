"""The built image, booted once for all tests of this folder. `./build.sh image-test` names it; without it nothing here is run."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.image import cuts, updatecuts
from tests.image.card import Card, unpacked
from tests.image.cuts import Cut, Results, planned

OUTCOMES = Path(__file__).with_name("outcomes")
CUTS = {
    "test_power_cuts.py": ("power-cuts.jsonl", cuts.PHASES),
    "test_update_cuts.py": ("update-cuts.jsonl", updatecuts.PHASES),
}
"""Where the outcomes of the power cuts of each test file are kept, and what is cut."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", type=Path, help="the image that is booted, as ./build.sh image makes it (.img.xz)")
    parser.addoption("--u-boot", type=Path, help="U-Boot for QEMU, of the same version as the image's")
    parser.addoption("--power-cuts", type=int, default=0, metavar="N", help="cut the power so many times")
    parser.addoption("--seed", type=int, default=1, help="which power cuts")
    parser.addoption("--results", type=Path, default=OUTCOMES, help="the folder that what was seen and measured is added to")
    parser.addoption(
        "--busy", action="store_true", help="this computer is busy with other things: the machine's clock counts its instructions"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests to `./build.sh image-test`: an image is not built at each run of the others."""
    if not collection_path.name.startswith("test_"):
        return None
    if config.getoption("--image", default=None) is None:
        return True
    return True if collection_path.name in CUTS and not cuts_of(collection_path.name, config) else None


def results_file(name: str, config: pytest.Config) -> Path:
    """Return a file of what was seen and measured."""
    return Path(config.getoption("--results"), name)


def results_of(name: str, config: pytest.Config) -> Results:
    """Return what is known of the power cuts of a test file."""
    return Results(results_file(CUTS[name][0], config))


def cuts_of(name: str, config: pytest.Config) -> list[Cut]:
    """Return the power cuts of a test file that are asked for and have no outcome yet."""
    return planned(config.getoption("--seed"), config.getoption("--power-cuts"), results_of(name, config), CUTS[name][1])


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image, unpacked; nothing may write to it."""
    return unpacked(pytestconfig.getoption("--image"), tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def u_boot(pytestconfig: pytest.Config) -> Path:
    path: Path = pytestconfig.getoption("--u-boot")
    return path.resolve()


@pytest.fixture(scope="session")
def is_busy(pytestconfig: pytest.Config) -> bool:
    """Return whether the machine's clock shall count its own instructions."""
    return bool(pytestconfig.getoption("--busy"))


@pytest.fixture(scope="session")
def card(image: Path, u_boot: Path, tmp_path_factory: pytest.TempPathFactory, *, is_busy: bool) -> Iterator[Card]:
    with Card(image, u_boot, tmp_path_factory.mktemp("card"), is_counted=is_busy) as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the machine said with a test that failed, and why it failed at once: all of them take an hour."""
    report = yield
    made = getattr(item, "funcargs", {}).get("card")
    if report.failed:
        if isinstance(made, Card):
            report.sections.append(("card", made.told()))
        item.config.get_terminal_writer().line(f"\n{report.longreprtext}")
    return report
