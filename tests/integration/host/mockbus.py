"""A private system bus with made-up services of systemd's (python-dbusmock): nothing there touches this machine.

The mocks write every call into a log with its time; the made-up logind knows which locks are held, and sees them given back.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection

PYTHON = "/usr/bin/python3"
"""Debian's, which has python-dbusmock."""
START_S = 60.0
Where = tuple[str, str, str]
LOGIN: Where = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
CLOCK: Where = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1", "org.freedesktop.timedate1")
NAME: Where = ("org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1")
SYSTEMD: Where = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_DAEMON: Where = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
"""
_TIMEDATED = """
from dbusmock.templates.timedated import BUS_NAME, MAIN_IFACE, MAIN_OBJ, SYSTEM_BUS, load as load_known

def load(mock, parameters):
    load_known(mock, parameters)
    mock.AddMethod(MAIN_IFACE, "ListTimezones", "", "as", "ret = ['Europe/Berlin', 'Europe/Vienna', 'UTC']")
"""
_HOSTNAMED = """
import dbus
BUS_NAME = "org.freedesktop.hostname1"
MAIN_OBJ = "/org/freedesktop/hostname1"
MAIN_IFACE = "org.freedesktop.hostname1"
SYSTEM_BUS = True

def load(mock, parameters):
    both = "".join(f'self.Set("{MAIN_IFACE}", "{name}", args[0]);' for name in ("Hostname", "StaticHostname"))
    mock.AddMethods(MAIN_IFACE, [("SetStaticHostname", "sb", "", both)])
    mock.AddProperties(MAIN_IFACE, {"Hostname": "nightjar", "StaticHostname": "nightjar"})
"""
_SYSTEMD = """
import dbus
BUS_NAME = "org.freedesktop.systemd1"
MAIN_OBJ = "/org/freedesktop/systemd1"
MAIN_IFACE = "org.freedesktop.systemd1.Manager"
SYSTEM_BUS = True

def load(mock, parameters):
    job = "ret = dbus.ObjectPath('/org/freedesktop/systemd1/job/1')"
    mock.AddMethods(MAIN_IFACE, [(verb, "ss", "o", job) for verb in ("StartUnit", "StopUnit", "RestartUnit")])
