"""What an admin does with the camera's driver: done, and then written into the audit log."""

from appliance.domain.errors import InputError, UnavailableError
from appliance.web.visit import Visit


def choose_driver(visit: Visit, untrusted_name: str) -> None:
    """Have the INDI server run one of the installed drivers, or none for an empty name.

    The device's name goes with the former driver: the first camera of the new one is used.

    Raises
    ------
    InputError
        If no such driver of cameras is installed.
    UnavailableError
        If the INDI server here does not follow the settings.
    """
    drivers = visit.parts.camera_drivers
    if not drivers.is_followed:
        raise UnavailableError("not available on this machine: the driver was chosen where the program was started")
    if untrusted_name and untrusted_name not in {driver.name for driver in drivers.installed()}:
        raise InputError("No such driver of cameras is installed. Choose one of the list.")
    settings = visit.settings
    camera = settings.camera.model_copy(update={"driver": untrusted_name, "device": ""})
    visit.parts.settings.save(settings.model_copy(update={"camera": camera}), visit.visitor.name)
    visit.note("camera driver chosen", untrusted_name or "none")
