"""A whole panel on real stores in a folder, for tests: claimed or not, with a few synthetic frames."""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import simplejpeg

from appliance.domain.access import Role, Scope, Session
from appliance.domain.clock import SystemClock
from appliance.domain.commands import CameraCommand
from appliance.domain.frame import CameraStatus, Exposure, FrameKind, Measurement, Picture, StoredFrame
from appliance.domain.machine import Reading
from appliance.domain.network import NetworkSituation
from appliance.domain.night import NightId, night_of
from appliance.domain.power import PowerPhase, PowerState
from appliance.domain.secret import Secret
from appliance.domain.update import Updater
from appliance.security.addresses import LocalAddresses
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.belongings import BelongingsStore
from appliance.store.bundles import BundleStore
from appliance.store.channelstate import ChannelStore
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.deliveries import Deliveries
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.jobs import JobStore
from appliance.store.products import ProductStore
from appliance.store.readings import ReadingStore
from appliance.store.recovery import RecoveryStore
from appliance.store.revisions import SettingsStore
from appliance.store.sessions import SessionStore
from appliance.store.sticks import StickStore
from appliance.store.throttle import ThrottleStore
from appliance.store.tokens import TokenStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.uploads.couriers import Couriers
from appliance.uploads.factory import Safe, Supplies
from appliance.uploads.port import Sender
from appliance.web.certificates import CertificateKeeper, Machine
from appliance.web.issuer import Issuer
from appliance.web.login import Gate, GateStores
from appliance.web.parts import Listen, WebParts
from appliance.web.peerparts import make_peer_parts
from appliance.web.people import People
from appliance.web.updateparts import UpdateParts
from appliance.web.vaultkeeper import VaultKeeper
from appliance.web.waitress_side import WsgiApp
from tests.unit.web.machinery import (
    FakeCameraDrivers,
    FakeFactoryReset,
    FakeHostName,
    FakeNetwork,
    FakeRadioCountry,
    FakeTimeAndDate,
    FakeUpdateRecords,
    FakeUpdates,
)

PASSWORD = "a field under open stars"
ADMIN, STAFF = "ada", "tycho"


@dataclass
class World:
    """The panel's parts, and what tests do with them."""

    parts: WebParts
    commands: Mailbox[CameraCommand]
    latest: Published[StoredFrame | None]
    camera: Published[CameraStatus]
    readings: Published[Reading | None]

    def claim(self) -> None:
        """Make an admin and a member of staff."""
        code = self.parts.gate.setup_code() or ""
        self.parts.gate.claim(code, ADMIN, Secret(PASSWORD), "127.0.0.1")
        session, _ = self.login(ADMIN)
        self.parts.people.create(session, STAFF, Secret(PASSWORD), Role.STAFF, "127.0.0.1")
        self.parts.sessions.revoke(session.id)

    def login(self, name: str) -> tuple[Session, str]:
        """Return a session and its cookie's value."""
        session, token = self.parts.gate.login(name, Secret(PASSWORD), "", "127.0.0.1", "test")
        return session, token.reveal()

    def api_token(self, scope: Scope) -> str:
        """Return the text of a token made by the admin."""
        session, _ = self.login(ADMIN)
        _, text = self.parts.people.create_token(session, scope.value, scope, 5, "127.0.0.1")
        return text.reveal()

    def set_public(self, is_public: bool, *, page: bool = False) -> None:
        """Show pictures to everybody, or not; and the public page."""
        settings = self.parts.settings.published.value
        web = settings.web.model_copy(update={"public_pictures": is_public, "public_page": page})
        self.parts.settings.save(settings.model_copy(update={"web": web}), "test")

    def add_frame(
        self,
        started_at: datetime,
        *,
        night: NightId | None = None,
        number: int = 0,
        picture: bytes | None = None,
        side: int = 720,
    ) -> StoredFrame:
        """Store a synthetic frame and publish it."""
        sky = synthetic_sky(number, side)
        stored = self.parts.frames.add(
            picture or simplejpeg.encode_jpeg(sky, quality=88, colorspace="BGR"),
            simplejpeg.encode_jpeg(np.ascontiguousarray(cv2.resize(sky, (200, 200), interpolation=cv2.INTER_AREA)), 85, "BGR"),
            night=night or night_of(started_at, ZoneInfo("UTC")),
            exposure=Exposure(FrameKind.LIGHT, [0.00025, 0.5, 6.0, 14.0][number % 4], 40.0),
            started_at=started_at,
            width=sky.shape[1],
            height=sky.shape[0],
            measurement=Measurement(900.0 + 40 * (number % 9), 0.0004, 120 + 7 * (number % 11), 20.5 + 0.01 * (number % 30)),
            sensor_temperature_c=11.5 - 0.1 * (number % 40),
        )
        self.latest.publish(stored)
        return stored


