"""SERVICE: looks after disk, database and machine about once a minute, and says what it finds."""

import logging
from zoneinfo import ZoneInfo

from appliance.domain.clock import Clock
from appliance.domain.health import Severity
from appliance.domain.night import night_of
from appliance.housekeeping.every import Every
from appliance.housekeeping.machine import MachineWatch
from appliance.housekeeping.naming import NameKeeper
from appliance.housekeeping.peers import PeerKeeper
from appliance.housekeeping.retention import NightSize, nights_to_remove
from appliance.settings.schema import Settings
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.supervisor.channels import Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.service import Beat
from appliance.supervisor.supervisor import end_sick

log = logging.getLogger(__name__)

DISK_EVERY_S = 20.0
HOURLY_S = 3600.0
BACKUP_EVERY_S = 24 * HOURLY_S
MIB = 1 << 20
FULL_BYTES = 1 * MIB
"""With less than this nothing useful can be written: the reserve goes, so that a login still can."""


class HousekeepingService:
    """Removes old nights, guards the reserve, watches machine and name, saves the database, writes the audit log's head down."""

    def __init__(
        self,
        settings: Published[Settings],
        folder: DataFolder,
        database: Database,
        frames: FrameStore,
        audit: AuditStore,
        board: HealthBoard,
        clock: Clock,
        machine: MachineWatch,
        peers: PeerKeeper,
        names: NameKeeper,
        beat: Beat,
    ) -> None:
        self._settings, self._folder, self._database = settings, folder, database
        self._frames, self._audit = frames, audit
        self._board, self._clock, self._beat = board, clock, beat
        self._machine, self._peers, self._names = machine, peers, names
        self._disk, self._hourly, self._backup = Every(DISK_EVERY_S), Every(HOURLY_S), Every(BACKUP_EVERY_S)
        self._backup.is_due(clock.monotonic())  # opening the database has just looked after itself

    def open(self) -> None:
        """Remove what a power cut left half-done."""
        self._folder.sweep_parts()
        removed = self._frames.reconcile(self._beat)
        if removed:
            log.warning("after a crash, files and rows were made to agree: %s", removed)
        self._peers.reconcile(self._beat)

    def step(self) -> None:
        """Look after what is due, then wait about a second."""
        if self._database.is_damaged:
            end_sick("the database is damaged; the next start repairs it")
        now_s = self._clock.monotonic()
        self._machine.step()
        self._names.step()
        self._beat()
        if self._disk.is_due(now_s):
            self.look_after_disk()
        if self._hourly.is_due(now_s):
            self.write_audit_head()
        if self._backup.is_due(now_s):
            self._database.backup()
        self._settings.wait(self._settings.revision, 1.0)  # a lower 'Keep pictures' works at once

    def close(self) -> None:
        """Write what waits to be written."""
        self._machine.close()

    def look_after_disk(self) -> None:
        """Remove nights by age and room; raise or clear the issue of a full disk."""
        settings = self._settings.value
        reserve_bytes = settings.retention.reserve_mib * MIB
        tonight = night_of(self._clock.now(), ZoneInfo(settings.site.timezone))
        self._peers.look_after(tonight, reserve_bytes, self._beat)
        free_bytes = self._folder.free_bytes()
        sizes = [NightSize(night.night, night.bytes) for night in self._frames.nights()]
        for night in nights_to_remove(
            sizes,
            tonight=tonight,
            keep_days=settings.retention.days,
            free_bytes=free_bytes,
            reserve_bytes=reserve_bytes,
        ):
            freed = self._frames.remove_night(night)
            log.info("old night removed: %s, %d MiB", night, freed // MIB)
            self._beat()
        self._report_disk(self._folder.free_bytes(), reserve_bytes)

    def _report_disk(self, free_bytes: int, reserve_bytes: int) -> None:
        if free_bytes < FULL_BYTES:
            self._folder.give_up_reserve()
        else:
            self._folder.restore_reserve()
        if free_bytes < reserve_bytes // 2:
            self._board.raise_issue(
                "disk.low",
                Severity.ERROR if free_bytes < FULL_BYTES else Severity.WARNING,
                f"The disk is {'full' if free_bytes < FULL_BYTES else 'nearly full'}: {free_bytes // MIB} MiB free",
                "Old nights are gone already. Lower 'Keep pictures' under Settings, Retention, or use a larger card.",
            )
        else:
            self._board.clear_issue("disk.low")

    def write_audit_head(self) -> None:
        """Write the hash of the audit log's last row into the journal, so that a cut tail shows."""
        number, digest = self._audit.head()
        log.info("audit log head: %d %s", number, digest)
