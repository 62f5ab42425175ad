"""The wiring diagram: builds every object, names every worker, sets every limit.

    camera -> frames(2) -> pipeline -> files, rows, measured, latest
    web    -> settings revisions, camera commands;  reads latest, camera status, health board, stores
    housekeeping -> room on the disk, backups

Threads that are not ours: libindi's (one a connection, in `camera/indi.py`: bytes into a mailbox, nothing else),
waitress's task threads and the TLS loop (in `web/`), Argon2's (none: one lane).
"""

import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance import __version__
from appliance.camera.indicamera import Address, IndiCamera
from appliance.camera.port import Camera
from appliance.camera.service import CameraService
from appliance.domain.clock import VARIABLE, Clock, SystemClock, clock_from, pin_environment
from appliance.domain.commands import CameraCommand
from appliance.domain.errors import DiskFullError, StartError, StoreError
from appliance.domain.frame import CameraStatus, Measurement, RawFrame, StoredFrame
from appliance.domain.health import Severity
from appliance.host.driverhost import ChildDriverHost, DriverHost
from appliance.housekeeping.service import HousekeepingService
from appliance.pipeline.service import PipelineService
from appliance.security.tokens import new_device_id
from appliance.settings.parse import to_json
from appliance.settings.schema import Settings, Transport
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.products import ProductStore
from appliance.store.recovery import RecoveryStore
from appliance.store.revisions import SettingsStore
from appliance.store.sessions import SessionLimits, SessionStore
from appliance.store.throttle import ThrottleStore
from appliance.store.tokens import TokenStore
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.supervisor import Supervisor, used_memory_bytes
from appliance.supervisor.worker import WorkerSpec
from appliance.web.certificates import CertificateKeeper
from appliance.web.issuer import Issuer
from appliance.web.issuerapart import IssuerApart
from appliance.web.login import Gate, GateStores, start_recovery
from appliance.web.parts import Listen, WebParts
from appliance.web.people import People
from appliance.web.service import WebService
from appliance.web.vaultkeeper import VaultKeeper

log = logging.getLogger(__name__)

FRAMES_WAITING = 2
"""A 12-megapixel frame is 24 MB."""
COMMANDS_WAITING = 8
MEMORY_SHARE = 0.6
"""Of the machine's memory: a process that grows past it ends itself and is started again."""
OLDEST_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock before this was never set."""
CCD_SIMULATOR = "indi_simulator_ccd"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    data: Path
    listen: str
    port: int
    camera: str
    is_development: bool


def run(options: Options) -> int:
    """Build the appliance, run it until a signal, and return the exit code."""
    _refuse_what_is_unsafe(options)
    pin_environment()
    clock = clock_from(os.environ.get(VARIABLE))
    driver = _driver_program(options.camera)
    listener = _listen(options.listen, options.port)
    with listener, _opened(options.data, clock) as stored:
        return _supervise(options, clock, stored, driver, listener)


def print_settings(data: Path) -> int:
    """Print the settings in force."""
    with _opened(data, SystemClock()) as stored:
        print(to_json(stored.settings.published.value))
    return 0


def reset_admin(data: Path) -> int:
    """Open a recovery: whoever stands at this machine gets a code that sets a new admin password, and nothing else."""
    with _opened(data, SystemClock()) as stored:
        code = start_recovery(RecoveryStore(stored.database, SystemClock()), stored.audit, "reset-admin on this machine")
    print(f"setup code: {code}")
    print("Start the appliance, open its panel at /claim and enter this code with a name and a new password.")
    return 0


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is on disk, opened."""

    folder: DataFolder
    database: Database
    settings: SettingsStore
    audit: AuditStore
    board: HealthBoard
    repairs: tuple[str, ...]


@contextmanager
def _opened(data: Path, clock: Clock) -> Iterator[_Stored]:
    """Open the data folder and its database; on a full disk the reserve is given up first."""
    folder, board = DataFolder(data), HealthBoard(clock)
    try:
        folder.open()
    except StoreError as error:
        raise StartError(str(error)) from error
    database = Database(data, clock)
    try:
        try:
            repairs = database.open()
        except DiskFullError:
            folder.give_up_reserve()
            repairs = database.open()
        settings = SettingsStore(database, board)
        settings.load()
        yield _Stored(folder, database, settings, AuditStore(database, clock), board, repairs)
    finally:
        database.close()
        folder.close()


