"""What every test may ask for, and the rule that in CI a missing part is a failure and never a skip."""

import os
import shutil
import socket
from collections.abc import Generator
from pathlib import Path
from typing import cast

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

for name in [name for name in os.environ if name.startswith("NIGHTJAR_")]:
    del os.environ[name]  # a developer's own data folder or clock must not reach the tests

# Examples are drawn afresh on a developer's machine; in CI a failure must be the same one when it is run again.
hypothesis.settings.register_profile("nightjar", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True)
hypothesis.settings.load_profile("nightjar")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a developer ask for more than every run does."""
    parser.addoption("--damaged", type=int, default=20, help="how many damaged file systems the guest is given")


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return cast("int", server.getsockname()[1])


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that is marked with commands which are not installed."""
    commands = [command for mark in item.iter_markers("needs") for command in mark.args]
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: `./build.sh test` installs what Debian has")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"in CI nothing is skipped: {reason.removeprefix('Skipped: ')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failed one in CI."""
    report = yield
    _refuse_skip(report)
    return report
