"""The halves of the card as RAUC tells of them: the real `rauc service`, asked by the panel's user under our policy."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.domain.errors import MachineError, UnavailableError
from appliance.host.bus import Bus
from appliance.host.update import PATH, SERVICE, Slot, SystemSlots, Updates
from tests.integration.host.busroom import BELOW, COMMANDS, PANEL, VISITOR, Room, bus_room, missing_right
from tests.integration.host.standin import Body, Call, StandIn, bare_bus
from tests.integration.host.test_machine_services import OUR_PYTHON, python
from tests.integration.host.test_rauc_policy import OF_THE_PACKAGE, POLICY

BACKEND = """#!/bin/sh
case "$1 $2" in
"get-primary "*) echo A;;
"get-state A") echo good;;
"get-state B") echo bad;;
*) exit 1;;
esac
"""
CONFIGURATION = f"""[system]
compatible=nightjar-test
bootloader=custom
statusfile=/{BELOW}/rauc.status
[handlers]
bootloader-custom-backend=/{BELOW}/backend
[slot.root.0]
device=/{BELOW}/a.img
type=raw
bootname=A
[slot.root.1]
device=/{BELOW}/b.img
type=raw
bootname=B
[slot.boot.0]
device=/{BELOW}/c.img
type=raw
parent=root.0
"""
STATUS = "[slot.root.0]\nbundle.compatible=nightjar-test\nbundle.version=1.2.0\nstatus=ok\n"
ASK = """
import json
from dataclasses import asdict
from appliance.domain.errors import DeniedError
from appliance.host.bus import Bus
from appliance.host.update import Updates
try:
    print(json.dumps(asdict(Updates(Bus()).state())))
except DeniedError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with bus_room(tmp_path / "logs", {"de.pengutronix.rauc.conf": OF_THE_PACKAGE}, {POLICY.name: POLICY.read_text()}) as room:
        room.must("sh", "-euc", OUR_PYTHON)
        for name, text in {"rauc.conf": CONFIGURATION, "rauc.status": STATUS, "backend": BACKEND}.items():
            (room.inside / name).write_text(text)
        (room.inside / "backend").chmod(0o755)
        for name in "abc":
            (room.inside / f"{name}.img").write_bytes(bytes(4096))
        room.serve(SERVICE, "rauc", f"--conf=/{BELOW}/rauc.conf", "service", "--override-boot-slot=A")
        yield room


@pytest.mark.needs(*COMMANDS, "rauc")
@pytest.mark.skipif(missing_right() != "", reason=missing_right())
def test_the_real_rauc_tells_the_panel_of_its_slots_and_nobody_else(room: Room) -> None:
    ended = python(room, PANEL, ASK)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "slots": [
            {"name": "A", "is_booted": True, "is_good": True, "version": "1.2.0"},
            {"name": "B", "is_booted": False, "is_good": False, "version": ""},
        ],
        "operation": "idle",
    }
    refused = python(room, VISITOR, ASK)
    assert "the rules of this machine do not allow it" in json.loads(refused.stdout), refused.stderr


class OddRauc(StandIn):
    """A RAUC that answers what it is told to."""

    def __init__(self, address: str) -> None:
        self.slots: tuple[str, Body] = ("a(sa{sv})", ([("root.0", {"bootname": ("s", "A"), "boot-status": ("u", 1)})],))
        super().__init__(address, SERVICE, "/none")

    def answer(self, call: Call) -> tuple[str, Body]:
        assert call.path == PATH
        return self.slots if call.method == "GetSlotStatus" else ("v", (("s", "installing"),))


@pytest.mark.needs("dbus-daemon")
def test_what_rauc_does_not_say_is_not_known_and_no_rauc_is_a_state(tmp_path: Path) -> None:
    with bare_bus(tmp_path) as address:
        updates = Updates(Bus(address))
        with pytest.raises(UnavailableError, match=r"not available on this machine: RAUC$"):
            updates.state()
        rauc = OddRauc(address)
        try:
            assert updates.state() == SystemSlots((Slot("A", is_booted=False, is_good=None, version=""),), "installing")
            rauc.slots = ("s", ("none",))
            with pytest.raises(MachineError, match="not understood"):
                updates.state()
        finally:
            rauc.leave()