def synthetic_sky(number: int, side: int) -> Picture:
    """Return (side, side, 3) uint8: a dark disc with a glow at its edge and stars that turn with `number`."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    radius = np.hypot(x - side / 2, y - side / 2) / (side / 2)
    base = np.clip(18 + 46 * radius**3, 0, 90) * (radius < 0.98)
    sky = np.dstack([base * 1.25, base * 0.9, base * 0.75])
    angle = rng.uniform(0, 2 * np.pi, 420) + 0.03 * number
    far = np.sqrt(rng.uniform(0, 0.9, 420)) * side / 2
    for a, r, glow in zip(angle, far, rng.exponential(70, 420) + 40, strict=True):
        cx, cy = int(side / 2 + r * np.cos(a)), int(side / 2 + r * np.sin(a))
        cv2.circle(
            sky, (cx, cy), 1, (float(min(glow * 1.05, 255)), float(min(glow, 255)), float(min(glow, 255))), -1, cv2.LINE_AA
        )
    return np.clip(cv2.GaussianBlur(sky, (3, 3), 0), 0, 255).astype(np.uint8)


def loopback_only() -> Machine:
    """Return a machine that has no address but its own."""
    return Machine("observatory", LocalAddresses((ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")), ()))


@contextmanager
def make_world(folder: Path, listen: Listen = Listen(port=0)) -> Iterator[World]:  # noqa: B008 - frozen
    """Build a panel's parts in a folder and take them down again."""
    clock = SystemClock()
    with ExitStack() as open_things:
        data = DataFolder(folder)
        data.open()
        open_things.callback(data.close)
        database = Database(folder, clock)
        database.open()
        open_things.callback(database.close)
        board = HealthBoard(clock)
        board.mark_started()
        keeper = VaultKeeper(data)
        keeper.open()
        stores = GateStores(
            AccountStore(database, clock),
            SessionStore(database, clock),
            TokenStore(database, clock),
            ThrottleStore(database, clock),
            RecoveryStore(database, clock),
            AuditStore(database, clock),
        )
        gate = Gate(stores, lambda: keeper.vault, clock, lambda: True)
        settings = SettingsStore(database, board, clock)
        settings.load()
        latest: Published[StoredFrame | None] = Published(None)
        camera = Published(CameraStatus("starting"))
        commands: Mailbox[CameraCommand] = Mailbox("camera commands", 8)
        readings: Published[Reading | None] = Published(None)
        queue, credentials = UploadQueue(database, clock), CredentialStore(database, clock)
        deliveries = Deliveries(queue, settings.published)
        frames = FrameStore(database, data, deliveries)
        supplies = Supplies(
            safe=Safe(credentials, lambda: keeper.vault),
            frame_of=frames.of_name,
            sender=lambda: Sender("7Q2M9KD4", settings.published.value.site.name, "0.1.0"),
        )
        senders = make_peer_parts(database, data, credentials, lambda: keeper.vault, clock, settings.published)
        senders.gate.open()
        parts = WebParts(
            version="0.1.0",
            device_name="TESTTEST",
            device_id="7Q2M9KD4",
            clock=clock,
            board=board,
            folder=data,
            settings=settings,
            frames=frames,
            products=ProductStore(data, deliveries.add_product),
            accounts=stores.accounts,
            sessions=stores.sessions,
            tokens=stores.tokens,
            audit=stores.audit,
            belongings=BelongingsStore(database, clock),
            gate=gate,
            people=People(gate, stores, lambda: keeper.vault, clock, lambda: True),
            certificates=CertificateKeeper(data, clock, board, Issuer(data, "TESTTEST"), loopback_only),
            latest=latest,
            camera=camera,
            camera_commands=commands,
            power=Mailbox("power commands", 1),
            power_state=Published(PowerState(PowerPhase.RUNNING)),
            time_and_date=FakeTimeAndDate(),
            host_name=FakeHostName(),
            network=FakeNetwork(),
            network_commands=Mailbox("network commands", 8),
            network_situation=Published(NetworkSituation()),
            updates=FakeUpdates(),
            update=UpdateParts(
                BundleStore(data),
                Published(Updater("nightjar-test", "A", "A", "")),
                Mailbox("update commands", 8),
                FakeUpdateRecords(),
                ChannelStore(data),
                Mailbox("channel commands", 8),
            ),
            factory_reset=FakeFactoryReset(),
            camera_drivers=FakeCameraDrivers(),
            radio_country=FakeRadioCountry(),
            readings=readings,
            reading_store=ReadingStore(database),
            sticks=Published(()),
            stick_store=StickStore(database, clock),
            stick_commands=Mailbox("stick commands", 8),
            found_backups=Published(None),
            jobs=JobStore(database, clock),
            queue=queue,
            couriers=Couriers(
                settings=settings.published, queue=queue, path_of=data.path_of, supplies=supplies, board=board, clock=clock
            ),
            credentials=credentials,
            peers=senders.peers,
            peer_gate=senders.gate,
            received=senders.received,
            receiver=senders.receiver,
            v1_gate=senders.v1_gate,
            vault=lambda: keeper.vault,
            listen=listen,
            used_memory_bytes=lambda: 123_456_789,
        )
        yield World(parts, commands, latest, camera, readings)


