"""What differs between a computer of yours (`--development`) and the appliance: the one place that asks which of the two it is.

Development   binds a port itself, INDI server as a child, certificates by this process, setup code on stdout,
              this computer's services left alone
Device        sockets from systemd, INDI server and certificates by other users, nothing on stdout, the system's D-Bus
"""

import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from appliance.domain.clock import VARIABLE, Clock, SystemClock, clock_from, pin_environment
from appliance.domain.errors import SecurityError, StartError
from appliance.host.bus import Bus
from appliance.host.driverhost import ChildDriverHost, DriverHost
from appliance.host.fifo import FifoDriverHost
from appliance.host.ownerfiles import OwnerFiles
from appliance.host.updaterecords import FOLDER as UPDATE_RECORDS
from appliance.security.names import names_for
from appliance.security.tokens import device_id_of, new_device_id
from appliance.settings.schema import Settings
from appliance.store.files import DataFolder
from appliance.supervisor.handed import take_sockets
from appliance.web.issuer import Issuer
from appliance.web.issuerapart import IssuerApart
from appliance.web.parts import Listen

log = logging.getLogger(__name__)

SOCKETS = "nightjar"
"""`FileDescriptorName=` of nightjar.socket."""
PORT, PLAIN_PORT = 443, 80
"""Of the appliance: what of HTTP comes in on the second is told the way to the first."""
MACHINE_ID = Path("/etc/machine-id")
BUS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"
_NO_BUS = "unix:path=/nonexistent/bus"
_NOTHING = Path("/nonexistent")
DEVELOPMENT_HOST, DEVELOPMENT_PORT = "127.0.0.1", 8443
_SKY_SIMULATOR = "nightjar-sky"
_SIMULATORS = {"sky": _SKY_SIMULATOR, "ccd": "indi_simulator_ccd"}
_DEVICE_ID = "device-id"
SHOWN = Path("/run/nightjar-show")
"""What root copies from here to the screen and to the card, as text."""


class Surroundings(Protocol):
    """Where the program runs; making one refuses what is unsafe there."""

    clock: Clock
    """The sky's time."""
    listen: Listen
    bus: Bus
    """To the machine's services."""
    shown: Path | None
    """Where what is told on the machine's own screen is left; None where there is none of ours."""
    keeps_setup_code: bool
    """Whether the setup code is read from a card that has to be taken out for it, and so must hold at the next start."""
    follows_driver: bool
    """Whether the INDI server runs the driver that the settings name."""
    handed: OwnerFiles
    """What the machine's start hands over."""
    update_records: Path | None
    """Where root writes down what became of updates; None where nobody does."""

    @property
    def panel(self) -> str:
        """Address of the panel, as far as it can be told to others."""
        ...

    def device_id(self, folder: DataFolder) -> str:
        """Return this device's id, 8 Crockford characters; raises StartError."""
        ...

    def issuer(self, folder: DataFolder, clock: Clock) -> Issuer | IssuerApart:
        """Return who issues the panel's certificates; raises StartError."""
        ...

    def drivers(self, settings: Callable[[], Settings], restart: Callable[[], None]) -> DriverHost:
        """Return who runs the INDI server.

        Parameters
        ----------
        settings : callable
            Gives those in force.
        restart : callable
            Has systemd restart the server's unit; raises MachineError.
        """
        ...

    def say_ready(self, setup_code: str | None) -> None:
        """Tell where the panel is, and how an unclaimed one is claimed."""
        ...

    def close(self) -> None:
        """Give the sockets back."""
        ...


