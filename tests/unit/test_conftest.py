"""The rule about skips, tried on pytest itself in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.needs("no-such-command")
def test_marked(): ...

@pytest.mark.skip(reason="not today")
def test_skipped(): ...

@pytest.mark.xfail(strict=True)
def test_known_to_fail():
    raise AssertionError

@pytest.mark.needs("sh")
def test_with_its_command(): ...
"""
MODULE = 'import pytest\npytest.importorskip("no_such_module")\n'


def _pytest(project: Path, folder: Path, *options: str, ci: str | None) -> str:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs\n")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_module.py").write_text(MODULE)
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": ci} if ci else {})
    environment |= {"PYTHONPATH": str(project), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # to load them all takes seconds
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
        "-ra",
        *options,
    ]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False).stdout


@pytest.mark.parametrize("ci", [None, ""])
def test_a_missing_part_is_a_skip_on_a_developers_machine(project: Path, tmp_path: Path, ci: str | None) -> None:
    assert "1 passed, 3 skipped, 1 xfailed" in _pytest(project, tmp_path, ci=ci).splitlines()[-1]


@pytest.mark.parametrize("options", [(), ("-p", "xdist.plugin", "-p", "tests.workers", "--numprocesses=2")])
def test_a_missing_part_is_a_failure_in_ci(project: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    output = _pytest(project, tmp_path, *options, ci="true")
    assert "1 passed, 1 xfailed, 3 errors" in output.splitlines()[-1]
    assert "in CI nothing is skipped: needs no-such-command" in output


def test_a_free_port_can_be_listened_on(free_port: int) -> None:
    assert 1024 <= free_port <= 65535
