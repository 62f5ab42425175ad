"""The page of the network, and what an admin orders there; who carries it out is made up."""

import json
import re
from dataclasses import replace

import pytest

from appliance.domain.network import (
    AUTOMATIC,
    ChangePhase,
    ClosePoint,
    ForgetConnection,
    JoinWifi,
    KeepChange,
    LookForNetworks,
    NetworkCommand,
    NetworkSituation,
    OpenPoint,
    SetAddresses,
    UndoChange,
)
from appliance.web.app import Panel
from tests.unit.web.machinery import FakeRadioCountry
from tests.unit.web.networking import CABLE_UUID, HOME, POINT, SITUATION, STATIC, WIFI_UUID
from tests.unit.web.world import World, callers

KEY = "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"


class Bench:
    """A claimed panel that is told of a network."""

    def __init__(self, world: World) -> None:
        self.parts = world.parts
        world.claim()
        self.panel = Panel(world.parts)
        self.panel.step()
        self.panel.step()
        self.panel.step()
        self.tell(SITUATION)
        found = callers(self.panel, world)
        self.admin, self.staff, self.token = found["admin"], found["staff"], found["token read"]
        self.earlier = len(self.parts.audit.page())

    def tell(self, situation: NetworkSituation) -> None:
        self.parts.network_situation.publish(situation)

    def ordered(self) -> list[NetworkCommand]:
        orders = []
        while (order := self.parts.network_commands.take(0.0)) is not None:
            orders.append(order)
        return orders

    def acts(self) -> list[tuple[str, str]]:
        page = self.parts.audit.page()
        return [(entry.action, entry.detail) for entry in page[: len(page) - self.earlier]]

    def orders(self, path: str, form: dict[str, str], location: str) -> NetworkCommand:
        """Send a form that is obeyed; return the one order that it gives."""
        before = len(self.acts())
        answer = self.admin.post(f"/network/{path}", form)
        assert (answer.status, answer.header("location")) == (303, location)
        assert len(self.acts()) == before + 1, "exactly one entry in the audit log"
        [order] = self.ordered()
        return order

    def refuses(self, path: str, form: dict[str, str], words: str, status: int = 400) -> None:
        before = self.acts()
        answer = self.admin.post(f"/network/{path}", form)
        assert answer.status == status
        assert re.search(words, answer.text), answer.text
        assert self.ordered() == []
        assert self.acts() == before


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


def test_staff_sees_and_is_offered_nothing(bench: Bench) -> None:
    page = bench.staff.get("/network")
    assert page.status == 200
    assert not re.findall(r'<form|href="/network/', page.text)
    for words in ("Home", "78 %", "2.4 GHz, 5 GHz", "WPA2 and WPA3", "Cable eth0", "IPv4 192.0.2.20/24, gateway 192.0.2.1", "AT"):
        assert words in page.text
    assert 'href="/network"' in bench.staff.get("/machine").text


def test_the_country_of_the_radios_is_ordered_where_somebody_takes_the_order(bench: Bench) -> None:
    country = bench.parts.radio_country
    assert isinstance(country, FakeRadioCountry)
    assert 'action="/network/country"' in bench.admin.get("/network").text
    answer = bench.admin.post("/network/country", {"country": "DE"})
    assert (answer.status, answer.header("location")) == (303, "/network?done=network-country")
    assert (country.orders, bench.acts()) == (["DE"], [("wi-fi country set", "DE")])
    bench.refuses("country", {"country": "DEU"}, "two letters")
    country.is_available = False
    assert 'action="/network/country"' not in bench.admin.get("/network").text


def test_names_of_others_are_shown_as_text(bench: Bench) -> None:
    page = bench.admin.get("/network").text
    assert "Café &lt;b&gt;" in page
    assert "<b>" not in page
    assert "name that cannot be shown" in page


def test_an_admin_joins_what_can_be_joined(bench: Bench) -> None:
    page = bench.admin.get("/network").text
    found = re.findall(r'href="/network/join\?network=([0-9a-f]+)&amp;security=(\w+)"', page)
    assert [bytes.fromhex(ssid) for ssid, _ in found] == ["Café <b>".encode(), b"Neighbour", b"Newest", b"\x01\x02"]
    assert page.count("cannot be joined") == 2
    assert ">joined<" in page
    for ssid, security in found:
        assert bench.admin.get(f"/network/join?network={ssid}&security={security}").status == 200
    assert bench.admin.get("/network/join?network=00&security=open").status == 400


