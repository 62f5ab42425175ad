"""A room with the real NetworkManager, and a cable with a network of the room's own behind it.

NetworkManager knows both ends of a pair as what they are (kind 20, veth), which the program passes over: `CABLES` has it take
the one named `eth0` for a card. The other end is the network to which the cable leads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.domain.errors import MachineError
from appliance.domain.network import Card
from appliance.host.bus import Bus
from appliance.host.connections import Connections, Survey
from appliance.host.network import CABLE, SERVICE
from tests.integration.host.busroom import BELOW, Account, Room, bus_room, wait_for

RELAY = Path(__file__).with_name("relay.py")
VETH = 20
CABLES = frozenset({CABLE, VETH})
CARD, ROUTER = "eth0", "router"
CONFIGURATION = f"""
[main]
plugins=keyfile
dns=none
no-auto-default=*
auth-polkit={{polkit}}
[connectivity]
enabled=false
[keyfile]
unmanaged-devices=except:interface-name:{CARD}
"""
CABLE_IN = f"""
mkdir -p /var/lib/NetworkManager /run/NetworkManager/system-connections
ip link add {CARD} type veth peer name {ROUTER}
ip link set {ROUTER} up
"""


@dataclass(frozen=True)
class Nm:
    """The room, and the program's side of it."""

    room: Room
    connections: Connections

    def survey(self) -> Survey:
        return self.connections.survey()

    def card(self) -> Card:
        [card] = self.survey().cards
        return card

    def addresses(self) -> set[str]:
        """Return the addresses that the kernel has on the card; not those that every card gives itself."""
        told = self.room.must("ip", "-brief", "address", "show", "dev", CARD).split()[2:]
        return {address for address in told if not address.startswith("fe80")}

    def wait_for_addresses(self, *wanted: str) -> None:
        wait_for(lambda: self.addresses() == set(wanted), f"the card to have {wanted}, not {self.addresses()}")

    def on_disk(self) -> list[str]:
        """Return the names of the connections that a power cut leaves."""
        found = self.room.must("sh", "-c", "grep -h ^id= /etc/NetworkManager/system-connections/* 2>/dev/null || true")
        return sorted(found.replace("id=", "").split("\n")[:-1])


def bus_as(room: Room, account: Account | None = None) -> Bus:
    """Return the room's bus as seen by a process in the room, of root or of somebody else."""
    folder = room.inside / f"as-{account.uid if account else 0}"
    if folder.exists():
        return Bus(f"unix:path={folder}/bus")
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "relay.py").write_text(RELAY.read_text())
    there = f"/{BELOW}/{folder.name}"
    room.start("/usr/bin/python3", f"{there}/relay.py", f"/{BELOW}/bus", f"{there}/bus", account=account)
    wait_for((folder / "bus").exists, "the relay")
    return Bus(f"unix:path={folder}/bus")


def start_networkmanager(room: Room, *, is_polkit_asked: bool = False) -> Connections:
    room.lay("/etc/NetworkManager/system-connections", {}, mode=0o700)
    room.must("sh", "-euc", CABLE_IN)
    configuration = CONFIGURATION.format(polkit="true" if is_polkit_asked else "false")
    (room.inside / "nm.conf").write_text(configuration)
    room.serve(SERVICE, "NetworkManager", "--no-daemon", f"--config=/{BELOW}/nm.conf", "--config-dir=/nonexistent")
    connections = Connections(bus_as(room), cables=CABLES)
    wait_for(lambda: has_card(connections), "NetworkManager to see the card")
    return connections


def has_card(connections: Connections) -> bool:
    try:
        return len(connections.survey().cards) == 1
    except MachineError:  # it has its name before it has its objects
        return False


@contextmanager
def nm_room(logs: Path) -> Iterator[Nm]:
    with bus_room(logs) as room:
        yield Nm(room, start_networkmanager(room))
