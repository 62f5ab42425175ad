"""The child process as the supervisor sees it: started, heard, and given up on."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from appliance.export.messages import LONGEST_LINE, Ended, Event, Outcome, Task, event_of, line_of

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 1 << 20
_KEPT_VARIABLES = ("PATH", "PYTHON", "LANG", "LC_", "TZ", "COVERAGE_")


def child_command() -> tuple[str, ...]:
    """Return how the child is started: it reads and writes only while nobody else wants to."""
    gentle = ("ionice", "-c", "3", "-t") if shutil.which("ionice") else ()
    return (*gentle, sys.executable, "-P", "-m", "appliance", "export-child")


class Child:
    """One child at a time. A child that cannot even be killed (it waits for a dead stick in the kernel) is left behind."""

    def __init__(self, command: Sequence[str], now: Callable[[], float]) -> None:
        self._command, self._now = tuple(command), now
        self._process: subprocess.Popen[bytes] | None = None
        self._left_behind: list[subprocess.Popen[bytes]] = []
        self._heard = b""
        self._heard_at = 0.0

    def start(self, task: Task) -> None:
        """Start a child with a task; raises OSError."""
        environment = {name: value for name, value in os.environ.items() if name.startswith(_KEPT_VARIABLES)}
        self._heard, self._heard_at = b"", self._now()
        self._process = subprocess.Popen(  # noqa: S603 - a list of our own words, no shell
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd="/", start_new_session=True
        )
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        if pipe_in is None or pipe_out is None:
            raise ValueError("a child without pipes")
        os.set_blocking(pipe_out.fileno(), False)
        try:
            with pipe_in:
                pipe_in.write(line_of(task))  # shorter than a pipe takes without a reader
        except BrokenPipeError:
            log.warning("the export child ended before it had its task")

    def events(self) -> list[Event]:
        """Return what the child said since the last time; a child that talks nonsense is killed."""
        if self._process is None or self._process.stdout is None:
            return []
        heard = b""
        with contextlib.suppress(BlockingIOError):
            while len(heard) < _MOST_AT_ONCE and (more := os.read(self._process.stdout.fileno(), LONGEST_LINE)):
                heard += more
        if heard:
            self._heard_at = self._now()
        *lines, self._heard = (self._heard + heard).split(b"\n")
        try:
            if len(self._heard) > LONGEST_LINE:
                raise ValueError("a line that is too long")
            return [event_of(line) for line in lines]
        except ValueError as error:
            log.warning("the export child talks nonsense: %s", error)
            self.kill()
            return [Ended(Outcome.BROKEN, "the copying process talks nonsense")]

    @property
    def silent_s(self) -> float:
        """Seconds since the child said something."""
        return self._now() - self._heard_at

    @property
    def is_over(self) -> bool:
        """Whether the child has ended, or there is none."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Ask the child to keep what it has and to end."""
        if self._process is not None and not self.is_over:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child."""
        if self._process is not None and not self.is_over:
            self._process.send_signal(signal.SIGKILL)

    def leave(self, patience_s: float = 0.0) -> None:
        """Be done with the child: what it holds of ours is closed; it is reaped now or when it ends."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
            if process.stdout is not None:
                process.stdout.close()
            self._left_behind.append(process)
            self.reap()

    def reap(self) -> int:
        """Take note of children that ended since; return how many still have not."""
        self._left_behind = [process for process in self._left_behind if process.poll() is None]
        return len(self._left_behind)
