"""The units under systemd as pid 1: they start, as whom, with which sandbox, and what can be reached of them from where."""

import socket
import time

import pytest

from tests.integration.guest import recipe
from tests.integration.guest.machine import Guest, wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*recipe.COMMANDS), pytest.mark.timeout(2400)]

LISTENING = {("tcp", "0.0.0.0:7624", "indiserver"), ("tcp", "*:443", "python3"), ("tcp", "*:80", "python3")}
GREETING = b"<getProperties version='1.7'/>\n"
ASK_INDI = """
import socket
with socket.socket(socket.AF_UNIX if given[0] == "unix" else socket.AF_INET) as client:
    client.settimeout(20)
    try:
        client.connect("\\0" + given[1] if given[0] == "unix" else (given[1], 7624))
        client.sendall(b"<getProperties version='1.7'/>\\n")
        answer = client.recv(4096).decode()
    except OSError as error:
        answer = f"refused: {error}"
"""


@pytest.fixture(scope="module")
def panel(guest: Guest) -> Panel:
    made = Panel(guest)
    made.trust(guest)
    return made


def test_the_units_run_as_their_users_in_their_sandboxes(guest: Guest, panel: Panel) -> None:
    for unit, user in (("nightjar.service", "nightjar"), ("nightjar-indi.service", "nightjar-indi")):
        told = guest.properties(unit, "ActiveState", "MainPID", "NRestarts", "NoNewPrivileges", "FragmentPath")
        assert (told["ActiveState"], told["NRestarts"], told["NoNewPrivileges"]) == ("active", "0", "yes")
        assert told["FragmentPath"] == f"/usr/lib/systemd/system/{unit}"
        text = guest.must("cat", f"/proc/{told['MainPID']}/status")
        status = {name: rest.split() for name, _, rest in (line.partition(":") for line in text.splitlines())}
        uid = guest.must("id", "-u", user).strip()
        assert status["Uid"] == [uid] * 4
        assert int(uid) > 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
        assert {status[name][0] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    failed = guest.must("systemctl", "list-units", "--failed", "--no-legend", "--plain")
    assert "nightjar" not in failed


def test_the_panel_answers_over_https_by_its_own_authority(panel: Panel) -> None:
    assert panel.get("/healthz").status == 200
    workers = panel.get("/api/v1/system").json()["workers"]
    expected = {
        "web", "pipeline", "camera", "housekeeping", "power", "network", "export", "update", "channel", "screen", "upload tests",
        "notices",
    }  # fmt: skip
    assert {worker["name"] for worker in workers} == expected
    assert {worker["restarts"] for worker in workers} == {0}


def test_plain_http_is_shown_the_way(guest: Guest, panel: Panel) -> None:
    with socket.create_connection(("127.0.0.1", guest.plain_port), timeout=60) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: nightjar.local\r\n\r\n")
        answer = plain.recv(4096)
    assert answer.startswith((b"HTTP/1.1 301", b"HTTP/1.1 302", b"HTTP/1.1 307", b"HTTP/1.1 308"))
    assert b"https://nightjar.local/" in answer


def test_exactly_these_ports_listen(guest: Guest, panel: Panel) -> None:
    found = set()
    for line in guest.must("ss", "--tcp", "--udp", "--listening", "--numeric", "--processes", "--no-header").splitlines():
        kind, _, _, _, address, *_ = line.split()
        programs = {piece.split('"')[1] for piece in line.partition("users:(")[2].split("),(") if '"' in piece} - {"systemd"}
        found |= {(kind, address, program) for program in programs or {"systemd"}}
    assert found == LISTENING


def test_indi_is_reached_by_its_unix_socket_and_loopback_only(guest: Guest, panel: Panel) -> None:
    fifo = "/run/nightjar-indi/fifo"
    assert panel.post("/system/pause").status == 303  # no pictures: what the nights hold is what other tests compare with

    def answers(way: tuple[str, str]) -> bool:
        """Ask; start the driver where it is gone, once: a program that has no camera restarts the server now and then."""
        if "def" in guest.python(ASK_INDI, way):
            return True
        for verb in ("stop", "start"):  # a second one would outlive the stop at the end
            guest.shell(
                f"setpriv --reuid=nightjar --regid=nightjar --clear-groups sh -c 'echo {verb} indi_simulator_ccd >{fifo}'"
            )
        return False

    for way in (("unix", "/run/nightjar-indi/indiserver"), ("inet", "127.0.0.1")):
        wait_for(lambda way=way: answers(way), f"INDI to answer on {way}", pause_s=10)  # type: ignore[misc]
    own = guest.must("hostname", "--all-ip-addresses").split()[0]
    assert guest.python(ASK_INDI, ("inet", own)).startswith("refused")
    with socket.create_connection(("127.0.0.1", guest.indi_port), timeout=20) as outside:
        outside.sendall(GREETING)
        outside.settimeout(5)
        try:
            heard = outside.recv(4096)
        except (TimeoutError, ConnectionResetError):
            heard = b""
    assert heard == b"", "from the network"
    guest.shell(f"setpriv --reuid=nightjar --regid=nightjar --clear-groups sh -c 'echo stop indi_simulator_ccd >{fifo}'")
    assert panel.post("/system/resume").status == 303


def test_who_may_write_to_the_fifo(guest: Guest) -> None:
    refused = "setpriv --reuid={0} --regid={0} --clear-groups sh -c 'echo start indi_simulator_ccd >/run/nightjar-indi/fifo'"
    for user in ("nobody", "nightjar-ca"):
        ended = guest.run("/bin/sh", "-c", refused.format(user).replace("--regid=nobody", "--regid=nogroup"))
        assert ended.code != 0
        assert "Permission denied" in ended.err


def test_the_watchdog_hears_the_supervisor(guest: Guest, panel: Panel) -> None:
    def heard() -> int:
        return int(guest.properties("nightjar.service", "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])

    before = heard()
    time.sleep(1)
    wait_for(lambda: heard() > before, "a sign of the main thread")
