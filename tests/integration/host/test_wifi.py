"""Wi-Fi and the machine's own access point: the real service and bus, and a made-up NetworkManager, for a radio there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.network import (
    ChangePhase,
    ClosePoint,
    Heard,
    JoinWifi,
    KeepChange,
    LookForNetworks,
    NetworkCommand,
    NetworkSituation,
    OpenPoint,
    Security,
    UndoChange,
    WifiKey,
)
from appliance.domain.secret import Secret
from appliance.host.bus import Bus
from appliance.host.connections import Connections
from appliance.housekeeping.connecting import ConnectingService
from appliance.security.wifikey import derived_key
from appliance.supervisor.channels import Mailbox, Published
from appliance.supervisor.health import HealthBoard
from tests.integration.host.busroom import wait_for
from tests.integration.host.madeupnm import HOME, MadeUpNetworkManager, made_up_networkmanager
from tests.integration.host.standin import bare_bus

pytestmark = pytest.mark.needs("dbus-daemon")

RIGHT = WifiKey(derived_key("ThisIsAPassword", HOME), is_passphrase=False)
WRONG = WifiKey(derived_key("ThatIsAPassword", HOME), is_passphrase=False)
KEPT_KEY = Secret("0123456789AB")


class Desk:
    """The service, stepped by hand."""

    def __init__(self, address: str, manager: MadeUpNetworkManager, country: Path) -> None:
        self.manager = manager
        self.commands: Mailbox[NetworkCommand] = Mailbox("network commands", 8)
        self.published = Published(NetworkSituation())
        self.board = HealthBoard(SystemClock())
        self.service = ConnectingService(
            connections=Connections(Bus(address), country), commands=self.commands, situation=self.published,
            point_name="Nightjar-TEST",
            point_key=lambda: KEPT_KEY, board=self.board, clock=SystemClock(), beat=lambda: None,
        )  # fmt: skip
        self.service.open()

    @property
    def now(self) -> NetworkSituation:
        return self.published.value

    def is_known(self) -> bool:
        """Step, and return whether there is a NetworkManager."""
        self.service.step()
        return self.now.unavailable == ""

    def has_issue(self) -> bool:
        self.service.step()
        return len(self.board.issues) == 1

    def keeps(self, *ssids: bytes) -> bool:
        """Step, and return whether exactly these Wi-Fi networks are kept."""
        self.service.step()
        return tuple(one.ssid for one in self.now.saved if one.is_wifi) == ssids

    def until(self, phase: ChangePhase) -> None:
        def stepped() -> bool:
            self.service.step()
            return self.now.phase is phase and len(self.commands) == 0

        wait_for(stepped, f"phase {phase}")

    def order(self, command: NetworkCommand, phase: ChangePhase = ChangePhase.REST) -> None:
        self.commands.put(command)
        self.service.step()
        self.until(phase)

    def step_until_point(self, *, is_open: bool) -> None:
        def stepped() -> bool:
            self.service.step()
            return (self.now.point is not None) is is_open

        wait_for(stepped, f"own access point open: {is_open}")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BEGIN_AFTER_S", 0.0), ("SURVEY_EVERY_S", 0.2), ("_WAIT_S", 0.05)):
        monkeypatch.setattr(f"appliance.housekeeping.connecting.{name}", value)


def at_a_desk(tmp_path: Path, *, has_cable: bool) -> Iterator[Desk]:
    country = tmp_path / "sys/module/cfg80211/parameters"
    country.mkdir(parents=True)
    (country / "ieee80211_regdom").write_text("AT\n")
    with bare_bus(tmp_path) as address, made_up_networkmanager(address, has_cable=has_cable) as manager:
        desk = Desk(address, manager, tmp_path)
        desk.service.step()
        yield desk
        desk.service.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from at_a_desk(tmp_path, has_cable=True)


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Desk]:
    yield from at_a_desk(tmp_path, has_cable=False)


def test_what_is_heard_is_told_once_for_each_network(desk: Desk) -> None:
    assert desk.now.heard == (
        Heard(HOME, Security.MIXED, 80, ("2.4 GHz", "5 GHz")),
        Heard(b"Open", Security.OPEN, 30, ("2.4 GHz",)),
    )
    assert desk.now.country == "AT"
    desk.order(LookForNetworks())
    assert desk.manager.scans == 1


def test_a_network_is_joined_by_its_key_and_kept_in_place_of_the_older_connection(desk: Desk) -> None:
    for _ in range(2):
        desk.order(JoinWifi(HOME, RIGHT, is_hidden=False), ChangePhase.ON_TRIAL)
        assert desk.manager.joined == HOME
        desk.order(KeepChange())
        assert [one.ssid for one in desk.now.saved if one.is_wifi] == [HOME]
    [path] = [path for path, profile in desk.manager.profiles.items() if "802-11-wireless" in profile]
    profile = desk.manager.profiles[path]
    assert profile["802-11-wireless-security"] == {"key-mgmt": ("s", "wpa-psk"), "psk": ("s", RIGHT.value.reveal())}
    assert path in desk.manager.on_disk
    assert "ThisIsAPassword" not in repr(desk.manager.calls)


def test_wpa3_gets_the_passphrase_and_a_hidden_network_is_called_by_its_name(desk: Desk) -> None:
    desk.manager.in_reach[b"attic"] = "a long passphrase"
    desk.order(JoinWifi(b"attic", WifiKey(Secret("a long passphrase"), is_passphrase=True), is_hidden=True), ChangePhase.ON_TRIAL)
    [profile] = [profile for profile in desk.manager.profiles.values() if "802-11-wireless" in profile]
    assert profile["802-11-wireless"]["hidden"] == ("b", True)
    assert profile["802-11-wireless-security"]["key-mgmt"] == ("s", "sae")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (JoinWifi(HOME, WRONG, is_hidden=False), "Wi-Fi network ThisIsASSID: the passphrase is wrong"),
        (JoinWifi(b"nowhere", RIGHT, is_hidden=True), "Wi-Fi network nowhere: no Wi-Fi network of that name is within reach"),
    ],
)
def test_what_cannot_be_joined_is_told_and_the_network_before_is_joined_again(desk: Desk, wish: JoinWifi, words: str) -> None:
    desk.order(JoinWifi(b"Open", None, is_hidden=False), ChangePhase.ON_TRIAL)
    desk.order(KeepChange())
    desk.order(wish)
    assert desk.now.message.startswith(words)
    assert desk.now.is_bad
    assert desk.manager.joined == b"Open"
    wait_for(lambda: desk.keeps(b"Open"), "the connection that failed to be gone")


def test_nothing_connected_opens_a_network_of_its_own_whose_key_is_in_no_issue(
    lonely: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lonely.service.step()
    assert lonely.now.point is None
    monkeypatch.setattr("appliance.housekeeping.point.NOTHING_FOR_S", 0.0)
    lonely.step_until_point(is_open=True)
    point = lonely.now.point
    assert point is not None
    [profile] = lonely.manager.profiles.values()
    assert profile["802-11-wireless"] == {"ssid": ("ay", b"Nightjar-TEST"), "mode": ("s", "ap"), "band": ("s", "bg")}
    assert profile["connection"]["autoconnect"] == ("b", False)
    assert profile["802-11-wireless-security"]["psk"] == ("s", KEPT_KEY.reveal())
    assert lonely.manager.on_disk == set()
    wait_for(lonely.has_issue, "the issue")
    [issue] = lonely.board.issues
    assert issue.key == "network.point"
    assert point.key.reveal() not in issue.title + issue.advice
    lonely.order(LookForNetworks())
    assert "cannot listen" in lonely.now.message
    assert lonely.now.heard != ()


def test_it_closes_when_an_admin_has_chosen_a_network_and_comes_back_when_that_fails(
    lonely: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.housekeeping.point.NOTHING_FOR_S", 0.0)
    lonely.step_until_point(is_open=True)
    lonely.order(JoinWifi(HOME, WRONG, is_hidden=False))
    assert lonely.manager.joined == b"Nightjar-TEST"
    assert lonely.now.point is not None
    lonely.order(JoinWifi(HOME, RIGHT, is_hidden=False), ChangePhase.ON_TRIAL)
    assert lonely.now.left_s > 200, "who leaves the access point has to log in elsewhere"
    lonely.order(KeepChange())
    assert lonely.manager.joined == HOME
    assert lonely.now.point is None
    assert [issue.key for issue in lonely.board.issues] == []
    assert len(lonely.manager.profiles) == 1


def test_an_admin_opens_it_on_trial_and_closes_it(desk: Desk) -> None:
    desk.order(OpenPoint(), ChangePhase.ON_TRIAL)
    first = desk.now.point
    assert first is not None
    desk.order(UndoChange())
    assert desk.now.point is None
    assert desk.manager.joined == b""
    desk.order(OpenPoint(), ChangePhase.ON_TRIAL)
    second = desk.now.point
    assert second is not None
    assert len({first.key.reveal(), second.key.reveal(), KEPT_KEY.reveal()}) == 3
    assert len(second.key.reveal()) == 12
    desk.order(KeepChange())
    desk.service.step()
    assert desk.now.point is not None, "a cable does not close what an admin has opened"
    desk.order(ClosePoint())
    assert desk.now.point is None
    assert len(desk.manager.profiles) == 1


def test_what_a_former_self_has_left_open_is_closed(desk: Desk) -> None:
    desk.order(OpenPoint(), ChangePhase.ON_TRIAL)
    desk.order(KeepChange())
    again = Desk(desk.manager.address, desk.manager, Path("/nonexistent"))
    again.service.step()
    assert desk.manager.joined == b""
    assert (again.now.point, again.now.country) == (None, "")


def test_a_networkmanager_that_is_away_is_told_and_found_again(tmp_path: Path) -> None:
    with bare_bus(tmp_path) as address:
        with made_up_networkmanager(address) as manager:
            desk = Desk(address, manager, tmp_path)
            desk.service.step()
            assert desk.now.unavailable == ""
        wait_for(lambda: not desk.is_known(), "the loss")
        assert desk.now.unavailable == "not available on this machine: NetworkManager"
        desk.order(LookForNetworks())
        assert desk.now.message == "This was refused: not available on this machine: NetworkManager."
        with made_up_networkmanager(address):
            wait_for(desk.is_known, "it to be found again")
