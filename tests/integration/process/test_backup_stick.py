"""A backup goes to a stick on one appliance and makes another one of a fresh appliance: whole programs, a bus, the real child."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gate.person import Person, admin_of
from tests.integration.host.madeupudisks import MadeUpUdisks, made_up_udisks
from tests.integration.host.mockbus import mock_bus
from tests.integration.host.standin import Refusal
from tests.integration.process.appliance import NAME, PASSWORD, Answer, Appliance, wait_until
from tests.integration.process.test_backup import PHRASE, csrf_of, made

pytestmark = [pytest.mark.needs("dbus-daemon", "indiserver"), pytest.mark.timeout(500)]

STICK = "1234-ABCD"


@pytest.fixture
def udisks(tmp_path: Path) -> Iterator[MadeUpUdisks]:
    (tmp_path / "stick").mkdir()
    with (
        mock_bus(tmp_path / "bus") as bus,
        made_up_udisks(bus.address, tmp_path / "stick") as udisks,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield udisks


def choices(page: Answer) -> list[str]:
    return re.findall(r'name="backup" value="([0-9a-f]{64})"', page.body.decode())


def ticket_of(page: Answer) -> str:
    assert page.status == 200, page.body
    found = re.search(rb'name="ticket" value="([^"]+)"', page.body)
    assert found
    return found[1].decode()


def test_from_one_appliance_over_a_stick_to_a_fresh_one(tmp_path: Path, udisks: MadeUpUdisks) -> None:
    stick, slow = tmp_path / "stick", Refusal("NoReply")  # a stick that takes its time, until what is to be done with it is said
    with Appliance(made(tmp_path / "old")) as old:
        old.claim()
        old.set("site", name='"Old roof"')
        admin = admin_of(old)
        udisks.refusal = slow
        udisks.plug()
        wait_until(lambda: STICK in admin.get("/usb").body.decode(), 60, "the stick to be seen")
        assert admin.post("/usb/use", stick=STICK).status == 303
        wait_until(lambda: b"Copy to the USB stick" in admin.get("/backup").body, 60, "the stick to be one that may be used")
        assert admin.post("/backup/stick", stick=STICK, passphrase=PHRASE, again=PHRASE, password=PASSWORD).status == 303
        udisks.refusal = None
        wait_until(lambda: bool(list(stick.rglob("backups/SHA256SUMS"))), 90, "the backup to lie on the stick")
        wait_until(lambda: not udisks.objects, 90, "the stick to be switched off")
        [file] = stick.rglob("*.nightjar-backup")

        # It comes back at once, as after a mistake; a stick that fills itself is looked at before it is switched off.
        old.set("site", name='"A mistake"')
        udisks.refusal = slow
        udisks.plug()
        wait_until(lambda: b'"exporting"' in admin.get("/api/v1/usb").body, 60, "the stick to begin to fill itself")
        assert admin.post("/backup/stick/look", stick=STICK).status == 303
        udisks.refusal = None
        wait_until(lambda: b"found on the stick" in admin.get("/backup").body, 90, "the backup to be found")
        page = admin.get("/backup")
        assert (f"{file.name}" in page.body.decode(), len(choices(page))) == (True, 1)
        review = admin.post("/backup/stick/open", backup=choices(page)[0], passphrase=PHRASE)
        assert b"A mistake" in review.body
        assert admin.post("/backup/restore", ticket=ticket_of(review), password=PASSWORD).status == 303
        old.login()
        assert old.get("/api/v1/settings").json()["site"]["name"] == "Old roof"
    if udisks.objects:
        udisks.pull()

    before = {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()}
    with Appliance(made(tmp_path / "new")) as new:
        page = new.get("/claim/backup")
        csrf = csrf_of(page)
        new.cookie = page.cookies[0].split(";")[0]

        def send(path: str, **fields: str) -> Answer:
            body = "&".join(f"{name}={value}" for name, value in {"csrf": csrf, **fields}.items()).encode()
            return new.request("POST", path, body, Origin=new.origin, **{"Content-Type": "application/x-www-form-urlencoded"})

        udisks.plug()
        assert send("/claim/backup/stick/look", stick=STICK).status == 400, "not before the setup code"
        assert send("/claim/backup", code=new.read_setup_code()).status == 200
        wait_until(lambda: b"Look for backups on HOLIDAY" in new.get("/claim/backup").body, 60, "the stick to be offered")
        assert send("/claim/backup/stick/look", stick=STICK).status == 303
        wait_until(lambda: bool(choices(new.get("/claim/backup"))), 90, "the backup to be found")
        [chosen] = choices(new.get("/claim/backup"))
        wrong = send("/claim/backup/stick/open", backup=chosen, passphrase="another+pass-phrase")
        assert (wrong.status, b"This pass-phrase does not open" in wrong.body) == (400, True)
        udisks.pull()
        review = send("/claim/backup/stick/open", backup=chosen, passphrase=PHRASE.replace(" ", "+"))
        assert f"{NAME}, admin".encode() in review.body
        assert send("/claim/backup/restore", ticket=ticket_of(review)).status == 303
        new.login()
        assert new.get("/api/v1/settings").json()["site"]["name"] == "Old roof"
        told = [(entry["who"], entry["action"]) for entry in admin_of(new).audit()]
        assert ("setup code", "backups on a stick looked for") in told
        assert ("setup code", "backup restored") in told
        assert Person(new).login(NAME, "another password").status == 403
    assert {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()} == before
    for path in (one for folder in (old.data, new.data) for one in (*folder.rglob("*"), folder.parent / "log.txt")):
        assert not path.is_file() or PHRASE.encode() not in path.read_bytes(), path