def _supervise(options: Options, clock: Clock, stored: _Stored, driver: Path, listener: socket.socket) -> int:
    folder, database, board = stored.folder, stored.database, stored.board
    settings = stored.settings.published
    true_clock = SystemClock()  # certificates, sessions and codes follow the machine's time, not an accelerated sky's
    if stored.repairs:
        board.raise_issue(
            "store.repaired",
            Severity.WARNING,
            "The database was damaged and has been repaired",
            f"{'; '.join(stored.repairs)}. Check the settings; a card that does this again should be replaced.",
        )

    # what passes between threads
    frames: Mailbox[RawFrame] = Mailbox("raw frames", FRAMES_WAITING)
    commands: Mailbox[CameraCommand] = Mailbox("camera commands", COMMANDS_WAITING)
    measured: Published[Measurement | None] = Published(None)
    status: Published[CameraStatus] = Published(CameraStatus("starting"))

    # what is on disk
    frame_store, products = FrameStore(database, folder), ProductStore(folder)
    latest: Published[StoredFrame | None] = Published(frame_store.latest())
    stores = GateStores(
        accounts=AccountStore(database, true_clock),
        sessions=SessionStore(database, true_clock, lambda: _session_limits(settings.value)),
        tokens=TokenStore(database, true_clock),
        throttle=ThrottleStore(database, true_clock),
        recovery=RecoveryStore(database, true_clock),
        audit=stored.audit,
    )

    # who may come in
    vault = VaultKeeper(folder)
    vault.open()
    gate = Gate(stores, lambda: vault.vault, true_clock, lambda: true_clock.now() >= OLDEST_TIME)
    people = People(gate, stores, lambda: vault.vault, true_clock, lambda: true_clock.now() >= OLDEST_TIME)
    certificates = CertificateKeeper(folder, true_clock, board, _issuer(options, folder, true_clock))

    drivers: DriverHost = ChildDriverHost((driver,), environment=_driver_environment(settings.value))

    def make_camera(now: Settings) -> Camera:
        def address() -> Address:
            is_remote = now.camera.transport is Transport.REMOTE
            return (now.camera.remote_host, now.camera.remote_port) if is_remote else drivers.address

        return IndiCamera(address, now.camera.device, clock)

    workers = [
        WorkerSpec(
            "web",
            lambda _: WebService(
                WebParts(
                    version=__version__,
                    device_name="nightjar",
                    clock=clock,
                    board=board,
                    folder=folder,
                    settings=stored.settings,
                    frames=frame_store,
                    products=products,
                    accounts=stores.accounts,
                    sessions=stores.sessions,
                    tokens=stores.tokens,
                    audit=stores.audit,
                    gate=gate,
                    people=people,
                    certificates=certificates,
                    latest=latest,
                    camera=status,
                    camera_commands=commands,
                    listen=Listen(sockets=(listener,)),
                    used_memory_bytes=used_memory_bytes,
                )
            ),
            "The panel",
        ),
        WorkerSpec(
            "pipeline",
            lambda beat: PipelineService(
                frames=frames,
                settings=settings,
                frames_store=frame_store,
                products=products,
                measured=measured,
                latest=latest,
                board=board,
                clock=clock,
                beat=beat,
            ),
            "Developing pictures",
        ),
        WorkerSpec(
            "camera",
            lambda beat: CameraService(
                settings=settings,
                frames=frames,
                status=status,
                commands=commands,
                board=board,
                clock=clock,
                make_camera=make_camera,
                drivers=drivers,
                beat=beat,
            ),
            "Taking pictures",
        ),
        WorkerSpec(
            "housekeeping",
            lambda beat: HousekeepingService(settings, folder, database, frame_store, stored.audit, board, clock, beat),
            "Housekeeping",
        ),
    ]

    def say_ready() -> None:
        host, port = listener.getsockname()[:2]
        print(f"panel: https://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        code = gate.setup_code()
        if code is not None and options.is_development:
            print(f"setup code: {code}", flush=True)

    supervisor = Supervisor(
        workers,
        lambda: (frames.health, commands.health),
        board,
        Notifier(),
        memory_limit_bytes=_memory_limit(),
        on_ready=say_ready,
    )
    try:
        return supervisor.run()
    finally:
        drivers.close()


def _refuse_what_is_unsafe(options: Options) -> None:
    if os.geteuid() == 0 and not options.is_development:
        raise StartError("refuses to run as root: the appliance needs no right of root (on a computer of yours: --development)")
    if VARIABLE in os.environ and not options.is_development:
        raise StartError(f"{VARIABLE} is for development only: unset it")
    if options.is_development and os.geteuid() == 0:
        print("nightjar: running as root, which only --development allows", file=sys.stderr)


def _listen(host: str, port: int) -> socket.socket:
    """Bind the panel's port before anything else starts, so that a taken port is one line and not a broken panel."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise StartError(f"the panel cannot listen on {host} port {port}: {error.strerror}; try another --port") from error


def _driver_program(camera: str) -> Path:
    """Return the INDI driver that `--camera` names."""
    if camera == "sky":
        return Path(__file__).parent / "skysim" / "nightjar-sky"
    name = CCD_SIMULATOR if camera == "ccd" else camera
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


def _device_id(folder: DataFolder) -> str:
    """Return this device's id, made at the first start."""
    known = folder.read("device-id")
    if known is None:
        known = new_device_id().encode()
        folder.write_atomic("device-id", known + b"\n")
    return known.decode("ascii").strip()


def _issuer(options: Options, folder: DataFolder, clock: Clock) -> Issuer | IssuerApart:
    """Return who issues certificates: this process in development, on the appliance another user's (decision 0701)."""
    if options.is_development:
        return Issuer(folder, _device_id(folder))
    runtime = os.environ.get("RUNTIME_DIRECTORY")
    if runtime is None:
        raise StartError("RUNTIME_DIRECTORY is not set: on the appliance systemd starts this program (elsewhere: --development)")
    return IssuerApart(folder, Path(runtime), clock)


def _session_limits(settings: Settings) -> SessionLimits:
    return SessionLimits(idle_s=settings.web.session_idle_minutes * 60, absolute_s=settings.web.session_days * 86400)


def _memory_limit() -> int:
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_SHARE)
