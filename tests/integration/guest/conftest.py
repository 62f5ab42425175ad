"""One guest for all tests of this folder: to start it takes longest. It ends with them, since it computes even when it rests."""

from collections.abc import Generator, Iterator

import pytest

from tests.integration.guest import recipe
from tests.integration.guest.machine import Guest


@pytest.fixture(scope="package")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with Guest(recipe.base(), tmp_path_factory.mktemp("guest")) as made:
        print(f"guest: started in {made.booted_s:.0f} s")
        made.run("systemctl", "is-system-running", "--wait", timeout_s=600)  # until its certificate is made
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the guest said with a test that failed."""
    report = yield
    made = getattr(item, "funcargs", {}).get("guest")
    if report.failed and isinstance(made, Guest):
        report.sections.append(("guest", made.told()))
    return report