"""
_TEMPLATES = {"timedate1": _TIMEDATED, "hostname1": _HOSTNAMED, "systemd1": _SYSTEMD}
SERVICES = ("login1", *_TEMPLATES)


_LOOK = """
import json, pathlib, sqlite3
data = pathlib.Path({data!r})
database = sqlite3.connect(f"file:{{data}}/nightjar.db?mode=ro", uri=True)
started = [at for (at,) in database.execute("select started_at from frame order by id")]
database.close()
pictures = sorted(path.name for path in data.glob("nights/*/frames/*"))
locks = [[str(word) for word in lock[:4]] for lock in self.ListInhibitors()]
pathlib.Path({seen!r}).write_text(json.dumps([started, pictures, locks]))
"""
"""What the made-up logind does in the midst of a call to go: what is not stored now would be lost."""


@dataclass(frozen=True)
class Seen:
    """What was so when the machine was told to go."""

    started: list[int | str]
    """When the frames began that stood in the database, oldest first."""
    pictures: list[str]
    """Names of the files."""
    locks: list[tuple[str, ...]]


@dataclass(frozen=True)
class Call:
    """A call that a mock was given."""

    at: float
    """Unix time."""
    text: str
    """Method and arguments."""


class MockBus:
    """The bus, and what a test makes its services do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lives = 0

    def start(self) -> None:
        """Start the bus and its services, again on the same address when it ran before."""
        self._lives += 1
        self._start("bus", ["dbus-daemon", f"--config-file={self.folder / 'bus.conf'}", "--nofork", "--nopidfile"])
        wait_for(self._answers, "the bus")
        for service in SERVICES:
            template = str(self.folder / f"{service}.py") if service in _TEMPLATES else "logind"
            log = str(self.folder / f"{service}.{self._lives}.log")
            self._start(service, [PYTHON, "-m", "dbusmock", "--logfile", log, "--template", template])
        for service in SERVICES:
            name = f"org.freedesktop.{service}"
            wait_for(lambda name=name: self.call(_DAEMON, "NameHasOwner", "s", (name,)) == (True,), name)  # type: ignore[misc] # a default

    def kill(self) -> None:
        """Kill the bus and its services."""
        self._end(*self._running)

    def end_services(self) -> None:
        """Leave a bus without services."""
        self._end(*SERVICES)

    def freeze(self) -> None:
        """Have every service say nothing any more, though it is there."""
        for service in SERVICES:
            self._running[service].send_signal(signal.SIGSTOP)

    def calls(self, service: str, *methods: str) -> list[Call]:
        """Return the calls of these methods that a service was given, oldest first."""
        said = "".join((self.folder / f"{service}.{life}.log").read_text() for life in range(1, self._lives + 1))
        found = re.findall(r"^(\d+\.\d+) (\w+)(.*)$", said, re.MULTILINE)
        return [
            Call(float(at), f"{method}{rest}")
            for at, method, rest in found
            if method in methods and not rest.startswith(" raised:")
        ]

    def texts(self, service: str, *methods: str) -> list[str]:
        """Return the same without the time."""
        return [call.text for call in self.calls(service, *methods)]

    def call(self, where: Where, method: str, signature: str = "", body: tuple[object, ...] = ()) -> tuple[object, ...]:
        """Call a service as somebody else."""
        service, path, interface = where
        with open_dbus_connection(self.address) as connection:
            message = new_method_call(DBusAddress(path, service, interface), method, signature or None, body)
            reply = connection.send_and_get_reply(message, timeout=START_S)
            assert reply.header.message_type is not MessageType.error, reply.body
            return tuple(reply.body)

    def locks(self) -> list[tuple[str, ...]]:
        """Return the locks that are held at logind: what, who, why, mode."""
        [held] = self.call(LOGIN, "ListInhibitors")
        assert isinstance(held, list)
        return [tuple(lock[:4]) for lock in held]

    def prepare_for_shutdown(self, *, is_on: bool) -> None:
        """Say what logind says when the machine is about to go, or when that was called off."""
        self._mock(LOGIN, "EmitSignal", "sssav", (LOGIN[2], "PrepareForShutdown", "b", [("b", is_on)]))

    def set(self, where: Where, **properties: tuple[str, object]) -> None:
        """Give a service other properties, each a type and a value."""
        self._mock(where, "UpdateProperties", "sa{sv}", (where[2], properties))

    def answer(self, where: Where, method: str, signatures: tuple[str, str], code: str) -> None:
        """Have a service answer a call with lines of Python from now on."""
        self._mock(where, "AddMethod", "sssss", (where[2], method, *signatures, code))

    def refuse(self, where: Where, method: str, signature: str, error: str, times: int = 1 << 30) -> None:
        """Have a service answer a call with an error, so often."""
        self.answer(
            where, method, (signature, ""),
            f"self.refused_{method} = getattr(self, 'refused_{method}', 0) + 1\n"
            f"if self.refused_{method} <= {times}: raise dbus.exceptions.DBusException('the rules say no', name='{error}')",
        )  # fmt: skip

    def look(self, method: str, data: Path) -> None:
        """Have logind, when it is told to go, write down what is stored in a data folder."""
        self.answer(LOGIN, method, ("b", ""), _LOOK.format(data=str(data), seen=str(self.folder / "seen.json")))

    def seen(self) -> Seen:
        """Return what it wrote down."""
        started, pictures, locks = json.loads((self.folder / "seen.json").read_text())
        return Seen(started, pictures, [tuple(lock) for lock in locks])

    def _mock(self, where: Where, method: str, signature: str, body: tuple[object, ...]) -> None:
        self.call((where[0], where[1], "org.freedesktop.DBus.Mock"), method, signature, body)

    def _end(self, *names: str) -> None:
        for name in names:
            self._running[name].kill()
        for name in names:
            self._running[name].wait(START_S)

    def _answers(self) -> bool:
        try:
            return bool(self.call(_DAEMON, "GetId"))
        except OSError:
            return False

    def _start(self, name: str, command: list[str]) -> None:
        self._running[name] = subprocess.Popen(
            command,
            env={"PATH": "/usr/bin:/bin", "DBUS_SYSTEM_BUS_ADDRESS": self.address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def mock_bus(folder: Path) -> Iterator[MockBus]:
    """Run a bus and its services until the end of the block."""
    folder.mkdir(parents=True)
    (folder / "bus.conf").write_text(_CONFIGURATION.format(socket=folder / "bus"))
    for service, text in _TEMPLATES.items():
        (folder / f"{service}.py").write_text(text)
    bus = MockBus(folder)
    try:
        bus.start()
        yield bus
    finally:
        bus.kill()


def wait_for(is_so: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s for {what}"
        time.sleep(0.05)
