"""The whole program as the appliance runs it: ports 443 and 80 from systemd, certificates and INDI server from other users.

`systemd-socket-activate` hands over sockets as systemd does; the ports are those of a network that nothing else is in.
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from appliance.host.fifo import FIFO
from appliance.host.fifo import PORT as INDI_PORT
from tests.integration.host.rooms import COMMANDS, ENVIRONMENT, PYTHON, User, missing_right, room
from tests.integration.host.test_certificates import ANYBODY, UNITS, WEB, Device
from tests.integration.host.test_units import sections

pytestmark = [
    pytest.mark.needs(*COMMANDS, "curl", "ss", "systemd-socket-activate", "indiserver", "indi_simulator_ccd"),
    pytest.mark.skipif(bool(missing_right()), reason=missing_right()),
]

WITHIN_S = 90.0
PORTS = ("443", "80")
INDI = User(61004)


@dataclass
class Appliance:
    """The program, waiting behind its sockets."""

    device: Device
    log: Path

    def command(
        self, ports: Sequence[str], names: str, *, wrapper: Sequence[str] = (), arguments: Sequence[str] = ()
    ) -> list[str]:
        words = ENVIRONMENT | {"RUNTIME_DIRECTORY": str(self.device.root / "run")}
        keep = [option for name, value in words.items() for option in ("-E", f"{name}={value}")]
        listen = [option for port in ports for option in ("-l", port)]
        program = [*WEB.command, *wrapper, PYTHON, "-B", "-P", "-m", "appliance", "run", "--data", str(self.device.root / "data")]
        activate = ["systemd-socket-activate", *listen, f"--fdname={names}", *keep] if ports else ["env", *keep[1::2]]
        return self.device.room.command(*activate, *program, *arguments)

    @contextmanager
    def waiting(self, command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
        """Start it; the first connection has the program started."""
        with self.log.open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(30)

    def curl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        ca = str(self.device.handed / "ca.pem")
        resolve = ("--resolve", "nightjar.local:443:127.0.0.1", "--resolve", "nightjar.local:80:127.0.0.1")
        return self.device.room.run("curl", "-sS", "--max-time", "20", "--cacert", ca, *resolve, *arguments)

    def refusal(self, command: list[str]) -> str:
        """Return the one line with which a start is refused."""
        self.log.write_text("")
        with self.waiting(command) as process:
            deadline = time.monotonic() + WITHIN_S
            while process.poll() is None:
                assert time.monotonic() < deadline
                self.curl("http://127.0.0.1:80/", "http://127.0.0.1:443/")
                time.sleep(0.1)
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("nightjar: ")]
        assert process.returncode == 2
        assert len(lines) == 1, self.log.read_text()
        return lines[0]


@pytest.fixture(scope="module")
def appliance() -> Iterator[Appliance]:
    with TemporaryDirectory(prefix="nightjar-") as root, room() as place:
        device = Device(Path(root), place)
        device.prepare()
        place.must("mount", "-t", "proc", "proc", "/proc")  # ProcSubset=all, which is also where systemd looks for IPv6
        assert device.issue().returncode == 0
        with indi_server(device):
            yield Appliance(device, Path(root) / "log")


@contextmanager
def indi_server(device: Device) -> Iterator[None]:
    """Run the INDI server as nightjar-indi.service does, with the FIFO of tmpfiles.d (held by test_units.py)."""
    device.room.must("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    device.room.must("mkdir", "-m", "0711", FIFO.parent)
    device.room.must("mkfifo", "-m", "0420", FIFO)
    device.room.must("chown", f"{INDI.number}:{WEB.number}", FIFO)
    words = sections(UNITS / "nightjar-indi.service")["ExecStart"][0].split()
    command = device.room.command(*words, user=INDI)
    with subprocess.Popen(command, env=ENVIRONMENT | {"HOME": "/"}, stderr=subprocess.DEVNULL, cwd="/") as server:
        try:
            yield
        finally:
            server.terminate()


def wait_for(is_so: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@pytest.mark.timeout(240)
def test_the_panel_answers_on_the_sockets_it_was_handed(appliance: Appliance) -> None:
    with appliance.waiting(appliance.command(PORTS, "nightjar:nightjar")) as process:
        deadline = time.monotonic() + WITHIN_S
        # The first connection waits in the kernel's queue until the panel takes it.
        while (answer := appliance.curl("https://nightjar.local/healthz")).returncode != 0:
            assert process.poll() is None, appliance.log.read_text()
            assert time.monotonic() < deadline, answer.stderr + appliance.log.read_text()
            time.sleep(0.5)
        assert '"status"' in answer.stdout
        for host in ("127.0.0.1", "[::1]", "nightjar.local"):
            moved = appliance.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://{host}/claim")
            assert moved.stdout == f"308 https://{host}/claim"
            assert appliance.curl(f"https://{host}/healthz").returncode == 0
        assert "claim" in appliance.curl("-L", "http://nightjar.local/").stdout
        open_ports = appliance.device.room.must("ss", "-Hltn").split()
        assert {word.rpartition(":")[2] for word in open_ports if ":" in word} - {"*"} == {*PORTS, str(INDI_PORT)}
        wait_for(lambda: "panel ready" in appliance.log.read_text(), appliance.log)
    said = appliance.log.read_text()
    assert process.returncode == 0, said
    assert "panel ready: port 443, not claimed yet" in said
    assert "setup code" not in said, "not where the journal would keep it"
    assert not re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", said)


@pytest.mark.timeout(240)
def test_a_driver_is_started_through_the_fifo_and_takes_pictures(appliance: Appliance) -> None:
    nights = appliance.device.root / "data/nights"
    assert not list(nights.glob("*/frames/*.jpg"))
    with appliance.waiting(appliance.command(PORTS, "nightjar:nightjar", arguments=("--camera", "ccd"))):
        # Nobody is started by a connection that was refused, because nothing listened yet.
        wait_for(lambda: appliance.curl("http://127.0.0.1/").returncode == 0, appliance.log)
        wait_for(lambda: bool(list(nights.glob("*/frames/*.jpg"))), appliance.log)
    assert "was told its drivers" in appliance.log.read_text()


def test_nobody_else_can_speak_to_the_indi_servers_fifo(appliance: Appliance) -> None:
    for user in (ANYBODY, INDI):
        ended = appliance.device.room.run("sh", "-c", f"echo start indi_simulator_ccd >{FIFO}", user=user)
        assert "Permission denied" in ended.stderr
        assert "Permission denied" in appliance.device.room.run("sh", "-c", f"rm -f {FIFO}", user=user).stderr
    assert "Permission denied" in appliance.device.room.run("head", "-c1", FIFO, user=WEB).stderr


@pytest.mark.parametrize(
    ("ports", "names", "reason"),
    [
        (PORTS, "nightjar:sshd", "named sshd"),
        (("443",), "nightjar", "no socket of port 80"),
        (("80",), "nightjar", "no socket of port 443"),
        (("443", "80", "8080"), "nightjar:nightjar:nightjar", "of port 8080"),
        ((), "", "no socket of port 443"),
    ],
)
def test_other_sockets_are_refused(appliance: Appliance, ports: tuple[str, ...], names: str, reason: str) -> None:
    assert reason in appliance.refusal(appliance.command(ports, names))


def test_sockets_of_another_process_are_refused(appliance: Appliance) -> None:
    wrapper = ("sh", "-c", '"$@"; exit $?', "sh")
    assert "and not to this one" in appliance.refusal(appliance.command(PORTS, "nightjar:nightjar", wrapper=wrapper))


def test_an_address_of_ones_own_is_refused(appliance: Appliance) -> None:
    for arguments in (("--listen", "0.0.0.0"), ("--port", "8443")):  # noqa: S104 - refused
        assert "--listen and --port" in appliance.refusal(appliance.command(PORTS, "nightjar:nightjar", arguments=arguments))


def test_it_starts_nowhere_but_under_systemd(appliance: Appliance) -> None:
    command = [word for word in appliance.command((), "") if not word.startswith("RUNTIME_DIRECTORY=")]
    assert "RUNTIME_DIRECTORY" in appliance.refusal(command)
