"""A system bus of the test's own, with accounts of its own, in name spaces from which the machine cannot be touched.

What runs in a room lacks the capabilities to set the clock, to restart or to load modules, and sees everything but `/run`,
`/var/lib` and `/dev` read-only. No service is started by the bus itself.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

OVERLAY = Path(__file__).parents[3] / "rootfs-overlay"
COMMANDS = ("unshare", "nsenter", "setpriv", "mount", "dbus-daemon", "busctl")
START_S = 120.0
BELOW = Path("run/room")


@dataclass(frozen=True)
class Account:
    """A line of the room's own passwd. The group stands for what polkit 126 would say of the unit; see `SEEN_AS`."""

    uid: int
    user: str
    gid: int


AS_PANEL, AS_PANEL_WITH_PRIVILEGES, AS_OTHER_UNIT, AS_NO_UNIT = range(61001, 61005)
PANEL = Account(61001, "nightjar", AS_PANEL)
STRANGERS = (
    Account(61002, "nightjar", AS_PANEL_WITH_PRIVILEGES),
    Account(61003, "nightjar", AS_OTHER_UNIT),
    Account(61004, "nightjar", AS_NO_UNIT),
    Account(61005, "nightjar-indi", AS_PANEL),
    Account(61006, "nightjar-ca", AS_PANEL),
)
"""Ours, and allowed nothing: outside the unit, or another user, even one that were in the panel's unit."""
VISITOR = Account(61007, "visitor", AS_PANEL)
ACCOUNTS = (PANEL, *STRANGERS, VISITOR)

GROUPS = {
    AS_PANEL: "as-panel",
    AS_PANEL_WITH_PRIVILEGES: "as-panel-with-privileges",
    AS_OTHER_UNIT: "as-other-unit",
    AS_NO_UNIT: "as-no-unit",
}


