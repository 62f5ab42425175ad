"""What an admin does with updates, in the panel or through the API: each act is done and then written into the audit log."""

import re
from dataclasses import replace

from appliance.domain.channel import is_still_for
from appliance.domain.commands import Reboot
from appliance.domain.dawn import dawn_after
from appliance.domain.errors import InputError, MachineError, UnavailableError
from appliance.domain.job import Job
from appliance.domain.update import (
    FETCH_JOB,
    INSTALL_JOB,
    JOBS,
    LARGEST_BUNDLE,
    OTHER_JOB,
    SMALLEST_BUNDLE,
    STICK_JOB,
    Announced,
    Arriving,
    BundleState,
    CheckChannel,
    LookAgain,
    Order,
    RestartPlan,
    Source,
)
from appliance.store.channelstate import ChannelState
from appliance.web.answers import BusyError
from appliance.web.machineacts import order
from appliance.web.parts import WebParts
from appliance.web.usbacts import name_of, stick_named
from appliance.web.visit import Visit

JOBS_LOOKED_AT = 50
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def newest_job(parts: WebParts) -> Job | None:
    """Return the last work on the halves, if any is remembered."""
    return next((job for job in parts.jobs.recent(JOBS_LOOKED_AT) if job.kind in JOBS), None)


def announce(visit: Visit, size: int, untrusted_sha256: str) -> Arriving:
    """Make ready for a bundle, or go on with the one that is on its way.

    Raises
    ------
    UnavailableError
        If this computer cannot be updated.
    InputError
        If it cannot be a bundle, another one is on its way, or one is being installed.
    DiskFullError
    """
    parts = visit.parts
    _check_available(parts)
    _check_no_work(parts)
    if not SMALLEST_BUNDLE <= size <= LARGEST_BUNDLE:
        raise InputError(f"An update has from {SMALLEST_BUNDLE} bytes to {LARGEST_BUNDLE >> 20} MiB. This is another file.")
    sha256 = untrusted_sha256.lower()
    if not _SHA256.match(sha256):
        raise InputError("Announce the bundle with its SHA-256, 64 hexadecimal digits.")
    here = parts.update.bundles.bundle()
    if here is not None and here.announced.sha256 == sha256 and here.state is not BundleState.INSTALLED:
        visit.note("update announced", f"{size} bytes, SHA-256 {sha256}: it is here already")
        return Arriving(here.announced, here.announced.size)
    now = parts.update.bundles.arriving()
    if now is not None and (now.announced.size, now.announced.sha256) != (size, sha256):
        raise InputError("Another bundle is on its way here. Go on with it by choosing the same file, or give it up first.")
    arriving = parts.update.bundles.begin(Announced(size, sha256, Source.UPLOAD, visit.visitor.name, visit.machine.now))
    visit.note("update announced", f"{size} bytes, SHA-256 {sha256}")
    if arriving.have == size:  # its last byte came just before a restart
        finish(visit, arriving)
    return arriving


def take(visit: Visit, sha256: str, offset: int, data: bytes) -> Arriving:
    """Take bytes of the bundle on its way; the last of them has it looked at.

    Raises
    ------
    InputError
        If no such bundle was announced, or it is not what was announced.
    BusyError
        If another request brings a chunk just now.
    DiskFullError
    """
    try:
        arriving = visit.parts.update.bundles.add(sha256, data, offset)
    except BlockingIOError as error:
        raise BusyError("Another request brings a part of this bundle just now.", 5) from error
    if arriving.have == arriving.announced.size:
        finish(visit, arriving)
    return arriving


def stop_coming(visit: Visit) -> None:
    """End the copying or downloading that goes on; writing into the other half is not stopped."""
    job = newest_job(visit.parts)
    if job is None or job.kind not in (STICK_JOB, FETCH_JOB) or not visit.parts.jobs.request_stop(job.id):
        raise InputError("Nothing is on its way that could be stopped.")
    visit.note("job stopped", f"job {job.id}")


def take_from_stick(visit: Visit, fs_id: str) -> Job:
    """Have the bundle that lies on a stick copied here and looked at."""
    parts = visit.parts
    _check_available(parts)
    _check_no_work(parts)
    if parts.update.bundles.arriving() is not None:
        raise InputError("Another bundle is on its way here. Give it up first.")
    stick = stick_named(visit, fs_id)
    order_text = Order(visit.visitor.name, fs_id=stick.fs_id).to_json()
    job = parts.jobs.queue(STICK_JOB, order_text, "It waits for its turn.", unit="bytes")
    visit.note("update from a stick ordered", f"job {job.id}: {name_of(stick)} ({stick.fs_id})")
    return job


def finish(visit: Visit, arriving: Arriving) -> None:
    """Take a bundle whose bytes are all here, and have it looked at."""
    visit.parts.update.bundles.finish(arriving.announced.sha256)
    visit.note("update uploaded", f"{arriving.announced.size} bytes, SHA-256 {arriving.announced.sha256}")
    visit.parts.update.commands.put(LookAgain())


