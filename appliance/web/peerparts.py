"""What others send here, from its stores to its gates: built together, since each needs the next."""

from collections.abc import Callable
from dataclasses import dataclass

from appliance.domain.clock import Clock
from appliance.security.vault import Vault
from appliance.settings.schema import Settings
from appliance.store.arriving import ArrivingStore
from appliance.store.credentials import CredentialStore
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.peers import PeerStore
from appliance.store.received import ReceivedStore
from appliance.store.v1peers import V1PeerStore
from appliance.supervisor.channels import Published
from appliance.web.peergate import PeerGate
from appliance.web.receiving import Receiver
from appliance.web.v1arrivals import Arrivals
from appliance.web.v1gate import V1Gate


@dataclass(frozen=True, slots=True)
class PeerParts:
    """Stores and gates of peers."""

    peers: PeerStore
    received: ReceivedStore
    gate: PeerGate
    receiver: Receiver
    v1_gate: V1Gate


def make_peer_parts(
    database: Database,
    folder: DataFolder,
    credentials: CredentialStore,
    vault: Callable[[], Vault],
    clock: Clock,
    settings: Published[Settings],
) -> PeerParts:
    """Build them; nothing is opened yet."""

    def reserve_bytes() -> int:
        return settings.value.retention.reserve_mib << 20

    peers, received = PeerStore(database, clock), ReceivedStore(database, folder, clock)
    return PeerParts(
        peers,
        received,
        PeerGate(peers, credentials, vault, clock),
        Receiver(received, ArrivingStore(database, folder), folder, reserve_bytes),
        V1Gate(peers, V1PeerStore(database, clock), credentials, vault, Arrivals(folder, reserve_bytes), clock),
    )
