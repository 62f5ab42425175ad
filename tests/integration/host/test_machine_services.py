"""Clock, name and power as the real timedated, hostnamed and logind tell them; what would change them is not asked here.

timedated asks systemd whether the network's time is followed: in systemd's place stands a mock.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import waitress
from jeepney import HeaderFields

from appliance.domain.errors import InputError, UnavailableError
from appliance.host.bus import RESYNC, Bus
from appliance.host.clock import INTERFACE, PATH, SERVICE, ClockState, TimeAndDate
from appliance.host.hostname import HostName
from appliance.host.power import SERVICE as LOGIND
from appliance.host.power import WHO, Power
from tests.integration.host import rooms
from tests.integration.host.busroom import BELOW, COMMANDS, PANEL, START_S, STRANGERS, Account, Room, missing_right
from tests.integration.host.mockbus import PYTHON as MOCKS_PYTHON
from tests.integration.host.polkitroom import POLKITD, polkit_room

PROGRAMS = {
    f"org.freedesktop.{name}": f"/lib/systemd/systemd-{program}"
    for name, program in {"login1": "logind", "timedate1": "timedated", "hostname1": "hostnamed"}.items()
}
pytestmark = [
    pytest.mark.needs(*COMMANDS, *PROGRAMS.values(), str(POLKITD)),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

OUR_PYTHON = f"""
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/project /mnt/python /mnt/packages
mount --bind {rooms.ROOT} /mnt/project
mount --bind {sys.base_prefix} /mnt/python
mount --bind {Path(waitress.__file__).parents[1]} /mnt/packages
"""
FOLLOWS_THE_NETWORK = """
import dbus
BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = "/org/freedesktop/systemd1"
MAIN_IFACE = "org.freedesktop.systemd1.Manager"
SYSTEM_BUS = True

def load(mock, parameters):
    unit = {"Id": "systemd-timesyncd.service", "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    mock.AddObject(MAIN_OBJ + "/unit/systemd_2dtimesyncd_2eservice", "org.freedesktop.systemd1.Unit", unit, [])
"""
HOLD_AND_GIVE_BACK = """
import json, time
from appliance.domain.errors import DeniedError
from appliance.host.bus import Bus
from appliance.host.power import MANAGER, PATH, SERVICE, Power
bus = Bus()
def locks():
    return [lock[:4] for lock in bus.call(SERVICE, PATH, MANAGER, "ListInhibitors")[0]]
seen = [locks()]
try:
    held = Power(bus).inhibit("storing the running frame")
except DeniedError as error:
    print(json.dumps(str(error)))
    raise SystemExit
seen.append(locks())
held.close()
held.close()
deadline = time.monotonic() + 60
while locks() and time.monotonic() < deadline:
    time.sleep(0.05)
print(json.dumps([*seen, locks()]))
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with polkit_room(tmp_path_factory.mktemp("services") / "logs", is_unit_known=True) as polkit:
        room = polkit.room
        room.must("sh", "-euc", OUR_PYTHON)
        room.lay_file("/etc/hostname", "dome\n")
        (room.inside / "systemd.py").write_text(FOLLOWS_THE_NETWORK)
        room.serve("org.freedesktop.systemd1", MOCKS_PYTHON, "-m", "dbusmock", "--template", f"/{BELOW}/systemd.py")
        for name, program in PROGRAMS.items():
            room.serve(name, program)
        yield room


def python(room: Room, account: Account, code: str) -> "subprocess.CompletedProcess[str]":
    """Run our code in the room: logind wants to see who holds a lock."""
    surroundings = [f"{name}={value}" for name, value in rooms.ENVIRONMENT.items()]
    return room.run("env", *surroundings, rooms.PYTHON, "-c", code, account=account)


def end(room: Room, service: str) -> None:
    [number] = room.client.bus("GetConnectionUnixProcessID", "s", service)
    room.must("kill", str(number))


def test_timedated_tells_how_the_clock_is_kept(room: Room) -> None:
    clock = TimeAndDate(Bus(room.address))
    state = clock.state()
    assert state == ClockState(state.timezone, ntp_enabled=True, ntp_synchronised=state.ntp_synchronised, can_ntp=True)
    assert state.timezone


def test_a_zone_that_timedated_does_not_list_is_not_even_asked_for(room: Room) -> None:
    clock = TimeAndDate(Bus(room.address))
    with closing(room.monitor("type='method_call',interface='org.freedesktop.timedate1'")) as monitor:
        for name in ("Europe/Atlantis", "europe/vienna", "../../etc/passwd", "/etc/passwd", "", "Europe/Vienna\n"):
            with pytest.raises(InputError, match="does not know the time zone"):
                clock.set_timezone(name)
        [zones] = room.client.call(SERVICE, PATH, INTERFACE, "ListTimezones")
        asked = [monitor.next_call() for _ in range(3)]
    assert [call.header.fields[HeaderFields.member] for call in asked] == ["ListTimezones"] * 3
    assert isinstance(zones, list)
    assert {"Europe/Vienna", "UTC"} <= set(zones)


def test_hostnamed_tells_the_name_that_was_given(room: Room) -> None:
    assert HostName(Bus(room.address)).name() == "dome"


def test_logind_holds_the_panels_lock_until_it_is_given_back(room: Room) -> None:
    ended = python(room, PANEL, HOLD_AND_GIVE_BACK)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [[], [["shutdown", WHO, "storing the running frame", "delay"]], []]


def test_logind_gives_no_lock_to_the_same_user_elsewhere(room: Room) -> None:
    ended = python(room, STRANGERS[0], HOLD_AND_GIVE_BACK)
    assert ended.returncode == 0, ended.stderr
    assert "the rules of this machine do not allow it" in json.loads(ended.stdout)


def test_a_new_logind_is_noticed_and_is_not_about_to_go(room: Room) -> None:
    with closing(Power(Bus(room.address)).watch_shutdown()) as watch:
        assert watch.take(0.1) is None
        end(room, LOGIND)
        assert watch.take(START_S) is RESYNC
        with pytest.raises(UnavailableError, match=r"not available on this machine: systemd-logind$"):
            Power(Bus(room.address)).inhibit("anything")
        room.serve(LOGIND, PROGRAMS[LOGIND])
        assert watch.take(START_S) is RESYNC
