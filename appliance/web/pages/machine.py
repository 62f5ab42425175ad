"""The machine: restart and switch off, its time, its name; each change is confirmed on a page of its own before it is done."""

from zoneinfo import ZoneInfo

from appliance.domain.access import Access
from appliance.domain.commands import PowerOff, Reboot
from appliance.domain.errors import InputError, MachineError, RefusedError, ThrottledError
from appliance.domain.power import PowerPhase
from appliance.domain.secret import Secret
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.api.machine import machine_view, power_view
from appliance.web.machineacts import change_name, change_network_time, change_time, change_zone, order, order_reset
from appliance.web.machineforms import moment_of_form, name_of, zone_of, zones
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.visit import Visit

HERE = "/machine"


@route("GET", "/machine", access=Access.STAFF)
def machine(visit: Visit) -> Answer:
    """Show the machine."""
    return _page(visit)


# Power


@route("GET", "/machine/restart", access=Access.ADMIN)
def confirm_restart(visit: Visit) -> Answer:
    """Ask whether to restart."""
    return Page("machine_power", {"is_restart": True, "camera": visit.parts.camera.value, "active": "system"})


@route("POST", "/machine/restart", access=Access.ADMIN)
def restart(visit: Visit) -> Answer:
    """Restart the machine."""
    order(visit, Reboot())
    return Redirect(f"{HERE}/going?what=restart")


@route("GET", "/machine/off", access=Access.ADMIN)
def confirm_off(visit: Visit) -> Answer:
    """Ask whether to switch off."""
    return Page("machine_power", {"is_restart": False, "camera": visit.parts.camera.value, "active": "system"})


@route("POST", "/machine/off", access=Access.ADMIN)
def off(visit: Visit) -> Answer:
    """Switch the machine off."""
    order(visit, PowerOff())
    return Redirect(f"{HERE}/going?what=off")


@route("GET", "/machine/going", access=Access.STAFF)
def going(visit: Visit) -> Answer:
    """Show how the machine goes, and lead back when it runs; without a script the page loads itself again and again."""
    power = power_view(visit.parts)
    if power.phase == PowerPhase.RUNNING:
        return Redirect(HERE)
    is_off = (power.action or visit.query.get("what")) == "off"
    refresh = "3" if power.phase == PowerPhase.STORING else "" if is_off else "120; url=/machine"
    return Page("machine_going", {"power": power, "is_off": is_off, "refresh": refresh, "active": "system"})


# Time


@route("GET", "/machine/time", access=Access.ADMIN)
def confirm_time(visit: Visit) -> Answer:
    """Show the machine's time beside the browser's, and ask whether to set it."""
    return _time_page(visit)


@route("POST", "/machine/time", access=Access.ADMIN)
def set_time(visit: Visit) -> Answer:
    """Set the machine's time."""
    try:
        change_time(visit, moment_of_form(visit.form, _zone(visit)))
    except (InputError, MachineError) as error:
        return _time_page(visit, error)
    return Redirect(f"{HERE}?done=time-set")


@route("GET", "/machine/network-time", access=Access.ADMIN)
def confirm_network_time(visit: Visit) -> Answer:
    """Ask whether to switch network time on or off."""
    clock = visit.machine.time.value
    return Page("machine_ntp", {"is_on": clock is not None and clock.ntp_enabled, "active": "system"})


@route("POST", "/machine/network-time", access=Access.ADMIN)
def set_network_time(visit: Visit) -> Answer:
    """Switch network time on or off."""
    wanted = visit.form.get("on", "")
    try:
        if wanted not in ("yes", "no"):
            raise InputError("Say whether network time shall be on.")
        change_network_time(visit, is_on=wanted == "yes")
    except (InputError, MachineError) as error:
        return _page(visit, "time", error)
    return Redirect(f"{HERE}?done={'network-time-on' if wanted == 'yes' else 'network-time-off'}")


