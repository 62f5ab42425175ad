"""The bus class on a real dbus-daemon, which is killed, frozen and started again, with a service that answers as it is told."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from jeepney import DBusAddress, HeaderFields, MessageType, message_bus, new_error, new_method_return, new_signal
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from appliance.domain.errors import DeniedError, MachineError, ServiceError, UnavailableError
from appliance.host.bus import RESYNC, Bus, Signal, Watch

pytestmark = pytest.mark.needs("dbus-daemon")

NAME, PATH, INTERFACE = "org.nightjar.Echo", "/org/nightjar/echo", "org.nightjar.Echo"
PATIENCE_S = 60.0
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
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


class Daemon:
    """A bus of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus"
        self.address = f"unix:path={self.path}"
        self._configuration = folder / "bus.conf"
        self._configuration.write_text(CONFIGURATION.format(socket=self.path))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        command = ["dbus-daemon", f"--config-file={self._configuration}", "--nofork", "--nopidfile"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(self._listens)  # its socket exists a moment before it does

    def _listens(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(self.path))
            return True
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def send(self, sign: int) -> None:
        assert self.process is not None
        self.process.send_signal(sign)


class Service:
    """Has a name on the bus, and answers calls of `Say` as its argument tells."""

    def __init__(self, address: str) -> None:
        self.connection: DBusConnection = open_dbus_connection(address, enable_fds=True)
        self.connection.send_and_get_reply(message_bus.RequestName(NAME), timeout=PATIENCE_S)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with suppress(OSError, ValueError, KeyError):  # the connection was closed: the end
            while True:
                call = self.connection.receive(timeout=PATIENCE_S)
                member = call.header.fields.get(HeaderFields.member)
                if call.header.message_type is not MessageType.method_call:
                    continue
                if member == "Stop":
                    return
                if member == "Handle":
                    near, far = socket.socketpair()
                    far.sendall(b"held")
                    self.connection.send(new_method_return(call, "h", (near.fileno(),)))
                    near.close()
                    far.close()
                elif member == "Silent":
                    pass
                elif member == "Fail":
                    self.connection.send(new_error(call, call.body[0], "s", (call.body[1],)))
                else:
                    self.connection.send(new_method_return(call, "v", (("s", f"echo of {call.body[0]}"),)))

    def stop(self) -> None:
        with suppress(OSError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE_S)
        self.connection.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def service(daemon: Daemon) -> Iterator[Service]:
    made = Service(daemon.address)
    yield made
    made.stop()


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def call(bus: Bus, method: str, *body: str, timeout_s: float = PATIENCE_S) -> tuple[object, ...]:
    return bus.call(NAME, PATH, INTERFACE, method, "s" * len(body), body, timeout_s=timeout_s)


def say(address: str, text: str, *, path: str = PATH, as_service: Service | None = None, to: str | None = None) -> None:
    """Send a signal, as the service or as somebody else."""
    message = new_signal(DBusAddress(path, interface=INTERFACE), "Said", "v", (("s", text),))
    if to is not None:
        message.header.fields[HeaderFields.destination] = to
    if as_service is not None:
        as_service.connection.send(message)
        return
    with open_dbus_connection(address) as connection:
        connection.send(message)
        connection.send_and_get_reply(message_bus.ListNames(), timeout=PATIENCE_S)


def next_of(watch: Watch) -> object:
    return watch.take(PATIENCE_S)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_call_returns_what_the_service_says(daemon: Daemon, service: Service) -> None:
    assert call(Bus(daemon.address), "Say", "hello") == ("echo of hello",)


def test_the_address_is_the_environments_without_one(daemon: Daemon, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", daemon.address)
    assert call(Bus(), "Say", "x") == ("echo of x",)


def test_calls_leave_no_file_open(daemon: Daemon, service: Service) -> None:
    bus, before = Bus(daemon.address), open_files()
    for _ in range(5):
        call(bus, "Say", "x")
        with pytest.raises(MachineError):
            call(bus, "Fail", "a.b.C", "no")
        with pytest.raises(UnavailableError):
            bus.call("org.nightjar.Nobody", "/", INTERFACE, "Say")
    assert open_files() == before


def test_many_threads_call_at_once(daemon: Daemon, service: Service) -> None:
    bus, answers = Bus(daemon.address), []
    threads = [threading.Thread(target=lambda n=n: answers.append(call(bus, "Say", str(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(answers) == [(f"echo of {n}",) for n in range(8)]


def test_a_handle_comes_over_the_bus(daemon: Daemon, service: Service) -> None:
    fd = Bus(daemon.address).call_for_fd(NAME, PATH, INTERFACE, "Handle", timeout_s=PATIENCE_S)
    with os.fdopen(fd, "rb") as handle:
        assert handle.read() == b"held"


def test_an_answer_without_a_handle_is_refused(daemon: Daemon, service: Service) -> None:
    with pytest.raises(MachineError, match="answered Say without a file descriptor"):
        Bus(daemon.address).call_for_fd(NAME, PATH, INTERFACE, "Say", "s", ("x",), timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("org.freedesktop.DBus.Error.AccessDenied", DeniedError),
        ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", DeniedError),
        ("org.freedesktop.UDisks2.Error.NotAuthorizedCanObtain", DeniedError),
        ("org.freedesktop.NetworkManager.PermissionDenied", DeniedError),
        ("org.freedesktop.DBus.Error.UnknownMethod", UnavailableError),
        ("org.freedesktop.DBus.Error.Spawn.ExecFailed", UnavailableError),
        ("org.freedesktop.UDisks2.Error.DeviceBusy", ServiceError),
    ],
)
def test_errors_are_told_apart(daemon: Daemon, service: Service, name: str, kind: type[MachineError]) -> None:
    with pytest.raises(MachineError) as caught:
        call(Bus(daemon.address), "Fail", name, "because\nof this")
    assert type(caught.value) is kind
    if isinstance(caught.value, ServiceError):
        assert caught.value.name == name
        assert str(caught.value) == "because of this"


def test_an_error_is_cut_short(daemon: Daemon, service: Service) -> None:
    with pytest.raises(ServiceError) as caught:
        call(Bus(daemon.address), "Fail", "a.b.C", "x" * 5000)
    assert len(str(caught.value)) == 300


def test_a_service_that_is_not_there_is_unavailable(daemon: Daemon) -> None:
    with pytest.raises(UnavailableError, match=r"^not available on this machine: systemd-logind$"):
        Bus(daemon.address).call("org.freedesktop.login1", "/", "a.b", "C")


def test_a_bus_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="there is no system bus"):
        call(Bus(f"unix:path={tmp_path}/none"), "Say", "x")


def test_a_service_that_says_nothing_is_given_up(daemon: Daemon, service: Service) -> None:
    with pytest.raises(UnavailableError, match=r"did not answer within 0\.3 s"):
        call(Bus(daemon.address), "Silent", timeout_s=0.3)


def test_a_frozen_bus_is_given_up(daemon: Daemon, service: Service) -> None:
    bus = Bus(daemon.address)
    before = open_files()
    daemon.send(signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError, match="did not answer"):
            call(bus, "Say", "x", timeout_s=0.5)
        assert open_files() == before
    finally:
        daemon.send(signal.SIGCONT)
    assert call(bus, "Say", "x") == ("echo of x",)


def test_a_bus_that_dies_during_a_call_is_said(daemon: Daemon, service: Service) -> None:
    ended: list[BaseException] = []

    def run() -> None:
        try:
            call(Bus(daemon.address), "Silent")
        except UnavailableError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    daemon.kill()
    thread.join(PATIENCE_S)
    assert len(ended) == 1


def test_signals_of_the_service_come_in_order(daemon: Daemon, service: Service) -> None:
    watch = Bus(daemon.address).watch(NAME, "/org/nightjar")
    for n in range(300):  # more than any queue of one
        say(daemon.address, str(n), as_service=service)
    assert [next_of(watch) for _ in range(300)] == [Signal(PATH, INTERFACE, "Said", (str(n),)) for n in range(300)]
    assert watch.take(0.0) is None
    watch.close()


def test_signals_of_others_do_not_come(daemon: Daemon, service: Service) -> None:
    bus = Bus(daemon.address)
    watch = bus.watch(NAME, "/org/nightjar")
    say(daemon.address, "a stranger, to all")
    with open_dbus_connection(daemon.address) as connection:
        (names,) = connection.send_and_get_reply(message_bus.ListNames(), timeout=PATIENCE_S).body
    for name in names:
        if name.startswith(":"):
            say(daemon.address, "a stranger, to one", to=name)
    say(daemon.address, "elsewhere", path="/org/other", as_service=service)
    say(daemon.address, "the service", as_service=service)
    assert next_of(watch) == Signal(PATH, INTERFACE, "Said", ("the service",))
    assert watch.take(0.0) is None
    watch.close()


def test_a_service_that_starts_again_asks_for_the_whole_state(daemon: Daemon, service: Service) -> None:
    watch = Bus(daemon.address).watch(NAME, "/org/nightjar")
    service.stop()
    assert next_of(watch) is RESYNC
    again = Service(daemon.address)
    try:
        assert next_of(watch) is RESYNC
        say(daemon.address, "back", as_service=again)
        assert next_of(watch) == Signal(PATH, INTERFACE, "Said", ("back",))
    finally:
        again.stop()
        watch.close()


def test_a_bus_that_is_killed_is_found_again(daemon: Daemon, service: Service) -> None:
    bus = Bus(daemon.address)
    watch = bus.watch(NAME, "/org/nightjar")
    daemon.kill()
    service.stop()
    assert watch.take(0.1) is None
    daemon.start()
    back = time.monotonic()
    assert next_of(watch) is RESYNC
    print(f"listening again after {time.monotonic() - back:.2f} s")
    again = Service(daemon.address)
    try:
        assert next_of(watch) is RESYNC  # the service has its name again
        say(daemon.address, "back", as_service=again)
        assert next_of(watch) == Signal(PATH, INTERFACE, "Said", ("back",))
        assert call(bus, "Say", "x") == ("echo of x",)
    finally:
        again.stop()
        watch.close()


def test_a_watch_that_begins_without_a_bus_finds_it_later(tmp_path: Path) -> None:
    late = Daemon(tmp_path)
    watch = Bus(late.address).watch(NAME, "/")
    assert watch.take(0.1) is None
    late.start()
    try:
        assert next_of(watch) is RESYNC
    finally:
        watch.close()
        late.kill()


def test_waiting_without_a_bus_takes_the_time_that_was_given(tmp_path: Path) -> None:
    watch = Bus(f"unix:path={tmp_path}/none").watch(NAME, "/")
    began = time.monotonic()
    assert watch.take(0.4) is None
    assert time.monotonic() - began >= 0.4
    watch.close()