def test_the_passphrase_becomes_a_key_and_is_shown_nowhere(bench: Bench) -> None:
    heard = replace(SITUATION.heard[2], ssid=b"ThisIsASSID")
    bench.tell(replace(SITUATION, heard=(heard,)))
    form = {"network": b"ThisIsASSID".hex(), "security": "personal", "passphrase": "ThisIsAPassword"}
    order = bench.orders("join", form, "/network/trial")
    assert isinstance(order, JoinWifi)
    assert order.key is not None
    assert (order.ssid, order.is_hidden, order.key.is_passphrase) == (b"ThisIsASSID", False, False)
    assert order.key.value.reveal() == KEY
    assert bench.acts()[0] == ("wi-fi network ordered", "ThisIsASSID (WPA2)")
    refused = bench.admin.post("/network/join", {**form, "passphrase": "ThisIs\u00c4Password"})
    assert refused.status == 400
    assert "ThisIs" not in refused.text.replace("ThisIsASSID", "")


def test_a_hidden_network_and_an_open_one(bench: Bench) -> None:
    order = bench.orders("join", {"name": "attic", "security": "sae", "passphrase": "a long one"}, "/network/trial")
    assert isinstance(order, JoinWifi)
    assert order.key is not None
    assert (order.ssid, order.is_hidden, order.key.is_passphrase) == (b"attic", True, True)
    form = {"network": SITUATION.heard[1].ssid.hex(), "security": "open"}
    bench.refuses("join", form, "not protected")
    assert bench.orders("join", {**form, "open": "yes"}, "/network/trial") == JoinWifi(
        SITUATION.heard[1].ssid, None, is_hidden=False
    )
    bench.refuses("join", {"network": b"Old".hex(), "security": "outdated", "passphrase": "a long one"}, "WEP")
    bench.refuses("join", {"name": "attic", "security": "personal", "passphrase": "short"}, "8 to 63")


def test_addresses_are_asked_for_as_they_are_and_set(bench: Bench) -> None:
    page = bench.admin.get("/network/addresses?card=eth0").text
    for value in ("192.0.2.20/24", "192.0.2.1"):
        assert f'value="{value}"' in page
    form = {
        "card": "eth0", "ipv4-method": "manual", "ipv4-address": "192.0.2.20/24", "ipv4-gateway": "192.0.2.1",
        "ipv4-dns": "192.0.2.1", "ipv6-method": "auto",
    }  # fmt: skip
    assert bench.orders("addresses", form, "/network/trial") == SetAddresses("eth0", STATIC, AUTOMATIC)
    assert bench.acts()[0] == (
        "addresses ordered", "eth0: IPv4 192.0.2.20/24, gateway 192.0.2.1, DNS 192.0.2.1; IPv6 from the network",
    )  # fmt: skip
    bench.refuses("addresses", {**form, "ipv4-gateway": "198.51.100.1"}, "not in the network")
    bench.refuses("addresses", {**form, "card": "eth9"}, "not there")
    bench.refuses("addresses", {}, "IPv4 address")
    assert bench.admin.get("/network/addresses?card=eth9").status == 303


def test_wifi_that_is_not_connected_has_no_addresses_to_set(bench: Bench) -> None:
    idle = replace(SITUATION.cards[1], is_connected=False, connection="", active="", ssid=b"")
    bench.tell(replace(SITUATION, cards=(SITUATION.cards[0], idle)))
    assert bench.admin.get("/network/addresses?card=wlan0").status == 303
    bench.refuses(
        "addresses", {"card": "wlan0", "ipv4-method": "auto", "ipv6-method": "auto"}, "join a network first"
    )  # fmt: skip


def test_a_connection_is_forgotten_unless_the_panel_hangs_on_it(bench: Bench) -> None:
    assert "its key is deleted" in bench.admin.get(f"/network/forget?connection={WIFI_UUID}").text
    assert bench.admin.get("/network/forget?connection=nothing").status == 303
    form = {"connection": WIFI_UUID}
    assert bench.orders("forget", form, "/network?done=network-forgotten") == ForgetConnection(WIFI_UUID)
    bench.tell(replace(SITUATION, cards=(SITUATION.cards[1],)))
    bench.refuses("forget", form, "by this connection alone")
    assert bench.orders("forget", {"connection": CABLE_UUID}, "/network?done=network-forgotten") == ForgetConnection(CABLE_UUID)
    bench.refuses("forget", {"connection": "nothing"}, "not kept any more")