class Development:
    """A computer of yours."""

    def __init__(self, host: str | None, port: int | None, camera: str | None) -> None:
        if os.geteuid() == 0:
            print("nightjar: running as root, which only --development allows", file=sys.stderr)
        pin_environment()
        self.clock = clock_from(os.environ.get(VARIABLE))
        self._driver = _driver_program(camera or "sky")
        self._listener = _bind(host or DEVELOPMENT_HOST, DEVELOPMENT_PORT if port is None else port)
        self.listen = Listen(sockets=(self._listener,))
        self.bus = Bus(
            os.environ.get(BUS_VARIABLE) or _NO_BUS,
            none_because=f"development leaves this computer's services alone, unless {BUS_VARIABLE} names a bus",
        )
        self.shown: Path | None = None
        self.keeps_setup_code = self.follows_driver = False
        self.handed = OwnerFiles(_NOTHING, _NOTHING)
        self.update_records: Path | None = None

    @property
    def panel(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"

    def device_id(self, folder: DataFolder) -> str:
        """Return the id that was made at the first start."""
        known = folder.read(_DEVICE_ID)
        if known is None:
            known = new_device_id().encode()
            folder.write_atomic(_DEVICE_ID, known + b"\n")
        return known.decode("ascii").strip()

    def issuer(self, folder: DataFolder, clock: Clock) -> Issuer | IssuerApart:  # noqa: ARG002 - its certificates' dates are asked for
        """Return one in this process."""
        return Issuer(folder, self.device_id(folder))

    def drivers(self, settings: Callable[[], Settings], restart: Callable[[], None]) -> DriverHost:  # noqa: ARG002 - the server is our child
        """Return a host whose server is a child of this process."""
        return ChildDriverHost((self._driver,), environment=_driver_environment(settings()))

    def say_ready(self, setup_code: str | None) -> None:
        """Print both: whoever started the program reads its output."""
        print(f"panel: {self.panel}", flush=True)
        if setup_code is not None:
            print(f"setup code: {setup_code}", flush=True)

    def close(self) -> None:
        """Close the port."""
        self._listener.close()


class Device:
    """The appliance, where systemd starts the program as user nightjar and hands it its sockets."""

    def __init__(self, host: str | None, port: int | None, camera: str | None) -> None:
        if os.geteuid() == 0:
            raise StartError(
                "refuses to run as root: the appliance needs no right of root (on a computer of yours: --development)"
            )
        if VARIABLE in os.environ:
            raise StartError(f"{VARIABLE} is for development only: unset it")
        if host is not None or port is not None:
            raise StartError("--listen and --port are for --development: on the appliance systemd hands over the sockets")
        runtime = os.environ.get("RUNTIME_DIRECTORY")
        if runtime is None:
            raise StartError(
                "RUNTIME_DIRECTORY is not set: on the appliance systemd starts this program (elsewhere: --development)"
            )
        self.clock: Clock = SystemClock()
        self._runtime = Path(runtime)
        self._drivers = () if camera is None else (_SIMULATORS.get(camera, camera),)
        self.listen = sort_sockets(take_sockets(SOCKETS))
        self.bus = Bus()
        self.shown: Path | None = SHOWN
        self.keeps_setup_code, self.follows_driver = True, camera is None
        self.handed = OwnerFiles()
        self.update_records: Path | None = UPDATE_RECORDS

    @property
    def panel(self) -> str:
        """The machine's name in its own network, which its certificate is for."""
        return f"https://{names_for(socket.gethostname(), ()).hosts[0]}"

    def device_id(self, folder: DataFolder) -> str:  # noqa: ARG002 - others than the panel must find it, too
        """Return the id that belongs to this machine's, which is not shown itself."""
        try:
            return device_id_of(MACHINE_ID.read_bytes())
        except (OSError, SecurityError) as error:
            raise StartError(f"this machine has no usable {MACHINE_ID}; systemd makes one at the first start") from error

    def issuer(self, folder: DataFolder, clock: Clock) -> Issuer | IssuerApart:
        """Return another user's, who is told by a file in the runtime folder (decision 0701)."""
        return IssuerApart(folder, self._runtime, clock)

    def drivers(self, settings: Callable[[], Settings], restart: Callable[[], None]) -> DriverHost:
        """Return a host that speaks to the server of nightjar-indi.service and follows the setting of the driver."""

        def wanted() -> tuple[str, ...]:
            chosen = settings().camera.driver
            return self._drivers or ((chosen,) if chosen else ())

        return FifoDriverHost(wanted, restart)

    def say_ready(self, setup_code: str | None) -> None:
        """Log that the panel is open; the code is not for the journal, which goes into support bundles."""
        log.info("panel ready: port %d, %s", PORT, "claimed" if setup_code is None else "not claimed yet")

    def close(self) -> None:
        """Close the copies; systemd keeps its own, so that no connection is refused while we restart."""
        for handed in (*self.listen.sockets, *self.listen.plain_sockets):
            handed.close()


def sort_sockets(handed: tuple[socket.socket, ...]) -> Listen:
    """Return sockets by their port.

    Raises
    ------
    StartError
        If one is of neither port, or the panel's is missing.
    """
    ports = [handed_one.getsockname()[1] for handed_one in handed]
    if strange := sorted(set(ports) - {PORT, PLAIN_PORT}):
        raise StartError(f"a socket of port {strange[0]} was handed over; nightjar.socket may have {PORT} and {PLAIN_PORT} only")
    if missing := {PORT, PLAIN_PORT} - set(ports):
        raise StartError(
            f"no socket of port {max(missing)} was handed over: "
            "start nightjar.socket before nightjar.service (on a computer of yours: --development)"
        )
    secure, plain = (tuple(s for s, of in zip(handed, ports, strict=True) if of == port) for port in (PORT, PLAIN_PORT))
    return Listen(sockets=secure, plain_sockets=plain)


def _bind(host: str, port: int) -> socket.socket:
    """Bind the panel's port before anything else starts, so that a taken port is one line and not a broken panel."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise StartError(f"the panel cannot listen on {host} port {port}: {error.strerror}; try another --port") from error


def _driver_program(camera: str) -> Path:
    """Return the INDI driver that `--camera` names."""
    if camera == "sky":
        return Path(__file__).parent / "skysim" / _SKY_SIMULATOR
    name = _SIMULATORS.get(camera, camera)
    found = shutil.which(name) if name.startswith("indi_") and "/" not in name else None
    if found is None:
        raise StartError(f"no INDI driver {name!r} is installed; take sky, ccd or a name like indi_asi_ccd")
    return Path(found)


def _driver_environment(settings: Settings) -> dict[str, str]:
    """Return what the sky simulator is told: which Python to use, and where it stands."""
    site, environment = settings.site, {"NIGHTJAR_PYTHON": sys.executable}
    if site.latitude_deg is not None and site.longitude_deg is not None:
        environment |= {"NIGHTJAR_SKYSIM_LATITUDE": str(site.latitude_deg), "NIGHTJAR_SKYSIM_LONGITUDE": str(site.longitude_deg)}
    return environment