@dataclass(frozen=True)
class Reply:
    """What the WSGI application answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def text(self) -> str:
        return self.body.decode()


class Caller:
    """Calls a WSGI application as the TLS front and waitress would, without a network."""

    def __init__(self, app: WsgiApp, *, cookie: str = "", csrf: str = "", bearer: str = "") -> None:
        self._app, self.cookie, self.csrf, self.bearer = app, cookie, csrf, bearer
        self.address = "127.0.0.1"

    def get(self, target: str, **headers: str) -> Reply:
        return self.call("GET", target, b"", headers)

    def post(self, target: str, form: Mapping[str, str] | None = None, **headers: str) -> Reply:
        fields = {"csrf": self.csrf, **(form or {})} if self.csrf else dict(form or {})
        return self.call("POST", target, urlencode(fields).encode(), headers)

    def call(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], kind: str = "application/x-www-form-urlencoded"
    ) -> Reply:
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "SERVER_NAME": "nightjar.local",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.address,
            "HTTP_HOST": "nightjar.local",
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": BytesIO(),
            "CONTENT_LENGTH": str(len(body)),
        }
        if body or method != "GET":
            environ["CONTENT_TYPE"] = kind
        if self.cookie:
            environ["HTTP_COOKIE"] = self.cookie
        if self.bearer:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.bearer}"
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        seen: list[Any] = []
        chunks = self._app(environ, lambda status, head, _fault=None: seen.append((status, head)))
        try:
            text = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, head = seen[-1]
        return Reply(int(status.split()[0]), tuple(head), text)


def callers(app: WsgiApp, world: World) -> dict[str, Caller]:
    """Return a caller for each kind of visitor."""
    found = {"anonymous": Caller(app)}
    for who, name in (("staff", STAFF), ("admin", ADMIN)):
        session, token = world.login(name)
        found[who] = Caller(app, cookie=f"__Host-nightjar={token}", csrf=session.csrf_token)
    for scope in Scope:
        found[f"token {scope.value}"] = Caller(app, bearer=world.api_token(scope))
    return found


def fill(world: World, count: int = 6) -> list[StoredFrame]:
    """Store frames of one night, a quarter of an hour apart, the last of them just now."""
    now = datetime.now(UTC).replace(microsecond=0)
    night = night_of(now, ZoneInfo("UTC"))
    return [world.add_frame(now - timedelta(minutes=15 * (count - 1 - n)), night=night, number=n, side=96) for n in range(count)]
