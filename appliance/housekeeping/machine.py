"""The machine's health: a reading a minute, published, kept for charts, and judged by the checks."""

import logging
from dataclasses import replace

from appliance.domain.clock import Clock
from appliance.domain.errors import DiskFullError, StoreError
from appliance.domain.machine import Reading, Strain
from appliance.host.sensors import Sensors
from appliance.housekeeping.checks import disk, heat, network, supply, work
from appliance.housekeeping.checks.rule import Watched
from appliance.housekeeping.every import Every
from appliance.store.readings import ReadingStore
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard

log = logging.getLogger(__name__)

READING_EVERY_S = 60.0
STRAIN_EVERY_S = 2.0
"""As often as the Pi's kernel asks its firmware: a moment of too little voltage shows for that long only."""
THIN_EVERY_S = 3600.0
REFUSED_ROWS = 2
"""So many tries in a row to write rows that fail, while there is room, mean a disk that takes no more writes."""


class MachineWatch:
    """Reads the machine when that is due; part of housekeeping, on its thread."""

    def __init__(
        self, sensors: Sensors, published: Published[Reading | None], store: ReadingStore, board: HealthBoard, clock: Clock
    ) -> None:
        self._sensors, self._published, self._store = sensors, published, store
        self._board, self._clock = board, clock
        self._strain, self._reading, self._thin = Every(STRAIN_EVERY_S), Every(READING_EVERY_S), Every(THIN_EVERY_S)
        rules = (*supply.RULES, *heat.RULES, *disk.make_rules(), *work.RULES, *network.RULES)
        self._watched = tuple(Watched(rule) for rule in rules)
        self._since_reading, self._since_start = Strain(), Strain()
        self._refused_rows = 0

    def step(self) -> None:
        """Do what is due."""
        now_s = self._clock.monotonic()
        if self._strain.is_due(now_s):
            self._remember(*self._sensors.read_strain())
        if self._reading.is_due(now_s):
            self._take(now_s)

    def _take(self, now_s: float) -> None:
        """Take a reading: published and judged first, for a disk that takes no more writes must be told all the same."""
        reading = self._sensors.read(self._clock.now())
        self._remember(reading.now, reading.since_start)
        reading = replace(reading, now=self._since_reading, since_start=self._since_start)
        if self._refused_rows >= REFUSED_ROWS:
            reading = replace(reading, disk=replace(reading.disk, is_read_only=True))
        self._since_reading = Strain()
        self._published.publish(reading)
        self._judge(reading, now_s)
        self._keep(reading, now_s)

    def _keep(self, reading: Reading, now_s: float) -> None:
        """Write the row; a chart with a hole is the least of it where that fails, and what is wrong has its own issue."""
        try:
            self._store.add(reading)
            if self._thin.is_due(now_s):
                self._store.thin()
        except DiskFullError:
            log.warning("a reading of the machine was not kept: no room")
        except StoreError as error:
            self._refused_rows += 1
            log.warning("a reading of the machine was not kept: %s", error)
        else:
            self._refused_rows = 0

    def close(self) -> None:
        """Write the readings that wait; the charts go without them where that fails."""
        try:
            self._store.write()
        except StoreError as error:
            log.warning("readings of the machine were not kept: %s", error)

    def _remember(self, now: Strain, before: Strain) -> None:
        self._since_reading = self._since_reading.or_else(now)
        self._since_start = self._since_start.or_else(before)

    def _judge(self, reading: Reading, now_s: float) -> None:
        for watched in self._watched:
            finding = watched.look(reading, now_s)
            if finding is None:
                self._board.clear_issue(watched.rule.key)
            else:
                self._board.raise_issue(watched.rule.key, finding.severity, finding.title, finding.advice)
