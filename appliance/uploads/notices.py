"""SERVICE: watches the health board and turns what changes there into notices, which go out by the queues of the targets."""

import logging
from collections.abc import Callable

from appliance.domain.clock import Clock
from appliance.domain.health import Severity
from appliance.domain.notice import Health, Notice
from appliance.settings.schema import Settings
from appliance.store.notices import Memory, NoticeStore, name_of
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads.port import Sender, origin_of
from appliance.uploads.telling import Change, Teller

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SWEEP_EVERY_S = 3600.0


class NoticeService:
    """Tells of issues; what could not be written is told after the service has started anew."""

    def __init__(
        self,
        store: NoticeStore,
        board: HealthBoard,
        settings: Published[Settings],
        sender: Callable[[], Sender],
        clock: Clock,
    ) -> None:
        self._store, self._board, self._settings, self._sender, self._clock = store, board, settings, sender, clock
        self._teller = Teller((), clock.monotonic())
        self._count = 0
        self._swept_s = float("-inf")

    def open(self) -> None:
        """Recall what was told before."""
        memory = self._store.recall()
        self._teller, self._count = Teller(memory.told, self._clock.monotonic()), memory.count
        self._store.remember(memory)

    def step(self) -> None:
        """Look at the board, then wait a second."""
        now_s = self._clock.monotonic()
        changes = self._teller.look(self._board.issues, now_s)
        for change in changes:
            self._tell(change)
        if changes:
            self._store.remember(Memory(self._teller.told, self._count))
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            self._store.sweep()
        self._settings.wait(self._settings.revision, LOOK_EVERY_S)

    def close(self) -> None:
        """Nothing is held."""

    def _tell(self, change: Change) -> None:
        self._count += 1
        now = self._clock.now()
        grave = sum(issue.severity is not Severity.INFO for issue in self._board.issues)
        notice = Notice(
            id=name_of(now, self._count),
            event=change.event,
            at=now,
            origin=origin_of(self._sender()),
            issue=change.issue,
            health=Health(grave, "degraded" if grave else "ok"),
        )
        log.info("notice: %s: %s", change.event, change.issue.key)
        self._store.add(notice, change.issue)
