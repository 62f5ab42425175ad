"""A change of the network on trial: the real service and NetworkManager, and a cable in a room of their own."""

from collections.abc import Iterator
from ipaddress import ip_interface

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.network import (
    AUTOMATIC,
    Addressing,
    ChangePhase,
    ForgetConnection,
    KeepChange,
    LookForNetworks,
    NetworkCommand,
    NetworkSituation,
    OpenPoint,
    SetAddresses,
    UndoChange,
)
from appliance.housekeeping.connecting import ConnectingService
from appliance.security.tokens import new_point_key
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from tests.integration.host.busroom import COMMANDS, missing_right, wait_for
from tests.integration.host.nmroom import CARD, Nm, nm_room

pytestmark = [
    pytest.mark.needs(*COMMANDS, "NetworkManager", "ip"),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]
FIRST, SECOND = (Addressing(ip_interface(f"192.0.2.{number}/24")) for number in (20, 77))


class Desk:
    """The service, stepped by hand, and what a panel does with it."""

    def __init__(self, nm: Nm) -> None:
        self.nm = nm
        self.commands: Mailbox[NetworkCommand] = Mailbox("network commands", 8)
        self.published = Published(NetworkSituation())
        self.board = HealthBoard(SystemClock())
        self.service = ConnectingService(
            connections=nm.connections, commands=self.commands, situation=self.published, point_name="Nightjar-TEST",
            point_key=new_point_key,
            board=self.board, clock=SystemClock(), beat=lambda: None,
        )  # fmt: skip
        self.service.open()

    @property
    def now(self) -> NetworkSituation:
        return self.published.value

    def until(self, phase: ChangePhase) -> None:
        def stepped() -> bool:
            self.service.step()
            return self.now.phase is phase and len(self.commands) == 0

        wait_for(stepped, f"phase {phase}")

    def order(self, command: NetworkCommand, phase: ChangePhase) -> None:
        self.commands.put(command)
        self.service.step()
        self.until(phase)

    def set_first(self) -> None:
        self.order(SetAddresses(CARD, FIRST, AUTOMATIC), ChangePhase.ON_TRIAL)
        self.order(KeepChange(), ChangePhase.REST)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nm]:
    with nm_room(tmp_path_factory.mktemp("nm") / "logs") as nm:
        yield nm


@pytest.fixture
def desk(room: Nm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("appliance.housekeeping.connecting.BEGIN_AFTER_S", 0.2)
    desk = Desk(room)
    desk.set_first()
    yield desk
    desk.service.close()
    for one in room.survey().saved:
        room.connections.forget(one.path)


def test_a_change_is_kept_when_somebody_reaches_the_panel_with_it(desk: Desk) -> None:
    assert (desk.now.message, desk.now.is_bad, desk.now.unavailable) == ("It is kept.", False, "")
    assert desk.nm.addresses() == {"192.0.2.20/24"}
    assert desk.nm.on_disk() == ["Cable eth0"]
    desk.order(SetAddresses(CARD, SECOND, AUTOMATIC), ChangePhase.ON_TRIAL)
    assert desk.now.change == "Addresses of eth0"
    assert 80 < desk.now.left_s <= 90
    desk.nm.wait_for_addresses("192.0.2.77/24")
    desk.order(KeepChange(), ChangePhase.REST)
    [saved] = desk.now.saved
    assert (saved.ipv4, saved.ipv6) == (SECOND, AUTOMATIC)
    assert desk.nm.room.must("sh", "-c", "cat /etc/NetworkManager/system-connections/*").count("192.0.2.77") == 1


def test_a_change_that_nobody_confirms_is_undone_and_that_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.housekeeping.connecting.KEEP_S", 3)
    desk.order(SetAddresses(CARD, SECOND, AUTOMATIC), ChangePhase.ON_TRIAL)
    desk.nm.wait_for_addresses("192.0.2.77/24")
    desk.until(ChangePhase.REST)
    assert desk.now.message.startswith("It was undone, because nobody confirmed")
    assert desk.now.is_bad
    desk.nm.wait_for_addresses("192.0.2.20/24")


def test_a_change_whose_program_has_died_is_undone_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.housekeeping.connecting.KEEP_S", 3)
    desk.order(SetAddresses(CARD, SECOND, AUTOMATIC), ChangePhase.ON_TRIAL)
    desk.nm.wait_for_addresses("192.0.2.77/24")  # and nobody steps any more
    desk.nm.wait_for_addresses("192.0.2.20/24")


def test_a_change_can_be_undone_at_once(desk: Desk) -> None:
    desk.order(SetAddresses(CARD, SECOND, AUTOMATIC), ChangePhase.ON_TRIAL)
    desk.order(UndoChange(), ChangePhase.REST)
    assert (desk.now.message, desk.now.is_bad) == ("It was undone.", False)
    desk.nm.wait_for_addresses("192.0.2.20/24")


def test_a_network_without_dhcp_is_told_as_such_and_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.housekeeping.connecting.CONNECT_S", 8)
    desk.order(SetAddresses(CARD, AUTOMATIC, AUTOMATIC), ChangePhase.CONNECTING)
    desk.until(ChangePhase.REST)
    assert desk.now.message == "Addresses of eth0: it took longer than 8 s."
    desk.nm.wait_for_addresses("192.0.2.20/24")


def test_a_second_change_waits_for_the_first_and_other_orders_do_not_end_it(desk: Desk) -> None:
    desk.order(SetAddresses(CARD, SECOND, AUTOMATIC), ChangePhase.ON_TRIAL)
    desk.commands.put(SetAddresses(CARD, FIRST, AUTOMATIC))
    desk.commands.put(LookForNetworks())
    desk.until(ChangePhase.ON_TRIAL)
    assert desk.nm.addresses() == {"192.0.2.77/24"}
    desk.order(KeepChange(), ChangePhase.REST)


def test_what_there_is_no_card_for_is_told(desk: Desk) -> None:
    desk.order(OpenPoint(), ChangePhase.REST)
    assert desk.now.message == "There is no network card for it."
    desk.order(SetAddresses("eth7", FIRST, AUTOMATIC), ChangePhase.REST)
    assert desk.now.is_bad
    assert desk.nm.addresses() == {"192.0.2.20/24"}


def test_a_forgotten_connection_is_gone_from_the_disk(desk: Desk) -> None:
    [saved] = desk.now.saved
    desk.order(ForgetConnection(saved.uuid), ChangePhase.REST)
    assert desk.now.message == "The connection is forgotten."
    assert desk.nm.on_disk() == []
    assert desk.nm.survey().saved == ()
    desk.nm.wait_for_addresses()
