"""The wiring diagram: builds every object, names every worker, sets every limit.

    camera -> frames(2) -> pipeline -> files, rows, measured, latest
    web    -> settings revisions, camera and power commands, jobs;  reads latest, camera status, health board, stores
    housekeeping -> room on the disk, backups, readings of the machine
    machinery -> the machine's power, network, screen, USB sticks and updates (`machinery.py`)
    upload -> one worker a target, made and ended as the settings say: rows -> files on other computers, posts, mails
    notices -> health board -> files, rows for the targets that want to hear of issues

Threads that are not ours: libindi's (one a connection, in `camera/indi.py`: bytes into a mailbox, nothing else),
paramiko's (two a connection, in `uploads/sftp.py`: bytes and timers, nothing of ours),
waitress's task threads and the TLS loop (in `web/`), Argon2's (none: one lane).
"""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance import __version__
from appliance.camera.indicamera import Address, IndiCamera
from appliance.camera.port import Camera
from appliance.camera.service import CameraService
from appliance.domain.clock import Clock, SystemClock
from appliance.domain.commands import CameraCommand
from appliance.domain.errors import DiskFullError, StartError, StoreError
from appliance.domain.frame import CameraStatus, Measurement, RawFrame, StoredFrame
from appliance.domain.machine import Reading
from appliance.domain.secret import Secret
from appliance.host.announcer import Announcer
from appliance.host.clock import TimeAndDate
from appliance.host.hostname import HostName
from appliance.host.indidrivers import IndiDrivers
from appliance.host.network import Network
from appliance.host.radiocountry import RadioCountry
from appliance.host.reset import FactoryReset
from appliance.host.sensors import Sensors
from appliance.host.systemd import Units
from appliance.host.update import Updates
from appliance.housekeeping.damage import tell_damage
from appliance.housekeeping.kept import KeptSecret
from appliance.housekeeping.machine import MachineWatch
from appliance.housekeeping.naming import NameKeeper
from appliance.housekeeping.ownersfile import OwnersFileKeeper
from appliance.housekeeping.peers import PeerKeeper
from appliance.housekeeping.service import HousekeepingService
from appliance.machinery import MachineChannels, Machinery, make_update_parts
from appliance.pipeline.service import PipelineService
from appliance.security.tokens import new_point_key, new_setup_code
from appliance.settings.parse import to_json
from appliance.settings.schema import Settings, Transport
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.belongings import BelongingsStore
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.jobs import JobStore
from appliance.store.notices import NoticeStore
from appliance.store.peerreconcile import PeerReconciler
from appliance.store.products import ProductStore
from appliance.store.readings import ReadingStore
from appliance.store.recovery import RecoveryStore
from appliance.store.revisions import SettingsStore
from appliance.store.sessions import SessionStore, session_limits
from appliance.store.sticks import StickStore
from appliance.store.throttle import ThrottleStore
from appliance.store.tokens import TokenStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.supervisor.notify import Notifier
from appliance.supervisor.supervisor import Supervisor, machine_memory_bytes, used_memory_bytes
from appliance.supervisor.worker import WorkerSpec
from appliance.surroundings import Development, Device, Surroundings
from appliance.uploads.couriers import Couriers
from appliance.uploads.factory import Safe, Supplies, sender_of
from appliance.uploads.notices import NoticeService
from appliance.web.certificates import CertificateKeeper
from appliance.web.login import Gate, GateStores, start_recovery
from appliance.web.parts import WebParts
from appliance.web.peerparts import make_peer_parts
from appliance.web.people import People
from appliance.web.screen import PresenceParts
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


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    data: Path
    listen: str | None
    port: int | None
    camera: str | None
    is_development: bool


def run(options: Options) -> int:
    """Build the appliance, run it until a signal, and return the exit code."""
    around: Surroundings = (Development if options.is_development else Device)(options.listen, options.port, options.camera)
    with closing(around), _opened(options.data, around.clock) as stored:
        return _supervise(around, stored)


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


def code_of_now(kept: KeptSecret, accounts: AccountStore, *, is_kept: bool) -> Secret[str]:
    """Return the setup code: the same at each start where it is kept, until the appliance is claimed."""
    if is_kept and not accounts.is_claimed:
        return kept.value()
    kept.forget()
    return new_setup_code()


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