def test_the_own_network_is_opened_closed_and_its_key_shown_to_who_is_logged_in(bench: Bench) -> None:
    assert "within five minutes" in bench.admin.get("/network/point").text
    assert bench.orders("point", {"open": "yes"}, "/network/trial") == OpenPoint()
    bench.tell(replace(SITUATION, point=POINT))
    for who in (bench.admin, bench.staff):
        assert "0123456789AB" in who.get("/network").text
    assert "0123456789AB" not in bench.token.get("/api/v1/network").text
    assert "loses the panel" in bench.admin.get("/network/point").text
    assert bench.orders("point", {"open": "no"}, "/network?done=network-closed") == ClosePoint()
    bench.refuses("point", {"open": "perhaps"}, "Say whether")


def test_a_machine_without_wifi_opens_and_joins_nothing(bench: Bench) -> None:
    bench.tell(replace(SITUATION, cards=(SITUATION.cards[0],), heard=()))
    assert "Wi-Fi networks" not in bench.admin.get("/network").text
    bench.refuses("point", {"open": "yes"}, "no Wi-Fi")
    bench.refuses("join", {"name": "attic", "security": "open", "open": "yes"}, "no Wi-Fi")


def test_it_listens(bench: Bench) -> None:
    assert bench.orders("look", {}, "/network?done=network-looking") == LookForNetworks()
    assert 'data-again="6"' in bench.admin.get("/network?done=network-looking").text


def test_a_change_on_trial_is_followed_kept_and_undone(bench: Bench) -> None:
    assert bench.admin.get("/network/trial").header("location") == "/network"
    bench.refuses("keep", {}, "no change to keep")
    bench.refuses("undo", {}, "no change to undo")
    bench.admin.post("/network/look")  # an order that nobody has taken yet counts as begun
    assert 'data-trial="beginning"' in bench.admin.get("/network/trial").text
    assert bench.ordered() == [LookForNetworks()]
    bench.tell(replace(SITUATION, phase=ChangePhase.CONNECTING, change="Addresses of eth0"))
    page = bench.admin.get("/network/trial").text
    assert 'content="2"' in page
    assert 'action="/network/keep"' not in page
    bench.refuses("keep", {}, "no change to keep")
    bench.refuses("look", {}, "under way")
    bench.tell(replace(SITUATION, phase=ChangePhase.ON_TRIAL, change="Addresses of eth0", left_s=71))
    page = bench.admin.get("/network/trial").text
    assert 'action="/network/keep"' in page
    assert "In 71 s it is undone" in page
    assert "<form" not in bench.staff.get("/network/trial").text
    assert 'href="/network/trial"' in bench.staff.get("/network").text
    told = json.loads(bench.token.get("/api/v1/network").text)
    assert (told["phase"], told["left_s"], told["change"], told["wifi"][0]["name"]) == (
        "on trial",
        71,
        "Addresses of eth0",
        "Home",
    )
    assert bench.orders("keep", {}, "/network?done=network-kept") == KeepChange()
    assert bench.acts()[0] == ("network change kept", "Addresses of eth0")
    assert bench.orders("undo", {}, "/network?done=network-undone") == UndoChange()


def test_how_a_change_ended_is_told(bench: Bench) -> None:
    words = "Wi-Fi network Home: the passphrase is wrong, or the access point refused it."
    bench.tell(replace(SITUATION, message=words, is_bad=True))
    assert words in bench.staff.get("/network").text


def test_where_nothing_is_known_the_page_says_why_and_nothing_is_ordered(bench: Bench) -> None:
    bench.tell(NetworkSituation(unavailable="not available on this machine: NetworkManager (development leaves it alone)"))
    page = bench.admin.get("/network")
    assert page.status == 200
    assert "Not available on this machine: NetworkManager (development leaves it alone)." in page.text
    assert not re.findall(r'<form|href="/network/', page.text)
    bench.refuses("look", {}, "Not available on this machine", 409)
    bench.refuses("join", {"name": "attic", "security": "open", "open": "yes"}, "Not available", 409)


def test_the_joined_network_is_marked(bench: Bench) -> None:
    assert SITUATION.cards[1].ssid == HOME
    assert bench.admin.get("/network").text.count(">joined<") == 1
