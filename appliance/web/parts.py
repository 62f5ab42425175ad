"""What the panel is built of: everything that `compose.py` hands to the web service."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.clock import Clock
from appliance.domain.commands import CameraCommand, PowerCommand
from appliance.domain.foundbackup import FoundBackups
from appliance.domain.frame import CameraStatus, StoredFrame
from appliance.domain.machine import Reading
from appliance.domain.network import NetworkCommand, NetworkSituation
from appliance.domain.power import PowerState
from appliance.domain.stick import Stick, StickCommand
from appliance.security.vault import Vault
from appliance.store.accounts import AccountStore
from appliance.store.audit import AuditStore
from appliance.store.belongings import BelongingsStore
from appliance.store.credentials import CredentialStore
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.jobs import JobStore
from appliance.store.peers import PeerStore
from appliance.store.products import ProductStore
from appliance.store.readings import ReadingStore
from appliance.store.received import ReceivedStore
from appliance.store.revisions import SettingsStore
from appliance.store.sessions import SessionStore
from appliance.store.sticks import StickStore
from appliance.store.tokens import TokenStore
from appliance.store.uploads import UploadQueue
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from appliance.web.certificates import CertificateKeeper
from appliance.web.login import Gate
from appliance.web.peergate import PeerGate
from appliance.web.people import People
from appliance.web.ports import (
    CameraDrivers,
    Couriers,
    FactoryReset,
    HostName,
    Network,
    RadioCountry,
    TimeAndDate,
    Updates,
)
from appliance.web.receiving import Receiver
from appliance.web.updateparts import UpdateParts
from appliance.web.v1gate import V1Gate


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the panel is reached."""

    address: str = "127.0.0.1"
    port: int = 8443
    sockets: tuple[socket.socket, ...] = ()
    """Listening sockets that systemd handed over; with them, address and port are not used."""
    plain_sockets: tuple[socket.socket, ...] = ()
    """Those of port 80, where nothing but the way to HTTPS is told."""


@dataclass(frozen=True, slots=True)
class WebParts:
    """Stores, channels and keepers that the panel works with."""

    version: str
    device_name: str
    device_id: str
    clock: Clock
    board: HealthBoard
    folder: DataFolder
    settings: SettingsStore
    frames: FrameStore
    products: ProductStore
    accounts: AccountStore
    sessions: SessionStore
    tokens: TokenStore
    audit: AuditStore
    belongings: BelongingsStore
    gate: Gate
    people: People
    certificates: CertificateKeeper
    latest: Published[StoredFrame | None]
    camera: Published[CameraStatus]
    camera_commands: Mailbox[CameraCommand]
    power: Mailbox[PowerCommand]
    power_state: Published[PowerState]
    time_and_date: TimeAndDate
    host_name: HostName
    network: Network
    network_commands: Mailbox[NetworkCommand]
    network_situation: Published[NetworkSituation]
    updates: Updates
    update: UpdateParts
    factory_reset: FactoryReset
    camera_drivers: CameraDrivers
    radio_country: RadioCountry
    readings: Published[Reading | None]
    reading_store: ReadingStore
    sticks: Published[tuple[Stick, ...]]
    stick_store: StickStore
    stick_commands: Mailbox[StickCommand]
    found_backups: Published[FoundBackups | None]
    jobs: JobStore
    queue: UploadQueue
    couriers: Couriers
    credentials: CredentialStore
    peers: PeerStore
    peer_gate: PeerGate
    received: ReceivedStore
    receiver: Receiver
    v1_gate: V1Gate
    vault: Callable[[], Vault]
    """The vault of now."""
    listen: Listen
    used_memory_bytes: Callable[[], int]
    """Resident memory of this process."""
