"""What an admin does to the machine, in the panel or through the API: each act is done and then written into the audit log."""

from datetime import datetime

from appliance.domain.commands import PowerCommand, Reboot
from appliance.domain.errors import InputError, MachineError, UnavailableError
from appliance.domain.secret import Secret
from appliance.security.tokens import normalise_device_id, same
from appliance.web.visit import Visit
from appliance.web.words import iso


def order(visit: Visit, command: PowerCommand) -> None:
    """Order a restart or switching off."""
    visit.parts.power.put(command)
    visit.note("restart ordered" if isinstance(command, Reboot) else "switching off ordered")


def change_time(visit: Visit, when: datetime) -> None:
    """Set the clock."""
    before = visit.machine.now
    visit.machine.set_time(when)
    visit.note("time set", f"from {iso(before)} to {iso(when)}")


def change_zone(visit: Visit, name: str) -> None:
    """Set the zone."""
    before = visit.machine.time.value
    visit.machine.set_zone(name)
    visit.note("time zone set", f"from {before.timezone if before else 'unknown'} to {name}")


def change_network_time(visit: Visit, *, is_on: bool) -> None:
    """Take the time from the network, or not."""
    visit.machine.set_network_time(is_on=is_on)
    visit.note("network time switched on" if is_on else "network time switched off")


def change_name(visit: Visit, name: str) -> None:
    """Give the machine another name."""
    before = visit.machine.name.value
    visit.machine.set_name(name)
    visit.note("machine named", f"from {before or 'unknown'} to {name}")


def order_reset(visit: Visit, untrusted_id: str, password: Secret[str], *, keep_pictures: bool) -> None:
    """Order a factory reset of the very device that the person names.

    Written down before it happens: afterwards there is no log to write into. If the machine refuses, a second entry says so.
    """
    if not visit.parts.factory_reset.is_available:
        raise UnavailableError("not available on this machine: only the appliance can be reset")
    if not same(normalise_device_id(untrusted_id), visit.parts.device_id):
        raise InputError("That is not the id of this device. Type it as it stands above.")
    visit.parts.gate.confirm(visit.session, password, visit.address)
    visit.note("factory reset ordered", "pictures are kept" if keep_pictures else "pictures go, too")
    try:
        visit.parts.factory_reset.begin(keep_pictures=keep_pictures)
    except MachineError:
        visit.note("factory reset refused")
        raise
