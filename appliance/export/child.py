"""`python -m appliance export-child`: one task from stdin, events to stdout; all that ever touches a stick runs here."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from types import FrameType

from appliance.export.messages import LONGEST_LINE, Event, line_of, task_of
from appliance.export.run import Export, Hands

NICENESS = 19
_PR_SET_PDEATHSIG = 1
"""Of prctl(2); util-linux's setpriv would do it, but asks for capset(2) besides, which the supervisor's sandbox refuses."""


class _Stop:
    """Whether SIGTERM came."""

    def __init__(self) -> None:
        self.is_wanted = False

    def want(self, _number: int, _frame: FrameType | None) -> None:
        """Note the signal; the work looks at every piece."""
        self.is_wanted = True


def run() -> int:
    """Do one task; nothing is heard after it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)  # whoever started us has died: so do we
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop.want)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which then ends us
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    task = task_of(sys.stdin.buffer.readline(LONGEST_LINE + 1))
    hands = Hands(say=_say, is_stopping=lambda: stop.is_wanted, now=time.monotonic, sleep=time.sleep)
    _say(Export(task, hands).run())
    return 0


def _say(event: Event) -> None:
    sys.stdout.buffer.write(line_of(event))
    sys.stdout.buffer.flush()
