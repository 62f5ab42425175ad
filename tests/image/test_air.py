"""A machine without any network: it opens one of its own, and a phone in there claims it."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import outside, questions
from tests.image.card import COMMANDS, NO_CABLE, Card
from tests.image.phone import PanelOnAir, Phone
from tests.image.setuptext import setup_code, setup_text
from tests.integration.guest.machine import wait_for
from tests.unit.web.world import ADMIN, PASSWORD

pytestmark = [pytest.mark.needs(*COMMANDS, "dpkg-deb"), pytest.mark.timeout(3600)]

POINT = re.compile(
    r"Its own Wi-Fi network:  (?P<name>\S+)\s+Key of that network: +(?P<key>\S+)\s+Its panel in there: +(?P<url>\S+)"
)
PLACE = "10.42.0.1"
WAITS_S = 180
WRONG_KEY = "pre-shared key may be incorrect"


@pytest.fixture(scope="module")
def card(image: Path, u_boot: Path, tmp_path_factory: pytest.TempPathFactory, *, is_busy: bool) -> Iterator[Card]:
    """Return a card in a machine without a network card."""
    with Card(image, u_boot, tmp_path_factory.mktemp("air"), is_counted=is_busy, cable=NO_CABLE) as made:
        yield made


@pytest.fixture(scope="module")
def phone(card: Card) -> Phone:
    made = Phone(card)
    made.appear()
    return made


@pytest.fixture(scope="module")
def shown(card: Card, phone: Phone) -> re.Match[str]:
    """Return name, key and address of the machine's own network, as SETUP.TXT has them."""
    found: re.Match[str] = wait_for(lambda: POINT.search(setup_text(card)), "SETUP.TXT to name the network", 1800, 5)
    return found


@pytest.fixture(scope="module")
def lease(phone: Phone, shown: re.Match[str]) -> tuple[str, str, str]:
    """Have the phone join that network; return its address there, the router's and the name server's."""
    phone.join(shown["name"], shown["key"])
    wait_for(lambda: phone.is_joined, "the phone to be let in", 300, 2)
    return phone.lease()


@pytest.fixture(scope="module")
def joined(phone: Phone, lease: tuple[str, str, str]) -> Phone:
    """Return the phone in that network."""
    assert lease
    return phone


def test_it_waits_three_minutes_for_another_network(card: Card, shown: re.Match[str]) -> None:
    assert shown["url"] == f"https://{PLACE}"
    began_s = int(card.properties("nightjar.service", "ExecMainStartTimestampMonotonic")["ExecMainStartTimestampMonotonic"]) / 1e6
    said = card.must("journalctl", "--boot", "--unit=nightjar", "--output=short-monotonic", "--grep=own access point opens")
    (opened,) = re.findall(r"^\[ *([0-9.]+)\]", said, re.MULTILINE)
    assert WAITS_S <= float(opened) - began_s < 2 * WAITS_S


def test_nobody_joins_without_the_key(phone: Phone, shown: re.Match[str]) -> None:
    phone.join(shown["name"], "0000-0000-0000")
    wait_for(lambda: WRONG_KEY in phone.told, "the phone to be turned away", 300, 2)
    assert not phone.is_joined


def test_who_has_the_key_of_setup_txt_joins_and_gets_an_address(shown: re.Match[str], lease: tuple[str, str, str]) -> None:
    assert re.fullmatch("[0-9A-Z]{12}", shown["key"]), "60 bits"
    address, router, server = lease
    assert re.fullmatch(r"10\.42\.0\.\d+", address)
    assert address != PLACE
    assert (router, server) == (PLACE, PLACE)


def test_every_name_leads_to_one_page_without_a_form(card: Card, joined: Phone) -> None:
    assert joined.python(outside.DNS, [PLACE, "captive.example.com"]) == PLACE
    status, headers, page = joined.python(outside.PLAIN, [PLACE, "captive.example.com", "/generate_204"])
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert f'<a href="https://{PLACE}">' in page
    authority = hashlib.sha256(ssl.PEM_cert_to_DER_cert(card.must("cat", "/data/nightjar-tls/ca.pem"))).hexdigest().upper()
    pairs = ":".join(authority[i : i + 2] for i in range(0, len(authority), 2))
    for text in (page, setup_text(card)):
        assert pairs in re.sub(r":?\s+", ":", text)
    assert not re.search(r"<(form|input|button|script|iframe|meta http-equiv)", page)
    assert "Location" not in headers


def test_the_panel_s_name_is_known_there(joined: Phone) -> None:
    assert PLACE in joined.python(outside.MDNS, ["nightjar.local", "wlan1", 60])


def test_nothing_else_answers_there(card: Card, joined: Phone) -> None:
    listening = {(kind.removesuffix("6"), port) for kind, _, port in card.python(questions.LISTENING)}
    ports = {kind: sorted({*range(1, 1024), 8080, *(port for of, port in listening if of == kind)}) for kind in ("tcp", "udp")}
    assert {7624, 5353} <= {port for _, port in listening}, "else the firewall had nothing to hold back"
    assert joined.python(outside.TCP, [PLACE, ports["tcp"], 20]) == {"open": [53, 80, 443], "refused": []}
    answers = joined.python(outside.UDP, [PLACE, ports["udp"], 20])
    assert answers["refused"] == []
    assert set(answers["answered"]) == {53, 5353}, "and 67, which answers who asks for an address"


def test_a_phone_claims_it_there(card: Card, joined: Phone, shown: re.Match[str], tmp_path: Path) -> None:
    panel = PanelOnAir(joined, PLACE, card.must("cat", "/data/nightjar-tls/ca.pem"), tmp_path)
    assert panel.get("/").status in {200, 303}
    words = {"name": ADMIN, "password": PASSWORD, "again": PASSWORD}
    assert panel.post("/claim", code="0000-0000-0000", **words).status == 403
    assert panel.post("/claim", code=setup_code(card), **words).status == 303
    panel.login(ADMIN, PASSWORD)
    page = panel.get("/network")
    assert page.status == 200
    assert b"Own Wi-Fi network" in page.body
    assert shown["name"].encode() in page.body
    assert wait_for(lambda: "It is claimed" in (text := setup_text(card)) and text, "SETUP.TXT to change", 300, 3)
