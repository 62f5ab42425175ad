"""What an admin does to the machine, in the panel or through the API: each act is done and then written into the audit log."""

from datetime import datetime

from appliance.domain.commands import PowerCommand, Reboot
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
