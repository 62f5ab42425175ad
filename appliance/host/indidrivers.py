"""Which INDI drivers of cameras are installed, and which camera is plugged in: read from the drivers' packages and the kernel."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from appliance.domain.driver import CameraDriver, PluggedCamera
from appliance.host.fifo import installed_drivers
from appliance.host.kernelfiles import KernelFiles

PROGRAMS, CATALOGUES = Path("/usr/bin"), Path("/usr/share/indi")
SKY_SIMULATOR = "nightjar-sky"
_GROUP = "CCDs"
_BESIDE = frozenset({"indi_simulator_guide"})
"""In the packages' group of cameras, and not what photographs a sky."""
_USB = "sys/bus/usb/devices"
_LARGEST = 1 << 20
_LONGEST = 60
_STILL_IMAGE, _VIDEO = "060101", "0e01"
"""Class, subclass and protocol of an interface, in hexadecimal, as far as they say what it is."""


@dataclass(frozen=True, slots=True)
class _Make:
    drivers: tuple[str, ...]
    """The first that is installed is taken."""
    package: str
    interface: str = ""
    """What one of the device's interfaces must begin with: some makers make other things, too."""


_GPHOTO = "indi-gphoto"
MAKES = {
    "03c3": _Make(("indi_asi_ccd",), "indi-asi"),  # ZWO
    "a0a0": _Make(("indi_playerone_ccd",), "indi-playerone"),  # Player One
    "1278": _Make(("indi_sx_ccd",), "indi-sx"),  # Starlight Xpress
    "0d97": _Make(("indi_sbig_ccd",), "indi-sbig"),  # SBIG
    "0f18": _Make(("indi_fli_ccd",), "indi-fli"),  # Finger Lakes Instrumentation
    "125c": _Make(("indi_apogee_ccd",), "indi-apogee"),  # Apogee
    "1887": _Make(("indi_fishcamp_ccd",), "indi-fishcamp"),  # Fishcamp
    "156c": _Make(("indi_dsi_ccd",), "indi-dsi"),  # Meade
    "19b4": _Make(("indi_nightscape_ccd",), "indi-nightscape"),  # Celestron
    "07ee": _Make(("indi_orion_ssg3_ccd",), "indi-orion-ssg3"),  # Orion StarShoot G3 and G4
    "04a9": _Make(("indi_canon_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),
    "04b0": _Make(("indi_nikon_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),
    "054c": _Make(("indi_sony_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),
    "04cb": _Make(("indi_fuji_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),
    "0a17": _Make(("indi_pentax_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),
    "25fb": _Make(("indi_pentax_ccd", "indi_gphoto_ccd"), _GPHOTO, _STILL_IMAGE),  # Ricoh
}
"""By the number of the maker, as in `60-nightjar-cameras.rules`; http://www.linux-usb.org/usb.ids"""
_WEBCAM = _Make(("indi_webcam_ccd", "indi_v4l2_ccd"), "indi-webcam", _VIDEO)


class IndiDrivers:
    """Looks anew at each question.

    Parameters
    ----------
    is_followed : bool
        Whether the INDI server here runs the driver that the settings name.
    programs, catalogues, root : Path
        Where the drivers, their packages' lists and the kernel's files lie.
    """

    def __init__(
        self, *, is_followed: bool, programs: Path = PROGRAMS, catalogues: Path = CATALOGUES, root: Path = Path("/")
    ) -> None:
        self.is_followed = is_followed
        self._programs, self._catalogues, self._files = programs, catalogues, KernelFiles(root)

    def installed(self) -> tuple[CameraDriver, ...]:
        """Return the drivers of cameras that are installed, by name."""
        present, cameras = installed_drivers(self._programs), self._catalogue()
        cameras[SKY_SIMULATOR] = ["Simulated sky, for trying things out"]
        names = sorted((present & cameras.keys()) - _BESIDE)
        return tuple(CameraDriver(name, tuple(dict.fromkeys(cameras[name]))) for name in names)

    def plugged(self) -> tuple[PluggedCamera, ...]:
        """Return the cameras that are plugged in, in the order of the sockets."""
        installed = {driver.name for driver in self.installed()}
        names = [name for name in self._files.names(_USB) if ":" not in name]
        found = (self._camera(name, installed) for name in names)
        return tuple(camera for camera in found if camera is not None)

    def _catalogue(self) -> dict[str, list[str]]:
        """Return what the packages say that each driver of cameras drives."""
        cameras: dict[str, list[str]] = {}
        for path in sorted(self._catalogues.glob("*.xml")):
            for device in _devices(path):
                driver = (device.findtext("driver") or "").strip()
                cameras.setdefault(driver, []).append(device.get("label", "")[:_LONGEST])
        return cameras

    def _camera(self, name: str, installed: set[str]) -> PluggedCamera | None:
        vendor = self._files.text(f"{_USB}/{name}/idVendor") or ""
        interfaces = [self._interface(one) for one in self._files.names(_USB) if one.startswith(f"{name}:")]
        make = MAKES.get(vendor)
        if make is None or not any(interface.startswith(make.interface) for interface in interfaces):
            make = _WEBCAM if any(interface.startswith(_WEBCAM.interface) for interface in interfaces) else None
        if make is None:
            return None
        words = (self._files.text(f"{_USB}/{name}/{what}") or "" for what in ("manufacturer", "product"))
        called = "".join(letter for letter in " ".join(words).strip() if letter.isprintable())[:_LONGEST]
        driver = next((driver for driver in make.drivers if driver in installed), "")
        return PluggedCamera(called or "A camera without a name", driver, make.package)

    def _interface(self, name: str) -> str:
        kinds = ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol")
        return "".join(self._files.text(f"{_USB}/{name}/{kind}") or "--" for kind in kinds)


def _devices(path: Path) -> list[ET.Element]:
    """Return the cameras of a package's list; none of one that cannot be read, which is the package's business."""
    try:
        if path.stat().st_size > _LARGEST:
            return []
        tree = ET.parse(path)  # noqa: S314 - a file of the system's own packages
    except (OSError, ET.ParseError):
        return []
    return [device for group in tree.iter("devGroup") if group.get("group") == _GROUP for device in group.iter("device")]
