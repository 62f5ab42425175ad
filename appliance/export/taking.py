"""An update that is copied from a stick because an admin said so."""

from collections.abc import Sequence
from pathlib import Path

from appliance.domain.clock import Clock
from appliance.domain.job import Job, JobState
from appliance.domain.update import STICK_JOB, Announced, LookAgain, Order, Source, UpdateCommand
from appliance.export.bundle import TAKEN
from appliance.export.errand import Errand
from appliance.export.messages import Ended, FoundFile, Task
from appliance.store.audit import AuditStore
from appliance.store.bundles import BundleStore
from appliance.store.jobs import JobStore
from appliance.supervisor.channels import Mailbox

_ADDRESS = "usb"


class Taking(Errand):
    """Has what was copied looked at."""

    kind = STICK_JOB
    begins = "The bundle is copied from the stick"
    pulled = "The stick was pulled out before the bundle was copied. Plug it in and try again."
    stopped = "Stopped: nothing of the bundle is kept."
    what = "The bundle"

    def __init__(
        self, jobs: JobStore, bundles: BundleStore, commands: Mailbox[UpdateCommand], audit: AuditStore, clock: Clock
    ) -> None:
        super().__init__(jobs, clock)
        self._bundles, self._commands, self._audit = bundles, commands, audit

    def task(self, mount: Path, data: Path, fs_type: str) -> Task:
        """Return what the child is to do."""
        return Task(str(mount), str(data), "", fs_type, (), takes_bundle=True)

    def _take(self, job: Job, order: Order, ended: Ended, _found: Sequence[FoundFile]) -> None:
        size, sha256 = ended.done_bytes, ended.detail
        self._bundles.adopt(TAKEN, Announced(size, sha256, Source.STICK, order.by, self._clock.now()))
        self._jobs.update(job.id, done=size, total=size, eta_s=None, message="")
        self._finish(job.id, JobState.DONE, "The bundle is here, and is looked at.")
        self._audit.add(order.by, _ADDRESS, "update copied from a stick", f"{size} bytes, SHA-256 {sha256}")
        self._commands.put(LookAgain())
