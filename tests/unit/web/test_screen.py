"""What stands on the appliance's screen and card, and what a recovery file on the card leads to."""

import base64
import ipaddress
import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.domain.network import NetworkSituation
from appliance.domain.secret import Secret
from appliance.host.ownerfiles import OwnerFiles
from appliance.security.addresses import LocalAddresses
from appliance.security.qr import qr_text
from appliance.web import screen
from appliance.web.certificates import Machine
from appliance.web.screen import AGAIN_S, PresenceParts, ScreenService, Told, setup_text
from tests.unit.rootfs import scripts
from tests.unit.web.gatehouse import SettableClock
from tests.unit.web.networking import POINT
from tests.unit.web.world import PASSWORD, World

NAMED = ("127.0.0.1", "192.168.1.20", "fe80::1", "fd00::20")


def machine(*addresses: str) -> Machine:
    return Machine("roof", LocalAddresses(tuple(ipaddress.ip_address(one) for one in addresses), ()))


@dataclass
class Room:
    """A panel and the folder that root reads from."""

    world: World
    shown: Path
    handed: Path
    at: Machine
    clock: SettableClock = field(default_factory=SettableClock)

    def service(self) -> ScreenService:
        parts = self.world.parts
        made = ScreenService(
            PresenceParts(
                shown=self.shown,
                handed=OwnerFiles(self.handed, self.handed),
                gate=parts.gate,
                stores=parts.gate._stores,
                certificates=parts.certificates,
                folder=parts.folder,
                device_id=parts.device_id,
                clock=self.clock,
                situation=parts.network_situation,
                look=lambda: self.at,
            )
        )
        made.open()
        return made

    def look(self, service: ScreenService) -> str:
        service._looked_at = float("-inf")
        service.step()
        return str(json.loads((self.shown / "show.json").read_text())["setup"])

    def put_recovery(self, text: str, number: str = "0f" * 16) -> None:
        content = {"id": number, "text": base64.b64encode(text.encode()).decode()}
        (self.handed / "recovery.json").write_text(json.dumps(content))


