"""Backups on a USB stick, for an admin or for whoever has shown the setup code: looked for, listed, opened."""

from dataclasses import dataclass

from appliance.domain.errors import InputError
from appliance.domain.foundbackup import FIND_JOB, FoundBackups
from appliance.domain.job import Job
from appliance.domain.secret import Secret
from appliance.domain.stick import Stick, StickState
from appliance.domain.update import Order
from appliance.security.tokens import same
from appliance.store.incoming import Incoming
from appliance.store.jobs import LARGEST_PAGE
from appliance.web.backups import Offer
from appliance.web.usbacts import name_of, stick_named
from appliance.web.visit import Visit

BUSY = "A stick is looked at already. Wait until that is done."
CHOOSE = "Choose one of the backups that were found on the stick."
GONE = "What was found on the stick is not kept any longer, or another look has taken its place. Look once more."


@dataclass(frozen=True, slots=True)
class StickBackups:
    """What a page shows of it."""

    sticks: tuple[tuple[Stick, str], ...]
    """Those that can be looked at, with their names."""
    job: Job | None
    """The look that waits or goes on."""
    found: FoundBackups | None
    """What came of the last one."""


def stick_backups(visit: Visit) -> StickBackups:
    """Return what a page shows."""
    parts = visit.parts
    sticks = tuple((one, name_of(one)) for one in parts.sticks.value if one.fs_id and one.state is not StickState.REFUSED)
    jobs = [job for job in parts.jobs.recent(LARGEST_PAGE) if job.kind == FIND_JOB and not job.state.is_over]
    return StickBackups(sticks, jobs[-1] if jobs else None, parts.found_backups.value)


def look(visit: Visit, fs_id: str, by: str) -> Job:
    """Have a stick that is plugged in looked at; InputError if it is not there, or one is looked at already."""
    parts, stick = visit.parts, stick_named(visit, fs_id)
    if parts.jobs.has_open((FIND_JOB,)):
        raise InputError(BUSY)
    job = parts.jobs.queue(FIND_JOB, Order(by, fs_id=stick.fs_id).to_json(), "It waits for its turn.")
    parts.audit.add(by, visit.address, "backups on a stick looked for", f"job {job.id}: {name_of(stick)} ({stick.fs_id})")
    return job


def open_found(visit: Visit, holder: str) -> Offer:
    """Open the backup that was chosen of those that were found.

    Raises
    ------
    InputError
        If it is not here any more, or cannot be opened or used; says why.
    ThrottledError
        If another Argon2 takes too long.
    """
    chosen, found = visit.form.get("backup", ""), visit.parts.found_backups.value
    if not chosen:
        raise InputError(CHOOSE)
    backup = next((one for one in (found.backups if found else ()) if same(one.sha256, chosen)), None)
    data = None if backup is None else Incoming(visit.parts.folder).read(backup)
    if data is None:
        raise InputError(GONE)
    return visit.backups.open(holder, data, Secret(visit.form.get("passphrase", "")))