def _supervise(around: Surroundings, stored: _Stored) -> int:
    clock, folder, database, board = around.clock, stored.folder, stored.database, stored.board
    settings = stored.settings.published
    true_clock = SystemClock()  # certificates, sessions and codes follow the machine's time, not an accelerated sky's
    tell_damage(board, stored.repairs, around.handed.partition())
    OwnersFileKeeper(around.handed, stored.settings, folder, stored.audit, board).look()

    # what passes between threads
    frames: Mailbox[RawFrame] = Mailbox("raw frames", FRAMES_WAITING)
    commands: Mailbox[CameraCommand] = Mailbox("camera commands", COMMANDS_WAITING)
    measured: Published[Measurement | None] = Published(None)
    status: Published[CameraStatus] = Published(CameraStatus("starting"))
    developed: Published[int] = Published(0)
    channels = MachineChannels(COMMANDS_WAITING)
    readings: Published[Reading | None] = Published(None)

    # what is on disk
    queue = UploadQueue(database, true_clock)
    deliveries = Deliveries(queue, settings)
    frame_store, products = FrameStore(database, folder, deliveries), ProductStore(folder, deliveries.add_product)
    latest: Published[StoredFrame | None] = Published(frame_store.latest())
    stick_store, jobs = StickStore(database, true_clock), JobStore(database, true_clock)
    reading_store = ReadingStore(database)
    update = make_update_parts(folder, channels, around.update_records)
    stores = GateStores(
        accounts=AccountStore(database, true_clock),
        sessions=SessionStore(database, true_clock, lambda: session_limits(settings.value)),
        tokens=TokenStore(database, true_clock),
        throttle=ThrottleStore(database, true_clock),
        recovery=RecoveryStore(database, true_clock),
        audit=stored.audit,
    )

    # who may come in
    vault = VaultKeeper(folder)
    vault.open()
    credentials = CredentialStore(database, true_clock)
    point_key = KeptSecret("network.point", new_point_key, credentials, lambda: vault.vault)
    setup_code = KeptSecret("setup.code", new_setup_code, credentials, lambda: vault.vault)
    gate = Gate(
        stores,
        lambda: vault.vault,
        true_clock,
        lambda: true_clock.now() >= OLDEST_TIME,
        code_of_now(setup_code, stores.accounts, is_kept=around.keeps_setup_code),
    )
    people = People(gate, stores, lambda: vault.vault, true_clock, lambda: true_clock.now() >= OLDEST_TIME)
    device_id = around.device_id(folder)
    certificates = CertificateKeeper(folder, true_clock, board, around.issuer(folder, true_clock))

    # where pictures are sent, and who sends them here
    supplies = Supplies(
        safe=Safe(credentials, lambda: vault.vault),
        frame_of=frame_store.of_name,
        sender=lambda: sender_of(device_id, __version__, settings.value, around.panel),
    )
    couriers = Couriers(settings=settings, queue=queue, path_of=folder.path_of, supplies=supplies, board=board, clock=true_clock)
    couriers.open()
    notices = NoticeStore(folder, deliveries, true_clock)
    senders = make_peer_parts(database, folder, credentials, lambda: vault.vault, true_clock, settings)
    peer_keeper = PeerKeeper(senders.peers, senders.received, PeerReconciler(database, folder, senders.received), folder)

    # the machine
    bus = around.bus
    units = Units(bus)
    drivers = around.drivers(lambda: settings.value, units.restart_indi)
    machine = MachineWatch(Sensors(folder.root), readings, reading_store, board, clock)
    names = NameKeeper(Announcer(bus), HostName(bus), device_id, stored.audit, board, true_clock)
    machinery = Machinery(
        presence=None
        if around.shown is None
        else PresenceParts(
            around.shown, around.handed, gate, stores, certificates, folder, device_id, true_clock, channels.network_situation
        ),
        bus=bus,
        channels=channels,
        settings=settings,
        folder=folder,
        device_id=device_id,
        stick_store=stick_store,
        jobs=jobs,
        update=update,
        version=__version__,
        audit=stored.audit,
        board=board,
        clock=true_clock,
        sky_clock=clock,
        point_key=point_key.value,
        frames=frames,
        developed=developed,
        camera=status,
        camera_commands=commands,
    )

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
                    device_id=device_id,
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
                    belongings=BelongingsStore(database, true_clock),
                    gate=gate,
                    people=people,
                    certificates=certificates,
                    latest=latest,
                    camera=status,
                    camera_commands=commands,
                    power=channels.power,
                    power_state=channels.power_state,
                    time_and_date=TimeAndDate(bus),
                    host_name=HostName(bus),
                    network=Network(bus),
                    network_commands=channels.network_commands,
                    network_situation=channels.network_situation,
                    updates=Updates(bus),
                    update=update,
                    factory_reset=FactoryReset(units, around.shown),
                    camera_drivers=IndiDrivers(is_followed=around.follows_driver),
                    radio_country=RadioCountry(around.shown),
                    readings=readings,
                    reading_store=reading_store,
                    sticks=channels.sticks,
                    stick_store=stick_store,
                    stick_commands=channels.stick_commands,
                    found_backups=channels.found_backups,
                    jobs=jobs,
                    queue=queue,
                    couriers=couriers,
                    credentials=credentials,
                    peers=senders.peers,
                    peer_gate=senders.gate,
                    received=senders.received,
                    receiver=senders.receiver,
                    v1_gate=senders.v1_gate,
                    vault=lambda: vault.vault,
                    listen=around.listen,
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
                developed=developed,
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
            lambda beat: HousekeepingService(
                settings, folder, database, frame_store, stored.audit, board, clock, machine, peer_keeper, names, beat
            ),
            "Housekeeping",
        ),
        *machinery.workers(),
        couriers.tester,
        WorkerSpec(
            "notices",
            lambda _: NoticeService(notices, board, settings, supplies.sender, true_clock),
            "Telling of what is wrong",
        ),
    ]

    supervisor = Supervisor(
        workers,
        lambda: (frames.health, commands.health, *channels.health),
        board,
        Notifier(),
        memory_limit_bytes=int(machine_memory_bytes() * MEMORY_SHARE),
        on_ready=lambda: around.say_ready(gate.setup_code()),
        changing=couriers.specs,
    )
    try:
        return supervisor.run()
    finally:
        drivers.close()
