"""Who asks the machine's services in the guest: the panel's own unit, and others that are like it but for one thing.

A probe (`agent.py`) stands in each place and asks by the product's own D-Bus connection.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.guest.machine import Guest, wait_for

PROBE = "/usr/bin/python3 -P /usr/lib/nightjar-test/agent.py"
PANEL = "nightjar.service"
DROP_IN = f"""\
[Unit]
Wants=
After=

[Service]
Type=exec
Restart=no
WatchdogSec=0
ExecStart=
ExecStart={PROBE} /run/nightjar/probe
"""
BARE_UNIT = f"""\
[Service]
User=nightjar
Group=nightjar
Type=exec
ExecStart={PROBE} /run/nightjar/probe
"""
"""Of the same name and user, and free to gain rights by a setuid program."""

ASK = """
from appliance.domain.errors import DeniedError, MachineError
from appliance.host.bus import Bus
bus, answer = Bus(), []
for service, path, interface, method, signature, body in given:
    try:
        answer.append(["yes", repr(bus.call(service, path, interface, method, signature, tuple(body), timeout_s=150.0))])
    except DeniedError as error:
        answer.append(["no", str(error)])
    except MachineError as error:
        answer.append(["error", f"{type(error).__name__}: {error}"])
"""


@dataclass(frozen=True)
class Call:
    """A call of a method."""

    service: str
    path: str
    interface: str
    method: str
    signature: str = ""
    body: tuple[object, ...] = ()

    def __str__(self) -> str:
        return f"{self.interface}.{self.method}{self.body}"


@dataclass(frozen=True)
class Caller:
    """One who asks."""

    guest: Guest
    socket: str

    def ask(self, calls: Sequence[Call]) -> list[tuple[str, str]]:
        """Return for each call yes, no or error, and the answer or what was said."""
        given = [(call.service, call.path, call.interface, call.method, call.signature, call.body) for call in calls]
        return [(outcome, said) for outcome, said in self.guest.python(ASK, given, timeout_s=600, via=self.socket)]

    def outcomes(self, calls: Sequence[Call]) -> dict[str, str]:
        """Return yes, no, or an error with its text, by call."""
        told = self.ask(calls)
        return {str(call): f"{said}: {text}" if said == "error" else said for call, (said, text) in zip(calls, told, strict=True)}


@contextmanager
def in_the_panel_s_place(guest: Guest) -> Iterator[Caller]:
    """Run a probe as the panel: its unit, with all of its sandbox."""
    with _instead(guest, Path("/run/systemd/system/nightjar.service.d/zz-probe.conf"), DROP_IN) as caller:
        yield caller


@contextmanager
def in_a_bare_unit_of_its_name(guest: Guest) -> Iterator[Caller]:
    """Run a probe in a unit called like the panel's, as its user, without NoNewPrivileges."""
    with _instead(guest, Path("/run/systemd/system.control/nightjar.service"), BARE_UNIT) as caller:
        yield caller


@contextmanager
def _instead(guest: Guest, file: Path, text: str) -> Iterator[Caller]:
    guest.shell(f"systemctl stop {PANEL}; mkdir -p {file.parent}")
    guest.must("/usr/bin/tee", str(file), stdin=text.encode())
    try:
        guest.shell(f"systemctl daemon-reload; systemctl start {PANEL}")
        yield _listening(guest, "/run/nightjar/probe")
    finally:
        guest.shell(f"systemctl stop {PANEL}; rm {file}; systemctl daemon-reload")


@contextmanager
def in_another_unit(guest: Guest, user: str, name: str) -> Iterator[Caller]:
    """Run a probe in a unit of another name, with NoNewPrivileges."""
    words = [
        "systemd-run",
        "--quiet",
        f"--unit={name}",
        f"--uid={user}",
        "-p",
        "NoNewPrivileges=yes",
        "-p",
        f"RuntimeDirectory={name}",
    ]
    guest.must(*words, *PROBE.split(), f"/run/{name}/probe")
    try:
        yield _listening(guest, f"/run/{name}/probe")
    finally:
        guest.must("systemctl", "stop", name)


def _listening(guest: Guest, socket: str) -> Caller:
    asked = "import os; answer = os.path.exists(given)"
    wait_for(lambda: guest.python(asked, socket), f"the probe at {socket}")
    return Caller(guest, socket)
