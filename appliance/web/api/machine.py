"""The machine for programs: its clock, its name, its power."""

import json

from appliance.domain.access import Access, Scope
from appliance.domain.commands import PowerCommand, PowerOff, Reboot
from appliance.domain.errors import InputError
from appliance.domain.power import PowerPhase
from appliance.web.answers import Answer, Json
from appliance.web.api.views import CommandView, MachineView, PowerView, TimeView
from appliance.web.machine import MachineKeeper
from appliance.web.machineacts import change_name, change_network_time, change_time, change_zone, order
from appliance.web.machineforms import MOMENT_PATTERN, NAME_PATTERN, moment_of_text, name_of, zone_of
from appliance.web.parts import WebParts
from appliance.web.routes import Style, route
from appliance.web.visit import Visit


def power_view(parts: WebParts) -> PowerView:
    """Return the state of power as the API tells it; an order that nobody has taken yet counts as begun."""
    state = parts.power_state.value
    if len(parts.power) > 0 and state.phase is PowerPhase.RUNNING:
        return PowerView(PowerPhase.STORING.value, None, "The order is on its way.", state.unavailable)
    return PowerView(state.phase.value, _action(state.action), state.message, state.unavailable)


def _action(command: PowerCommand | None) -> str | None:
    """Return an order in one word."""
    match command:
        case Reboot():
            return "restart"
        case PowerOff():
            return "off"
        case None:
            return None


def machine_view(parts: WebParts, machine: MachineKeeper) -> MachineView:
    """Return what is known of the machine."""
    clock = machine.time.value
    return MachineView(
        now=machine.now,
        host_name=machine.name.value,
        time=TimeView(clock.timezone, clock.ntp_enabled, clock.ntp_synchronised, clock.can_ntp) if clock else None,
        power=power_view(parts),
        unavailable=tuple(dict.fromkeys(told.reason for told in (machine.time, machine.name) if told.reason)),
    )


def _taking(field: str, schema: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": {field: schema}, "required": [field], "additionalProperties": False}


def _field(visit: Visit, name: str, kind: type) -> object:
    """Return the only field of a body."""
    try:
        tree = json.loads(visit.body)
    except (ValueError, RecursionError) as error:
        raise InputError("The body must be JSON.") from error
    if not isinstance(tree, dict) or tree.keys() != {name} or type(tree[name]) is not kind:
        raise InputError(f"The body must be an object with one field: {name}.")
    return tree[name]


def _answer(visit: Visit) -> Answer:
    return Json(machine_view(visit.parts, visit.machine))


@route("GET", "/api/v1/machine", access=Access.STAFF, style=Style.API, scope=Scope.READ, answer=MachineView)
def machine(visit: Visit) -> Answer:
    """Tell the machine's time, name and state of power."""
    return _answer(visit)


@route("POST", "/api/v1/machine/restart", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=CommandView)
def restart(visit: Visit) -> Answer:
    """Store the running frame, then start the machine anew."""
    order(visit, Reboot())
    return Json(CommandView("restart"), 202)


@route("POST", "/api/v1/machine/off", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=CommandView)
def off(visit: Visit) -> Answer:
    """Store the running frame, then switch the machine off."""
    order(visit, PowerOff())
    return Json(CommandView("off"), 202)


@route(
    "PUT", "/api/v1/machine/time", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=MachineView,
    body=_taking("time", {"type": "string", "format": "date-time", "pattern": MOMENT_PATTERN}),
)  # fmt: skip
def set_time(visit: Visit) -> Answer:
    """Set the machine's clock; network time, where it is on and reached, corrects it."""
    change_time(visit, moment_of_text(str(_field(visit, "time", str))))
    return _answer(visit)


@route(
    "PUT", "/api/v1/machine/zone", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=MachineView,
    body=_taking("zone", {"type": "string", "maxLength": 64}),
)  # fmt: skip
def set_zone(visit: Visit) -> Answer:
    """Set the machine's time zone."""
    change_zone(visit, zone_of(str(_field(visit, "zone", str))))
    return _answer(visit)


@route(
    "PUT", "/api/v1/machine/network-time", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=MachineView,
    body=_taking("on", {"type": "boolean"}),
)  # fmt: skip
def set_network_time(visit: Visit) -> Answer:
    """Take the machine's time from the network, or not."""
    change_network_time(visit, is_on=bool(_field(visit, "on", bool)))
    return _answer(visit)


@route(
    "PUT", "/api/v1/machine/name", access=Access.ADMIN, style=Style.API, scope=Scope.ADMIN, answer=MachineView,
    body=_taking("name", {"type": "string", "pattern": NAME_PATTERN}),
)  # fmt: skip
def set_name(visit: Visit) -> Answer:
    """Give the machine another name; the panel's address and its certificate follow."""
    change_name(visit, name_of(str(_field(visit, "name", str))))
    return _answer(visit)
