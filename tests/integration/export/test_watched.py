"""A child as the supervisor sees it, with programs that behave badly in its place."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.export.messages import Ended, Outcome, Progress, Task
from appliance.export.watched import Child

TASK = Task("/nowhere", "/nowhere", "roof-A", "vfat", ())
PROGRESS = '{"is": "progress", "done_bytes": 1, "total_bytes": 2, "done_files": 3, "free_bytes": 4}'


def child_of(script: str) -> Child:
    child = Child((sys.executable, "-c", script), time.monotonic)
    child.start(TASK)
    return child


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def all_events(child: Child) -> list[object]:
    found: list[object] = []
    while True:
        is_over = child.is_over
        found += child.events()
        if is_over:
            child.leave()
            return found
        time.sleep(0.01)


def test_lines_are_heard_whole_however_they_come() -> None:
    child = child_of(
        f"import os, time\nfor piece in ({PROGRESS[:20]!r}, {PROGRESS[20:]!r} + chr(10) + {PROGRESS!r}, chr(10)):\n"
        " os.write(1, piece.encode()); time.sleep(0.1)"
    )
    assert all_events(child) == [Progress(1, 2, 3, 4)] * 2


def test_what_was_said_last_is_heard_after_the_end() -> None:
    child = child_of(f"print(({PROGRESS!r} + chr(10)) * 500, end='')")
    wait_until(lambda: child.is_over)
    assert len(all_events(child)) == 500


@pytest.mark.parametrize(
    "says", ["'nonsense'", "'[' * 60000", '\'{"is": "ended", "outcome": "fine"}\'', "'x' * 70000, end=''", "'\\0' * 10"]
)
def test_nonsense_ends_it(says: str) -> None:
    child = child_of(f"import time\nprint({says}, flush=True)\ntime.sleep(600)")
    found: list[object] = []
    deadline = time.monotonic() + 60
    while not found:
        assert time.monotonic() < deadline
        found += child.events()
    assert found == [Ended(Outcome.BROKEN, "the copying process talks nonsense")]
    wait_until(lambda: child.is_over)
    child.leave()
    assert child.reap() == 0


def test_asking_never_waits_and_silence_is_counted() -> None:
    child = child_of("import time\ntime.sleep(600)")
    began = time.monotonic()
    for _ in range(200):
        assert child.events() == []
        assert not child.is_over
    assert time.monotonic() - began < 10
    time.sleep(0.2)
    assert child.silent_s >= 0.2
    child.kill()
    child.leave(10)
    assert child.reap() == 0


def test_one_that_ends_before_it_has_its_task_is_over() -> None:
    child = Child(("false",), time.monotonic)
    for _ in range(20):
        child.start(TASK)
        assert all_events(child) == []


def test_one_that_does_not_exist_is_told() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        Child(("/no-such-program",), time.monotonic).start(TASK)


def test_one_that_cannot_be_ended_is_left_behind_until_it_is(tmp_path: Path) -> None:
    """A child in the kernel's hands ends when it likes; here one that nobody kills stands for it."""
    child = child_of("import os, time\nprint(flush=True)\ntime.sleep(600)")
    assert child._process is not None
    pid = child._process.pid
    os.kill(pid, signal.SIGSTOP)
    child.leave()
    assert child.reap() == 1
    assert child.is_over
    child.start(TASK)
    child.kill()
    child.leave(10)
    assert child.reap() == 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: child.reap() == 0)


def test_it_gets_no_descriptor_and_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "LISTEN_FDS", "NIGHTJAR_DATA", "SOMETHING_SECRET"):
        monkeypatch.setenv(name, "secret")
    descriptor = os.open(tmp_path / "open", os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 50, inheritable=True)
    path = str(tmp_path / "found")
    child = child_of(
        "import os\n"
        f"with open({path!r}, 'w') as file:\n"
        "    print(dict(os.environ), os.listdir('/proc/self/fd'), os.getcwd(), file=file)"
    )
    wait_until(lambda: child.is_over)
    child.leave()
    os.close(descriptor)
    os.close(50)
    found = (tmp_path / "found").read_text()
    assert "secret" not in found
    assert "'50'" not in found
    assert found.rstrip().endswith(" /")
