"""SERVICE: one target and its queue; what waits there goes out, and nothing that goes wrong on the other side is ours."""

import logging
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from appliance.domain.clock import Clock
from appliance.domain.errors import StoppedError, UploadError, UploadRefusedError
from appliance.domain.fault import Fault, Words
from appliance.domain.health import Severity
from appliance.domain.upload import Courier, CourierState, RetryNow, Upload
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat
from appliance.uploads.pace import QuietHours, Throttle, pause_s
from appliance.uploads.port import Lasting, Target

log = logging.getLogger(__name__)

WAIT_S = 0.7
IDLE_S = 60.0
"""So long a connection is kept for the next picture."""
WEATHER_S = 600.0
"""A network may be away so long before anybody is told."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a target is served, as its settings say now."""

    title: str
    """Its name, for people."""
    is_on: bool
    bytes_per_s: int
    """0 for as fast as it goes."""
    quiet: QuietHours
    revision: int
    """Changes when what is needed to reach the target has changed."""
    words_of: Callable[[Fault], Words] = lambda fault: fault.words
    """Returns what is wrong and what to do, for people."""


class Queue(Protocol):
    """The rows; see `store/uploads.py`."""

    def claim(self, target: str, /) -> Upload | None:
        """Return what goes next."""
        ...

    def arrived(self, upload: Upload, size: int, /) -> None:
        """Note that it arrived."""
        ...

    def put_back(self, upload: Upload, message: str, /, *, is_counted: bool = True) -> None:
        """Let it wait again."""
        ...

    def refuse(self, upload: Upload, message: str, /) -> None:
        """Note that it is not taken."""
        ...

    def drop(self, upload: Upload, /) -> None:
        """Note that it is gone."""
        ...