GIVEN_UP = "--bounding-set=-sys_time,-wake_alarm,-sys_boot,-sys_module,-sys_rawio,-syslog"
BEGIN = f"""
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /{BELOW} /run/polkit /run/udev /run/systemd/sessions /run/systemd/users /run/systemd/seats /run/systemd/machines
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mkdir -p /var/lib/udisks2
mount -o remount,bind,ro /
mount -o remount,bind,ro /sys
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
hostname roof
echo ready
exec sleep infinity
"""


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """The bus or a service said no."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class Client:
    """A connection of root's to the room's bus."""

    def __init__(self, address: str) -> None:
        self.connection: DBusConnection = open_dbus_connection(address)

    def call(
        self, service: str, path: str, interface: str, method: str, signature: str = "", body: tuple[object, ...] = ()
    ) -> tuple[object, ...]:
        message = new_method_call(DBusAddress(path, bus_name=service, interface=interface), method, signature or None, body)
        reply = self.connection.send_and_get_reply(message, timeout=START_S)
        if reply.header.message_type is MessageType.error:
            raise Refused(str(reply.header.fields[HeaderFields.error_name]), str(reply.body))
        return tuple(reply.body)

    def next_call(self) -> Message:
        """Return the next call that a monitor hears of."""
        while (message := self.connection.receive(timeout=START_S)).header.message_type is not MessageType.method_call:
            pass
        return message

    def close(self) -> None:
        self.connection.close()

    def bus(self, method: str, signature: str, *body: object) -> tuple[object, ...]:
        return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", method, signature, body)


@dataclass
class Room:
    holder: int
    logs: Path
    processes: list[subprocess.Popen[str]]

    @property
    def inside(self) -> Path:
        """Where the room's own files lie, as seen from outside."""
        return Path(f"/proc/{self.holder}/root") / BELOW

    @property
    def address(self) -> str:
        return f"unix:path={self.inside}/bus"

    @cached_property
    def client(self) -> Client:
        return Client(self.address)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    def command(self, *command: str | Path, account: Account | None = None) -> list[str]:
        user = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups", "--no-new-privs"] if account else []
        enter = ["nsenter", f"--target={self.holder}", "--mount", "--net", "--uts", "--pid", f"--wdns={'/'}"]
        return [*enter, "setpriv", GIVEN_UP, *user, *map(str, command)]

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path=/{BELOW}/bus"}

    def run(self, *command: str | Path, account: Account | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*command, account=account), env=self.environment, capture_output=True, text=True, check=False,
            timeout=START_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def must(self, *command: str | Path) -> str:
        ended = self.run(*command)
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def start(
        self, *command: str | Path, account: Account | None = None, stdout: int | IO[str] | None = None
    ) -> subprocess.Popen[str]:
        """Start what ends with the room at the latest."""
        with (self.logs / f"{len(self.processes)}-{Path(command[0]).name}.log").open("w") as log:
            process = subprocess.Popen(
                self.command(*command, account=account), env=self.environment, text=True, stdin=subprocess.DEVNULL,
                stdout=stdout or log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def serve(self, name: str, *command: str | Path) -> None:
        """Start a service, and wait until it has its name on the bus."""
        process = self.start(*command)
        wait_for(lambda: self.has(name) or process.poll() is not None, f"{command} to own {name}")
        assert process.poll() is None, self.said()

    def monitor(self, match: str) -> Client:
        """Hear what others say to each other, as only root may."""
        client = Client(self.address)
        interface = "org.freedesktop.DBus.Monitoring"
        client.call("org.freedesktop.DBus", "/org/freedesktop/DBus", interface, "BecomeMonitor", "asu", ([match], 0))
        return client

    def has(self, name: str) -> bool:
        return self.client.bus("NameHasOwner", "s", name) == (True,)

    def said(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(self.logs.iterdir()))

    def lay(self, target: str, files: Mapping[str, str], mode: int = 0o755) -> None:
        """Have exactly these files in a folder of the room's system."""
        folder = self.inside / target.strip("/").replace("/", "-")
        folder.mkdir(mode=mode)
        for name, text in files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
        self.must("mount", "--bind", f"/{BELOW / folder.name}", target)

    def lay_file(self, target: str, text: str) -> None:
        file = self.inside / target.strip("/").replace("/", "-")
        file.write_text(text)
        file.chmod(0o644)
        self.must("mount", "--bind", f"/{BELOW / file.name}", target)


def wait_for(condition: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"waited {within_s} s for {what}"
        time.sleep(0.05)


@contextmanager
def empty_room(logs: Path) -> Iterator[Room]:
    """Make the name spaces; with their first process the kernel ends all that runs in them."""
    logs.mkdir()
    command = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "setpriv", GIVEN_UP]
    processes: list[subprocess.Popen[str]] = []
    room: Room | None = None
    with subprocess.Popen([*command, "sh", "-euc", BEGIN], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as outer:
        assert outer.stdout is not None
        try:
            assert outer.stdout.readline() == "ready\n"
            [holder] = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            room = Room(int(holder), logs, processes)
            yield room
        finally:
            outer.kill()
            for process in processes:
                process.wait(START_S)
            if room is not None:
                room.close()


@contextmanager
def bus_room(logs: Path, policies: Mapping[str, str] | None = None, own: Mapping[str, str] | None = None) -> Iterator[Room]:
    """Make a room with the accounts and a bus: Debian's configuration, but started by hand and starting nothing itself.

    `policies` and `own` are files to lie in `/usr/share/dbus-1/system.d` beside Debian's, and alone in `/etc/dbus-1/system.d`.
    """
    with empty_room(logs) as room:
        lines = "".join(f"{who.user}:x:{who.uid}:{who.gid}::/nonexistent:/usr/sbin/nologin\n" for who in ACCOUNTS)
        room.lay_file("/etc/passwd", Path("/etc/passwd").read_text() + lines)
        groups = "".join(f"{name}:x:{gid}:\n" for gid, name in GROUPS.items())
        room.lay_file("/etc/group", Path("/etc/group").read_text() + groups)
        shipped = {path.name: path.read_text() for path in Path("/usr/share/dbus-1/system.d").iterdir()}
        room.lay("/usr/share/dbus-1/system.d", {**shipped, **(policies or {})})
        room.lay("/etc/dbus-1/system.d", own or {})
        (room.inside / "bus.conf").write_text(_bus_configuration())
        room.start("dbus-daemon", f"--config-file=/{BELOW}/bus.conf", "--nofork", "--nopidfile")
        wait_for((room.inside / "bus").exists, "the bus")
        yield room


def _bus_configuration() -> str:
    text = Path("/usr/share/dbus-1/system.conf").read_text()
    for name in ("user", "servicehelper", "pidfile"):
        text = re.sub(f"<{name}>.*</{name}>", "", text)
    for name in ("fork", "standard_system_servicedirs", "syslog"):
        text = text.replace(f"<{name}/>", "")
    text = re.sub("<listen>.*</listen>", f"<listen>unix:path=/{BELOW}/bus</listen>", text)
    return text.replace("<includedir>system.d<", "<includedir>/usr/share/dbus-1/system.d<")


def missing_right() -> str:
    """Return why no room can be made, or an empty text."""
    return "" if os.geteuid() == 0 else "needs root: users and name spaces of its own"
