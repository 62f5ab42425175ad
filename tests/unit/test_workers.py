"""How the tests are dealt out to two processes, tried on pytest itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
import os, pathlib

def test_{0}():
    pathlib.Path("ran.txt").open("a").write(__name__.rpartition(".")[2] + " " + os.environ["PYTEST_XDIST_WORKER"] + "\\n")
    assert {1}
"""
FILES = ("unit/test_first.py", "unit/test_second.py", "integration/guest/test_binding.py", "integration/guest/test_sticks.py")


def _dealt_out(project: Path, folder: Path, *, fails: str = "") -> tuple[int, str, list[tuple[str, str]]]:
    """Return exit code, last line, and which file's tests ran in which process, in their order."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name in FILES:
        path = folder / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(TEST.format(number, name != fails or number != 1) for number in range(3)))
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-p", "no:cacheprovider"]
    command += ["-p", "xdist.plugin", "-p", "tests.workers"]
    environment = os.environ | {"PYTHONPATH": str(project), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command += ["--numprocesses=2", "--no-loadscope-reorder"]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False)
    ran = [line.split() for line in (folder / "ran.txt").read_text().splitlines()]
    return ended.returncode, ended.stdout.splitlines()[-1], [(file, worker) for file, worker in ran]


def test_a_file_stays_in_one_process_and_the_guests_files_are_begun_first_in_the_same(project: Path, tmp_path: Path) -> None:
    code, summary, ran = _dealt_out(project, tmp_path)
    assert code == 0
    assert "12 passed" in summary
    workers = {file: {worker for name, worker in ran if name == file} for file, _ in ran}
    assert workers.keys() == {Path(name).stem for name in FILES}
    assert all(len(found) == 1 for found in workers.values())
    assert workers["test_binding"] == workers["test_sticks"]
    (guests,) = workers["test_binding"]
    assert [file for file, worker in ran if worker == guests][:6] == ["test_binding"] * 3 + ["test_sticks"] * 3
    assert set().union(*workers.values()) == {"gw0", "gw1"}


@pytest.mark.parametrize("name", ["unit/test_second.py", "integration/guest/test_sticks.py"])
def test_a_failure_in_either_process_fails_the_whole(project: Path, tmp_path: Path, name: str) -> None:
    code, summary, _ = _dealt_out(project, tmp_path, fails=name)
    assert code == 1
    assert "1 failed, 11 passed" in summary