class UploadService:
    """Serves one target."""

    def __init__(
        self,
        *,
        target_id: str,
        queue: Queue,
        open_file: Callable[[str], BinaryIO],
        make_target: Callable[[], Target],
        rules: Callable[[], Rules],
        local_time: Callable[[datetime], datetime],
        commands: Mailbox[RetryNow],
        published: Published[Courier],
        board: HealthBoard,
        clock: Clock,
        beat: Beat,
        is_stopping: Callable[[], bool],
        chance: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take what to work with.

        Parameters
        ----------
        target_id : str
        queue : Queue
        open_file : callable
            Opens a file of the data folder by its relative name; raises FileNotFoundError where it is gone.
        make_target : callable
            Builds the target as its settings say now; may raise UploadError.
        rules : callable
            Returns the target's rules of now.
        local_time : callable
            Turns a moment into the site's time.
        commands : Mailbox
            What the panel wants.
        published : Published
            What the panel shows.
        board, clock, beat
        is_stopping : callable
            Returns whether the work is to end soon.
        chance, sleep
            For tests.
        """
        self._id, self._queue, self._open_file, self._make_target = target_id, queue, open_file, make_target
        self._rules, self._local_time, self._commands, self._published = rules, local_time, commands, published
        self._board, self._clock, self._now, self._beat = board, clock, clock.monotonic, beat
        self._is_stopping, self._sleep = is_stopping, sleep
        self._chance = chance or random.Random()  # noqa: S311 - a jitter is no secret
        self._target: Target | None = None
        self._revision: int | None = None
        self._failures, self._failing_since_s = 0, float("inf")
        self._again_s = self._used_s = float("-inf")
        self._has_more = False
        self._issue = f"upload.{target_id}"

    def open(self) -> None:
        """Nothing to acquire: the target is connected to when there is something for it."""

    def step(self) -> None:
        """Send one file, or wait a moment."""
        if self._commands.take(0.0 if self._has_more else WAIT_S) is not None:
            self._begin_anew()
        self._has_more = False
        rules = self._rules()
        if rules.revision != self._revision:
            self._revision = rules.revision
            self._begin_anew()
        if not rules.is_on:
            self._rest(CourierState.OFF)
        elif rules.quiet.hold(self._local_time(self._clock.now())):
            self._rest(CourierState.QUIET)
        elif self._now() >= self._again_s:
            self._send_next(rules)
        elif self._again_s < float("inf"):
            self._tell(again_at=self._clock.now() + timedelta(seconds=self._again_s - self._now()))

    def close(self) -> None:
        """Hang up."""
        self._hang_up()

    def _send_next(self, rules: Rules) -> None:
        upload = self._queue.claim(self._id)
        if upload is None:
            if isinstance(self._target, Lasting):
                self._target.tend()
            elif self._target is not None and self._now() - self._used_s > IDLE_S:
                self._hang_up()
            self._publish(Courier(CourierState.IDLE))
            return
        try:
            with self._open_file(upload.outgoing.path) as file:
                self._send(upload, file, os.fstat(file.fileno()).st_size, rules)
        except FileNotFoundError:  # removed with its night before it could go
            self._queue.drop(upload)
        self._has_more = True

    def _send(self, upload: Upload, file: BinaryIO, size: int, rules: Rules) -> None:
        throttle = Throttle(rules.bytes_per_s, self._now, self._sleep)
        name = upload.outgoing.name

        def progress(sent: int) -> None:
            self._beat()
            if self._is_stopping():
                raise StoppedError("the appliance stops")
            self._publish(Courier(CourierState.SENDING, name=name, sent=sent, size=size))
            throttle.wait(sent, self._beat)

        try:
            progress(0)
            if self._target is None:
                self._target = self._make_target()
            self._target.deliver(file, size, name, progress)
        except StoppedError:
            self._queue.put_back(upload, "", is_counted=False)
            self._hang_up()
        except UploadRefusedError as error:
            self._queue.refuse(upload, str(error))
            log.warning("upload refused: %s: %s: %s", self._id, name, error)
        except UploadError as error:
            self._queue.put_back(upload, str(error), is_counted=error.fault is Fault.BROKEN)
            self._failed(error, rules)
        else:
            self._queue.arrived(upload, size)
            self._used_s = self._now()
            self._failures, self._failing_since_s = 0, float("inf")
            self._board.clear_issue(self._issue)

    def _failed(self, error: UploadError, rules: Rules) -> None:
        """Pause the target, and tell people when it is more than weather."""
        self._hang_up()
        self._failures += 1
        self._failing_since_s = min(self._failing_since_s, self._now())
        pause = pause_s(error.fault, self._failures, self._chance)
        self._again_s = self._now() + pause
        log.info("upload failed: %s: %s: %s; next in %.0f s", self._id, error.fault, error, pause)
        words = error.own_words or rules.words_of(error.fault)
        if not error.fault.is_weather or self._now() - self._failing_since_s >= WEATHER_S:
            severity = Severity.ERROR if error.fault.is_trust else Severity.WARNING
            self._board.raise_issue(self._issue, severity, f"{rules.title}: {words.sentence}", words.advice)
        state = CourierState.STOPPED if error.fault.is_trust else CourierState.PAUSED
        again_at = None if error.fault.is_trust else self._clock.now() + timedelta(seconds=pause)
        self._publish(Courier(state, message=f"{words.sentence} {words.advice}", again_at=again_at))

    def _begin_anew(self) -> None:
        """Forget failures: a person has changed something, or says so."""
        self._hang_up()
        self._failures, self._failing_since_s, self._again_s = 0, float("inf"), float("-inf")
        self._board.clear_issue(self._issue)

    def _rest(self, state: CourierState) -> None:
        self._hang_up()
        self._publish(Courier(state))

    def _tell(self, *, again_at: datetime) -> None:
        """Keep the time of the next try true while the wall clock is set."""
        shown = self._published.value
        if shown.again_at is None or abs((shown.again_at - again_at).total_seconds()) > 1:
            self._publish(replace(shown, again_at=again_at))

    def _publish(self, courier: Courier) -> None:
        if courier != self._published.value:
            self._published.publish(courier)

    def _hang_up(self) -> None:
        target, self._target = self._target, None
        if target is not None:
            target.close()
