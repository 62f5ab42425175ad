"""What an admin does with USB sticks, in the panel or through the API: each act is done and then written into the audit log."""

from collections.abc import Mapping

from appliance.domain.errors import InputError
from appliance.domain.job import Job
from appliance.domain.night import NightId
from appliance.domain.stick import (
    JOB_KIND,
    EjectStick,
    ExportKind,
    ExportRequest,
    Stick,
    StickState,
    kinds_asked_for,
    newest_asked_for,
    nights_asked_for,
)
from appliance.store.outgoing import Outgoing
from appliance.web.answers import NotFoundError
from appliance.web.visit import Visit

NOT_THERE = "This stick is not plugged in any more, or cannot be used. Plug it in and try again."
QUEUED = "It waits for its turn, and for its stick."


def stick_named(visit: Visit, fs_id: str) -> Stick:
    """Return a stick that is plugged in and can be used; InputError for any other id."""
    for stick in visit.parts.sticks.value:
        if fs_id and stick.fs_id == fs_id and stick.state is not StickState.REFUSED:
            return stick
    raise InputError(NOT_THERE)


def name_of(stick: Stick) -> str:
    """Return how a stick is called before people."""
    return stick.label or stick.model or stick.fs_id


def use(visit: Visit, fs_id: str) -> None:
    """Let a stick fill itself from now on, whenever it is plugged in."""
    stick = stick_named(visit, fs_id)
    visit.parts.stick_store.confirm(stick.fs_id, name_of(stick), visit.visitor.name)
    visit.note("usb stick confirmed", f"{name_of(stick)} ({stick.fs_id})")


def forget(visit: Visit, fs_id: str) -> None:
    """Let a stick fill itself no longer."""
    name = next((stick.name for stick in visit.parts.stick_store.confirmed() if stick.fs_id == fs_id), "")
    if not visit.parts.stick_store.forget(fs_id):
        raise InputError("This stick is not remembered.")
    visit.note("usb stick forgotten", f"{name} ({fs_id})")


def let_go(visit: Visit, fs_id: str) -> None:
    """Stop what is done with a stick, unmount it and switch it off."""
    stick = stick_named(visit, fs_id)
    visit.parts.stick_commands.put(EjectStick(stick.fs_id))
    visit.note("usb stick let go", f"{name_of(stick)} ({stick.fs_id})")


def export(visit: Visit, request: ExportRequest) -> Job:
    """Copy chosen nights to a stick that is plugged in."""
    stick = stick_named(visit, request.fs_id)
    job = visit.parts.jobs.queue(JOB_KIND, request.to_json(), QUEUED)
    visit.note("usb export ordered", f"job {job.id}: {name_of(stick)} ({stick.fs_id})")
    return job


def copy_backup(visit: Visit, fs_id: str, name: str, made: bytes) -> Job:
    """Copy a backup to a stick that is plugged in; what cannot be queued is not kept."""
    stick = stick_named(visit, fs_id)
    outgoing = Outgoing(visit.parts.folder)
    outgoing.put(name, made)
    try:
        request = ExportRequest(stick.fs_id, visit.visitor.name, backup=name)
        job = visit.parts.jobs.queue(JOB_KIND, request.to_json(), QUEUED)
    except InputError:
        outgoing.remove(name)
        raise
    visit.note("backup to usb stick ordered", f"job {job.id}: {name} to {name_of(stick)} ({stick.fs_id})")
    return job


def stop(visit: Visit, number: int) -> None:
    """Ask for the end of a job."""
    if visit.parts.jobs.get(number) is None:
        raise NotFoundError("There is no such job.")
    if not visit.parts.jobs.request_stop(number):
        raise InputError("This job has ended already.")
    visit.note("job stopped", f"job {number}")


def request_of_form(visit: Visit, form: Mapping[str, str]) -> ExportRequest:
    """Return what a form asks to be copied; InputError where it asks for nothing, or for what there is not."""
    wanted = form.get("nights", "")
    kinds = [kind.value for kind in ExportKind if form.get(kind.value)]
    if not kinds:
        raise InputError("Choose what is copied: pictures, keograms and star trails, or films.")
    nights, newest = nights_asked_for(wanted if wanted in ("all", "latest") else [wanted])
    return _request(visit, form.get("stick", ""), nights, newest, kinds)


def request_of_json(visit: Visit, tree: object) -> ExportRequest:
    """Return what a program asks to be copied; InputError as above."""
    if not isinstance(tree, dict) or "fs_id" not in tree or tree.keys() - {"fs_id", "nights", "newest", "kinds"}:
        raise InputError("The body must be an object with fs_id, and may have nights, newest and kinds.")
    nights, newest = nights_asked_for(tree.get("nights", []))
    kinds = [kind.value for kind in kinds_asked_for(tree.get("kinds", []))]
    return _request(visit, tree["fs_id"], nights, newest or newest_asked_for(tree.get("newest", 0)), kinds)


def _request(visit: Visit, untrusted_fs_id: object, nights: tuple[NightId, ...], newest: int, kinds: list[str]) -> ExportRequest:
    if not isinstance(untrusted_fs_id, str):
        raise InputError("Choose one of the sticks that are plugged in.")
    kept = {summary.night for summary in visit.parts.frames.nights()}
    if missing := [night for night in nights if night not in kept]:
        raise InputError(f"Of the night {missing[0]} nothing is kept.")
    return ExportRequest(untrusted_fs_id, visit.visitor.name, nights, newest, kinds_asked_for(kinds))