@pytest.fixture
def room(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(screen, "_WAIT_S", 0)
    for name in ("shown", "handed"):
        (tmp_path / name).mkdir()
    return Room(world, tmp_path / "shown", tmp_path / "handed", machine(*NAMED))


def code_in(text: str) -> str:
    return "".join(re.findall(r"Setup code: (\S+)", text))


def test_until_it_is_claimed_the_code_of_this_start_is_shown_and_then_no_more(room: Room) -> None:
    service = room.service()
    text = room.look(service)
    assert code_in(text) == room.world.parts.gate.setup_code()
    for line in ("Its panel:  https://roof.local", "            https://192.168.1.20", "            https://[fd00::20]"):
        assert line in text.split("\n")
    assert "fe80" not in text
    assert "127.0.0.1" not in text
    assert f"Device id:  {room.world.parts.device_id}" in text
    room.world.claim()
    text = room.look(service)
    assert code_in(text) == ""
    assert "It is claimed" in text


def test_the_fingerprint_is_that_of_the_authority(room: Room) -> None:
    found = re.findall(r"^  ([0-9A-F:]+)$", room.look(room.service()), re.MULTILINE)
    assert ":".join(found) == room.world.parts.certificates.fingerprint
    assert "It is being made." in setup_text(Told(("https://roof.local",), room.world.parts.device_id, ""))


def test_another_address_is_shown_and_the_same_is_not_written_again(room: Room) -> None:
    service = room.service()
    room.look(service)
    before = (room.shown / "show.json").stat().st_ino
    room.look(service)
    assert (room.shown / "show.json").stat().st_ino == before
    room.at = machine("127.0.0.1")
    assert "It has no network yet." in room.look(service)


def test_what_is_new_is_left_twice_for_root_may_still_be_at_work_and_no_third_time(room: Room) -> None:
    service = room.service()
    text = room.look(service)
    kept = [(room.shown / "show.json").stat().st_ino]
    for _ in range(3):
        room.clock.run(AGAIN_S / 2)
        assert room.look(service) == text
        kept.append((room.shown / "show.json").stat().st_ino)
    assert kept[0] == kept[1] != kept[2] == kept[3]


def test_the_own_wifi_network_is_told_while_it_is_open_with_the_key_that_joins_it(room: Room) -> None:
    service = room.service()
    assert "Wi-Fi" not in room.look(service)
    room.world.parts.network_situation.publish(NetworkSituation(point=POINT))
    text = room.look(service)
    for told in (POINT.name, POINT.key.reveal(), f"https://{POINT.address}"):
        assert told in text
        assert told in json.loads((room.shown / "show.json").read_text())["screen"]
    room.world.parts.network_situation.publish(NetworkSituation())
    assert POINT.key.reveal() not in room.look(service)


def test_root_takes_it_as_it_is(room: Room) -> None:
    room.world.parts.network_situation.publish(NetworkSituation(point=POINT))
    room.look(room.service())
    firstboot = scripts.load("nightjar-firstboot")
    shown = firstboot.read_shown(room.shown, room.shown.stat().st_uid)
    told = json.loads((room.shown / "show.json").read_text())
    assert ["\n".join(shown.setup), "\n".join(shown.screen)] == [told["setup"], told["screen"]]
    assert len(shown.screen) <= 45
    assert (room.shown / "show.json").stat().st_mode & 0o777 == 0o640


def test_where_nobody_reads_nothing_is_left(room: Room) -> None:
    room.shown.rmdir()
    service = room.service()
    service.step()
    assert not room.shown.exists()


def test_no_code_is_logged(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = room.service()
    code = code_in(room.look(service))
    room.world.claim()
    room.put_recovery(f"reset-admin {room.world.parts.device_id}")
    recovery = code_in(room.look(room.service()))
    assert code
    assert recovery
    assert code not in caplog.text
    assert recovery not in caplog.text


def test_a_recovery_file_leads_to_a_code_that_sets_a_new_password_once(room: Room) -> None:
    room.world.claim()
    room.put_recovery(f"reset-admin {room.world.parts.device_id}\r\n")
    service = room.service()
    code = code_in(room.look(service))
    room.world.parts.gate.claim(code, "ada", Secret(PASSWORD + "!"), "127.0.0.1")
    assert code_in(room.look(service)) == ""
    assert code_in(room.look(room.service())) == "", "the same file is answered once"
    assert [one.action for one in room.world.parts.audit.page()][:2] == ["admin recovered", "recovery started"]


def test_after_a_crash_the_open_recovery_gets_another_code(room: Room) -> None:
    room.world.claim()
    room.put_recovery(f"reset-admin {room.world.parts.device_id}")
    first, second = (code_in(room.look(room.service())) for _ in range(2))
    assert first != second
    assert second


@pytest.mark.parametrize(
    ("text", "told"), [("reset-admin 00000000", "names another device"), ("please", "holds one line"), ("", "one line")]
)
def test_a_recovery_file_that_is_not_good_is_told(room: Room, text: str, told: str) -> None:
    room.world.claim()
    room.put_recovery(text)
    shown = room.look(room.service())
    assert told in shown
    assert code_in(shown) == ""
    assert not room.world.parts.gate.is_recovering


def test_before_the_claim_no_recovery_is_needed(room: Room) -> None:
    room.put_recovery(f"reset-admin {room.world.parts.device_id}")
    assert "was not needed" in room.look(room.service())
    assert not room.world.parts.gate.is_recovering


def test_a_camera_reads_the_code_on_the_screen() -> None:
    lines = qr_text("https://nightjar.local").split("\n")
    assert {len(line) for line in lines} == {len(lines[0])}
    halves = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    rows = [[halves[letter][half] for letter in line] for line in lines for half in (0, 1)]
    picture = np.kron(np.array(rows, np.uint8), np.ones((8, 8), np.uint8))
    found, _, _ = cv2.QRCodeDetector().detectAndDecode(np.pad(picture, 32, constant_values=255).astype(np.uint8))
    assert found == "https://nightjar.local"
