"""The bus's policy for RAUC, in the real dbus-daemon beside the one of RAUC's package: what each user's calls come to.

In RAUC's place stands a service that answers every call, so that only the bus can refuse one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from jeepney import MessageType, message_bus, new_method_return
from jeepney.io.blocking import open_dbus_connection

from tests.integration.host.busroom import (
    COMMANDS,
    OVERLAY,
    PANEL,
    START_S,
    STRANGERS,
    VISITOR,
    Account,
    Room,
    bus_room,
    missing_right,
)

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.skipif(missing_right() != "", reason=missing_right())]

OTHERS = [account for account in STRANGERS if account.user != PANEL.user]
RAUC, INSTALLER, PROPERTIES = "de.pengutronix.rauc", "de.pengutronix.rauc.Installer", "org.freedesktop.DBus.Properties"
POLICY = OVERLAY / "etc/dbus-1/system.d/nightjar-rauc.conf"

OF_THE_PACKAGE = """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy context="default"><allow send_destination="de.pengutronix.rauc"/></policy>
  <policy user="root"><allow own="de.pengutronix.rauc"/></policy>
</busconfig>
"""
"""What `de.pengutronix.rauc.conf` says in Debian's rauc-service 1.8 and 1.13."""

Call = tuple[str, str, tuple[str, ...]]
ALLOWED: tuple[Call, ...] = (
    (INSTALLER, "InspectBundle", ("sa{sv}", "/data/nightjar/updates/1.raucb", "0")),
    (INSTALLER, "InstallBundle", ("sa{sv}", "/data/nightjar/updates/1.raucb", "0")),
    (INSTALLER, "GetSlotStatus", ()),
    (INSTALLER, "GetPrimary", ()),
    (PROPERTIES, "Get", ("ss", INSTALLER, "Operation")),
    (PROPERTIES, "GetAll", ("s", INSTALLER)),
)
"""What the panel may call, at the path `/`."""
NOT_ALLOWED: tuple[Call, ...] = (
    (INSTALLER, "Mark", ("ss", "good", "booted")),
    (INSTALLER, "Install", ("s", "/data/nightjar/updates/1.raucb")),
    (INSTALLER, "Info", ("s", "/data/nightjar/updates/1.raucb")),
    (INSTALLER, "GetArtifactStatus", ()),
    (INSTALLER, "SomethingNew", ()),
    (PROPERTIES, "Set", ("ssv", INSTALLER, "Operation", "s", "idle")),
    (PROPERTIES, "InstallBundle", ("sa{sv}", "/data/nightjar/updates/1.raucb", "0")),
    ("org.freedesktop.DBus.Introspectable", "Introspect", ()),
    ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ()),
    ("org.freedesktop.DBus.Peer", "Ping", ()),
    ("de.pengutronix.rauc.Other", "InstallBundle", ()),
)


class StandIn:
    """Owns RAUC's name as root, and answers every call that reaches it."""

    def __init__(self, address: str) -> None:
        self._connection = open_dbus_connection(address)
        reply = self._connection.send_and_get_reply(message_bus.RequestName(RAUC), timeout=START_S)
        assert reply.body == (1,), reply.body
        self.unique_name = str(self._connection.unique_name)
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_ended.is_set():
            try:
                message = self._connection.receive(timeout=0.1)
            except TimeoutError:
                continue
            if message.header.message_type is MessageType.method_call:
                self._connection.send(new_method_return(message))

    def close(self) -> None:
        self._is_ended.set()
        self._thread.join()
        self._connection.close()


@dataclass(frozen=True)
class Bus:
    room: Room
    stand_in: StandIn

    def reaches(self, account: Account | None, call: Call, *, path: str = "/", name: str = RAUC) -> bool:
        """Return whether a user's call gets to the service; None is root."""
        interface, method, arguments = call
        address = f"--address={self.room.environment['DBUS_SYSTEM_BUS_ADDRESS']}"
        command = ("busctl", address, "call", name, path, interface, method, *arguments)
        ended = self.room.run(*command, account=account)
        assert (ended.returncode == 0) == (ended.stderr == ""), ended
        assert ended.returncode == 0 or "Access denied" in ended.stderr, ended.stderr
        return ended.returncode == 0


@contextmanager
def bus(logs: Path, ours: dict[str, str]) -> Iterator[Bus]:
    with bus_room(logs, {"de.pengutronix.rauc.conf": OF_THE_PACKAGE}, ours) as room:
        stand_in = StandIn(room.address)
        try:
            yield Bus(room, stand_in)
        finally:
            stand_in.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """Return the bus as it is on the device."""
    with bus(tmp_path_factory.mktemp("rauc") / "logs", {POLICY.name: POLICY.read_text()}) as found:
        yield found


def test_without_our_policy_everybody_may_do_everything(tmp_path: Path) -> None:
    with bus(tmp_path / "logs", {}) as found:
        assert found.reaches(VISITOR, (INSTALLER, "InstallBundle", ()))
        assert found.reaches(VISITOR, (INSTALLER, "Mark", ()))


@pytest.mark.parametrize("call", ALLOWED, ids=lambda call: call[1])
def test_the_panel_may_call_what_an_update_needs_and_only_at_its_place(closed: Bus, call: Call) -> None:
    assert closed.reaches(PANEL, call)
    assert closed.reaches(PANEL, call, name=closed.stand_in.unique_name)
    assert not closed.reaches(PANEL, call, path="/elsewhere")


@pytest.mark.parametrize("call", NOT_ALLOWED, ids=lambda call: f"{call[0].rpartition('.')[2]}.{call[1]}")
def test_the_panel_may_call_nothing_else(closed: Bus, call: Call) -> None:
    assert not closed.reaches(PANEL, call)
    assert not closed.reaches(PANEL, call, name=closed.stand_in.unique_name)


@pytest.mark.parametrize("account", [*OTHERS, VISITOR], ids=lambda account: account.user)
def test_others_may_call_nothing(closed: Bus, account: Account) -> None:
    assert [call for call in (*ALLOWED, *NOT_ALLOWED) if closed.reaches(account, call)] == []
    assert not closed.reaches(account, ALLOWED[0], name=closed.stand_in.unique_name)


def test_root_may_call_everything(closed: Bus) -> None:
    assert [call for call in (*ALLOWED, *NOT_ALLOWED) if not closed.reaches(None, call)] == []


@pytest.mark.parametrize("account", [PANEL, *OTHERS, VISITOR], ids=lambda account: account.user)
def test_nobody_but_root_takes_the_name(closed: Bus, account: Account) -> None:
    call = ("org.freedesktop.DBus", "RequestName", ("su", RAUC, "2"))
    assert not closed.reaches(account, call, name="org.freedesktop.DBus", path="/org/freedesktop/DBus")
