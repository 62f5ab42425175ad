"""Backups that are copied from a stick because a person said so; they wait for its pass-phrase, and not for long."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from appliance.domain.backup import LARGEST_BACKUP
from appliance.domain.clock import Clock
from appliance.domain.foundbackup import FIND_JOB, MOST_FOUND, FoundBackup, FoundBackups, is_found
from appliance.domain.job import Job, JobState
from appliance.domain.update import Order
from appliance.export.errand import Errand
from appliance.export.messages import MORE, Ended, FoundFile, Task
from appliance.store.incoming import Incoming
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Published

log = logging.getLogger(__name__)

KEPT_S = 3600.0
RESTARTED = "The appliance has started anew meanwhile. Look once more."


class Finding(Errand):
    """Publishes what was found."""

    kind = FIND_JOB
    begins = "The stick is looked at"
    pulled = "The stick was pulled out while it was looked at. Plug it in and try again."
    stopped = "Stopped: nothing was taken from the stick."
    what = "What lies on the stick"

    def __init__(self, jobs: JobStore, incoming: Incoming, found: Published[FoundBackups | None], clock: Clock) -> None:
        super().__init__(jobs, clock)
        self._incoming, self._found = incoming, found
        self._until_s = float("inf")

    def open(self) -> None:
        """End what was asked for before the start: nobody waits for it any more."""
        super().open()
        self._forget()
        for job, _ in self._jobs.waiting(self.kind):
            self._jobs.finish(job.id, JobState.FAILED, RESTARTED)

    def task(self, mount: Path, data: Path, fs_type: str) -> Task:
        """Return what the child is to do."""
        return Task(str(mount), str(data), "", fs_type, (), finds_backups=True)

    def began(self, job: Job, order: Order) -> None:
        """Say that it begins; what was found before is forgotten."""
        self._forget()
        super().began(job, order)

    def look_after(self) -> None:
        """Forget what was found after a while: it is everything that somebody's pass-phrase protects."""
        if self._clock.monotonic() >= self._until_s:
            self._forget()

    def _take(self, job: Job, _order: Order, ended: Ended, found: Sequence[FoundFile]) -> None:
        backups = tuple(_backup(file) for file in found)
        if not all(is_found(backup) for backup in backups):
            log.warning("what the child has found is not what it was to look for")
            self._finish(job.id, JobState.FAILED, "What lies on the stick cannot be read.")
            return
        self._publish(FoundBackups(_sentence(len(backups), ended), backups=backups))
        self._jobs.finish(job.id, JobState.DONE, _sentence(len(backups), ended))

    def _finish(self, job_id: int, state: JobState, sentence: str) -> None:
        """Say why nothing was found."""
        self._incoming.empty()
        self._publish(FoundBackups(sentence, is_failed=True))
        super()._finish(job_id, state, sentence)

    def _publish(self, found: FoundBackups) -> None:
        self._until_s = self._clock.monotonic() + KEPT_S
        self._found.publish(found)

    def _forget(self) -> None:
        self._until_s = float("inf")
        self._found.publish(None)
        self._incoming.empty()


def _backup(file: FoundFile) -> FoundBackup:
    modified_at = datetime.fromtimestamp(min(file.modified_s, 1 << 32), UTC)
    return FoundBackup(file.number, file.name, file.folder, file.size_bytes, modified_at, file.sha256)


def _sentence(count: int, ended: Ended) -> str:
    words = [f"{count or 'No'} backup{'' if count == 1 else 's'} found on the stick."]
    if ended.detail == MORE:
        words.append(f"More lies there than is looked at: the newest {MOST_FOUND} are shown.")
    if ended.too_large:
        words.append(f"Passed over, because no backup has more than {LARGEST_BACKUP >> 20} MiB: {_files(ended.too_large)}.")
    if ended.in_the_way:
        words.append(f"Passed over, because it is a link, a folder or empty: {_files(ended.in_the_way)}.")
    return " ".join(words)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
