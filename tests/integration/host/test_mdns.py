"""Two machines of one name in one network: the real avahi, the bus's policy for it, and a cable between two rooms."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.errors import DeniedError, MachineError
from appliance.host.announcer import INTERFACE, PATH, SERVICE, Announced, Announcer
from appliance.housekeeping.naming import NameKeeper
from appliance.store.audit import AuditStore
from appliance.store.database import Database
from appliance.supervisor.health import HealthBoard
from tests.integration.host.busroom import (
    BELOW,
    COMMANDS,
    OVERLAY,
    PANEL,
    VISITOR,
    Account,
    Room,
    bus_room,
    missing_right,
    wait_for,
)
from tests.integration.host.nmroom import bus_as

pytestmark = [
    pytest.mark.needs(*COMMANDS, "avahi-daemon", "ip"),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

POLICY = OVERLAY / "etc/dbus-1/system.d/nightjar-avahi.conf"
CONFIGURATION = """
[server]
host-name={name}
allow-interfaces=lan
use-ipv6=no
[wide-area]
enable-wide-area=no
"""


@dataclass
class Machine:
    """A room with an avahi, and what the panel's user may do to it."""

    room: Room

    def announcer(self, account: Account = PANEL) -> Announcer:
        return Announcer(bus_as(self.room, account))

    def start(self, name: str) -> None:
        (self.room.inside / "avahi.conf").write_text(CONFIGURATION.format(name=name))
        self.room.must("mkdir", "-p", "/run/avahi-daemon")
        self.room.serve(SERVICE, "avahi-daemon", f"--file=/{BELOW}/avahi.conf", "--no-drop-root", "--no-chroot", "--no-rlimits")

    def wait_for_name(self, name: str) -> None:
        wait_for(lambda: self.announcer().announced() == Announced(name, is_settled=True), f"{name}.local")

    def finds(self, name: str) -> str:
        """Return the address that the network tells for a name."""
        told = self.room.client.call(SERVICE, PATH, INTERFACE, "ResolveHostName", "iisiu", (-1, -1, name, -1, 0))
        return str(told[4])


@dataclass
class Name:
    """What hostnamed keeps."""

    own: str

    def name(self) -> str:
        return self.own

    def set_name(self, name: str) -> None:
        self.own = name


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    with ExitStack() as stack:
        rooms = [stack.enter_context(bus_room(tmp_path / name, own={POLICY.name: POLICY.read_text()})) for name in ("a", "b")]
        [first, second] = [["nsenter", f"--target={room.holder}", "--net"] for room in rooms]
        cable = ["ip", "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", f"{rooms[1].holder}"]
        subprocess.run([*first, *cable], check=True)
        for enter, address in ((first, "192.0.2.1/24"), (second, "192.0.2.2/24")):
            subprocess.run([*enter, "ip", "address", "add", address, "dev", "lan"], check=True)
            subprocess.run([*enter, "ip", "link", "set", "lan", "up"], check=True)
        yield Machine(rooms[0]), Machine(rooms[1])


def test_the_second_machine_of_a_name_gets_one_of_its_own_and_is_found_by_it(
    pair: tuple[Machine, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.housekeeping.naming.LOOK_EVERY_S", 0.0)
    first, second = pair
    first.start("nightjar")
    first.wait_for_name("nightjar")
    second.start("nightjar")
    second.wait_for_name("nightjar-2")

    clock, name = SystemClock(), Name("nightjar")
    database, board = Database(tmp_path, clock), HealthBoard(clock)
    database.open()
    keeper = NameKeeper(second.announcer(), name, "7Q2MK3M9", AuditStore(database, clock), board, clock)
    keeper.step()
    assert name.own == "nightjar-k3m9"
    second.wait_for_name("nightjar-k3m9")
    keeper.step()
    assert [issue.key for issue in board.issues] == ["name.renamed"]
    assert first.finds("nightjar-k3m9.local") == "192.0.2.2"
    assert second.finds("nightjar.local") == "192.0.2.1"
    database.close()

    with pytest.raises(DeniedError):
        second.announcer(VISITOR).announce("nightjar")
    with pytest.raises(MachineError):
        second.announcer().announce("two words.local")
    second.wait_for_name("nightjar-k3m9")