@route("GET", "/machine/zone", access=Access.ADMIN)
def confirm_zone(visit: Visit) -> Answer:
    """Show what time it is in a zone, and ask whether to take it."""
    if "zone" not in visit.query:
        return Redirect(HERE)
    try:
        wanted = zone_of(visit.query["zone"])
    except InputError as error:
        return _page(visit, "zone", error)
    values = {"now": visit.machine.now, "before": visit.machine.time.value, "wanted": ZoneInfo(wanted), "active": "system"}
    return Page("machine_zone", values)


@route("POST", "/machine/zone", access=Access.ADMIN)
def set_zone(visit: Visit) -> Answer:
    """Set the machine's time zone."""
    try:
        change_zone(visit, zone_of(visit.form.get("zone", "")))
    except (InputError, MachineError) as error:
        return _page(visit, "zone", error)
    return Redirect(f"{HERE}?done=zone-set")


# Name


@route("GET", "/machine/name", access=Access.ADMIN)
def confirm_name(visit: Visit) -> Answer:
    """Tell what another name changes, and ask whether to take it."""
    if "name" not in visit.query:
        return Redirect(HERE)
    try:
        wanted = name_of(visit.query["name"])
    except InputError as error:
        return _page(visit, "name", error)
    return Page("machine_name", {"before": visit.machine.name.value, "wanted": wanted, "active": "system"})


@route("POST", "/machine/name", access=Access.ADMIN)
def set_name(visit: Visit) -> Answer:
    """Give the machine another name."""
    try:
        change_name(visit, name_of(visit.form.get("name", "")))
    except (InputError, MachineError) as error:
        return _page(visit, "name", error)
    return Redirect(f"{HERE}?done=named")


# Factory reset


@route("GET", "/machine/reset", access=Access.ADMIN)
def confirm_reset(visit: Visit) -> Answer:
    """Tell what a factory reset takes away, and ask for the password and the device id."""
    return _reset_page(visit)


@route("POST", "/machine/reset", access=Access.ADMIN)
def reset(visit: Visit) -> Answer:
    """Give up all that was set and stored; the session ends with everything else."""
    keep_pictures = visit.form.get("pictures") == "keep"
    try:
        order_reset(visit, visit.form.get("device_id", ""), Secret(visit.form.get("password", "")), keep_pictures=keep_pictures)
    except (InputError, RefusedError, ThrottledError, MachineError) as error:
        return _reset_page(visit, error)
    return Page("machine_reset_begun", {"keep_pictures": keep_pictures, "active": "system"})


def _reset_page(visit: Visit, error: InputError | RefusedError | ThrottledError | MachineError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {
        "device_id": visit.parts.device_id,
        "is_available": visit.parts.factory_reset.is_available,
        "keep": visit.form.get("pictures") == "keep",
        "problem": problem,
        "active": "system",
    }
    return Page("machine_reset", values, problem.status if problem else 200)


def _zone(visit: Visit) -> ZoneInfo:
    """Return the machine's zone, UTC where nobody tells it."""
    clock = visit.machine.time.value
    try:
        return ZoneInfo(clock.timezone if clock else "UTC")
    except (KeyError, ValueError, OSError):  # D-Bus says what it likes
        return ZoneInfo("UTC")


def _page(visit: Visit, about: str = "", error: InputError | MachineError | None = None) -> Page:
    """Return the page; `about` says beside which card a refusal stands."""
    problem = problem_of(error) if error is not None else None
    values = {
        "view": machine_view(visit.parts, visit.machine),
        "machine": visit.machine,
        "zone": _zone(visit),
        "night_zone": visit.settings.site.timezone,
        "zones": zones() if visit.visitor.is_admin else (),
        "entered": {**visit.query, **visit.form},
        "problem": problem,
        "about": about,
        "notice": notice(visit.query),
        "active": "system",
    }
    return Page("machine", values, problem.status if problem else 200)


def _time_page(visit: Visit, error: InputError | MachineError | None = None) -> Page:
    problem = problem_of(error) if error is not None else None
    values = {
        "now": visit.machine.now,
        "clock": visit.machine.time.value,
        "zone": _zone(visit),
        "typed": visit.form.get("time", ""),
        "problem": problem,
        "active": "system",
    }
    return Page("machine_time", values, problem.status if problem else 200)
