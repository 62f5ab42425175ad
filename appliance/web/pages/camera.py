"""The camera's driver: what is plugged in, what is installed, what runs."""

from appliance.domain.access import Access
from appliance.domain.errors import InputError, MachineError
from appliance.settings.schema import Transport
from appliance.web.answers import Answer, Page, Redirect
from appliance.web.cameraacts import choose_driver
from appliance.web.notices import notice
from appliance.web.problems import problem_of
from appliance.web.routes import route
from appliance.web.visit import Visit

HERE = "/camera"


@route("GET", "/camera", access=Access.STAFF)
def camera(visit: Visit) -> Answer:
    """Show the drivers, and propose the one for the camera that is plugged in."""
    return _page(visit)


@route("POST", "/camera/driver", access=Access.ADMIN)
def use_driver(visit: Visit) -> Answer:
    """Have the INDI server run another driver, or none."""
    try:
        if "driver" not in visit.form:
            raise InputError("Choose a driver.")
        choose_driver(visit, visit.form["driver"])
    except (InputError, MachineError) as error:
        return _page(visit, error)
    return Redirect(f"{HERE}?done=driver")


def _page(visit: Visit, error: InputError | MachineError | None = None) -> Page:
    drivers, settings = visit.parts.camera_drivers, visit.settings.camera
    problem = problem_of(error) if error is not None else None
    values = {
        "plugged": drivers.plugged(),
        "drivers": drivers.installed(),
        "chosen": settings.driver,
        "is_followed": drivers.is_followed,
        "is_remote": settings.transport is Transport.REMOTE,
        "status": visit.parts.camera.value,
        "notice": notice(visit.query),
        "problem": problem,
        "active": "system",
    }
    return Page("camera", values, problem.status if problem else 200)