def give_up(visit: Visit) -> None:
    """Remove the bundle that is here, or on its way; InputError where there is none, or it is being installed."""
    _check_no_work(visit.parts)
    bundles = visit.parts.update.bundles
    had_arriving, had_bundle = bundles.drop_arriving(), bundles.drop_bundle()
    if not had_arriving and not had_bundle:
        raise InputError("There is no bundle here.")
    visit.note("update given up")


def channel_state(visit: Visit) -> ChannelState | None:
    """Return what is remembered of the update channel; None where none is set."""
    updates, parts = visit.settings.updates, visit.parts
    if not updates.channel_url:
        return None
    state = parts.update.channel.read(updates.channel_url, updates.channel_key)
    if state.offered is None or is_still_for(state.offered, parts.version, parts.update.records.read().bad):
        return state
    return replace(state, offered=None)  # it has been installed since, or has failed


def check_channel(visit: Visit) -> None:
    """Have the update channel asked now."""
    _check_available(visit.parts)
    if not visit.settings.updates.channel_url:
        raise InputError("No channel is set: enter its address and its key under Settings, Updates.")
    visit.parts.update.channel_commands.put(CheckChannel())
    visit.note("update channel asked")


def fetch(visit: Visit, sha256: str) -> Job:
    """Have what the channel offers downloaded and looked at."""
    parts, state = visit.parts, channel_state(visit)
    _check_available(parts)
    _check_no_work(parts)
    offered = state.offered if state is not None else None
    if offered is None or offered.sha256 != sha256:
        raise InputError("The channel does not offer this release any more. Look at the page again.")
    job = parts.jobs.queue(FETCH_JOB, Order(visit.visitor.name, sha256).to_json(), "It waits for its turn.")
    visit.note("update download ordered", f"job {job.id}: version {offered.version}")
    return job


def install(visit: Visit, sha256: str) -> Job:
    """Have the bundle that the person has seen written into the other half."""
    parts = visit.parts
    _check_available(parts)
    _check_no_work(parts)
    bundle = parts.update.bundles.bundle()
    if bundle is None or bundle.announced.sha256 != sha256 or bundle.manifest is None:
        raise InputError("This is not the bundle that is here now. Look at the page again.")
    if bundle.state is not BundleState.CHECKED:
        raise InputError("This bundle is installed already: restart the machine to start it.")
    request = Order(visit.visitor.name, sha256, half=_running_half(parts)).to_json()
    job = parts.jobs.queue(INSTALL_JOB, request, "It waits for the updater.", unit="percent")
    visit.note("update install ordered", f"job {job.id}: version {bundle.manifest.version}")
    parts.update.commands.put(LookAgain())
    return job


def restart(visit: Visit, when: str) -> None:
    """Restart now, plan it for the end of the night, or forget the plan: `now`, `dawn` or `not`."""
    parts = visit.parts
    match when:
        case "now":
            _check_no_work(parts)
            parts.update.bundles.drop_plan()
            order(visit, Reboot())
        case "dawn":
            _plan(visit)
        case "not":
            if not parts.update.bundles.drop_plan():
                raise InputError("No restart is planned.")
            visit.note("restart at dawn called off")
        case _:
            raise InputError("Say when: now, dawn or not.")


def _plan(visit: Visit) -> None:
    parts, settings = visit.parts, visit.settings
    _check_available(parts)
    _check_no_work(parts)
    if not parts.update.updater.value.is_restart_due:
        raise InputError("Nothing waits for a restart: the machine runs from what it starts from next.")
    now = parts.clock.now()
    due_at = dawn_after(now, settings.site.latitude_deg, settings.site.longitude_deg, settings.night.sun_altitude_deg)
    bundle = parts.update.bundles.bundle()
    version = bundle.manifest.version if bundle is not None and bundle.manifest is not None else ""
    parts.update.bundles.keep_plan(RestartPlan(due_at, version, visit.visitor.name))
    visit.note("restart at dawn planned", f"{due_at:%Y-%m-%d %H:%M} UTC")


def start_other(visit: Visit) -> Job:
    """Have the machine start from its other half, now."""
    parts = visit.parts
    _check_available(parts)
    _check_no_work(parts)
    system = visit.machine.slots.value
    if system is None or len(system.slots) < 2:
        raise MachineError("the updater does not tell of another half")
    request = Order(visit.visitor.name, half=_running_half(parts)).to_json()
    job = parts.jobs.queue(OTHER_JOB, request, "The other half is chosen.", unit="steps")
    visit.note("start from the other half ordered", f"job {job.id}")
    parts.update.commands.put(LookAgain())
    return job


def _running_half(parts: WebParts) -> str:
    """Return the half that runs; BusyError while nobody tells."""
    if not parts.update.updater.value.is_known:
        raise BusyError("The updater is busy. Try again in a moment.", 5)
    return parts.update.updater.value.booted


def _check_available(parts: WebParts) -> None:
    if parts.update.updater.value.unavailable:
        raise UnavailableError(parts.update.updater.value.unavailable)


def _check_no_work(parts: WebParts) -> None:
    job = newest_job(parts)
    if job is not None and not job.state.is_over:
        raise InputError("The updater is at work. Wait until it has ended.")
