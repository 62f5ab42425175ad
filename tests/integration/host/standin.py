"""A bus with nothing on it, and a service that stands in for one of the machine's: it tells of objects and answers calls."""

import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jeepney import DBusAddress, HeaderFields, Message, MessageType, message_bus, new_error, new_method_return, new_signal
from jeepney.io.blocking import open_dbus_connection

START_S = 60.0
Properties = dict[str, tuple[str, object]]
"""Each with its type."""
Interfaces = dict[str, Properties]
Body = tuple[object, ...]


class Refusal(Exception):  # noqa: N818 - an answer, not a mistake
    """What a stand-in answers with an error; the name is the last part of the error's."""

    def __init__(self, name: str, text: str = "no") -> None:
        super().__init__(text)
        self.name, self.text = name, text


@dataclass(frozen=True)
class Call:
    """A call that a stand-in was given."""

    path: str
    method: str
    body: Body


class StandIn:
    """Owns a service's name; `answer` is for its own methods."""

    def __init__(self, address: str, name: str, root: str, objects: dict[str, Interfaces] | None = None) -> None:
        self.address, self.name, self.root = address, name, root
        self.calls: list[Call] = []
        self._signals: queue.Queue[Message] = queue.Queue()
        self._is_ended = threading.Event()
        self.come_back(objects or {})

    def come_back(self, objects: dict[str, Interfaces]) -> None:
        """Take the name, and tell of these objects from then on."""
        self.objects = objects
        self._connection = open_dbus_connection(self.address)
        reply = self._connection.send_and_get_reply(message_bus.RequestName(self.name), timeout=START_S)
        assert reply.body == (1,), reply.body
        self._is_ended.clear()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def answer(self, call: Call) -> tuple[str, Body]:
        """Return the type and the values of an answer."""
        raise Refusal("Error.UnknownMethod", call.method)

    def emit(self, path: str, interface: str, member: str, signature: str, body: Body) -> None:
        """Tell everybody something."""
        self._signals.put(new_signal(DBusAddress(path, interface=interface), member, signature, body))

    def leave(self) -> None:
        """Leave the bus, as a service does that ends."""
        self._is_ended.set()
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while not self._is_ended.is_set():
            while not self._signals.empty():
                self._connection.send(self._signals.get())
            try:
                message = self._connection.receive(timeout=0.02)
            except TimeoutError:
                continue
            if message.header.message_type is MessageType.method_call:
                self._connection.send(self._reply(message))

    def _reply(self, message: Message) -> Message:
        fields = message.header.fields
        call = Call(fields[HeaderFields.path], fields[HeaderFields.member], message.body)
        if (call.path, call.method) == (self.root, "GetManagedObjects"):
            return new_method_return(message, "a{oa{sa{sv}}}", (self.objects,))
        self.calls.append(call)
        try:
            return new_method_return(message, *self.answer(call))
        except Refusal as refusal:
            return new_error(message, f"{self.name}.{refusal.name}", "s", (refusal.text,))


@contextmanager
def bare_bus(folder: Path) -> Iterator[str]:
    """Run a bus until the end of the block; give its address."""
    address = f"unix:path={folder}/bus"
    with subprocess.Popen(["dbus-daemon", "--session", f"--address={address}", "--nofork", "--nopidfile"]) as daemon:
        try:
            deadline = time.monotonic() + START_S
            while not _answers(address):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield address
        finally:
            daemon.kill()


def _answers(address: str) -> bool:
    try:
        open_dbus_connection(address).close()
    except OSError:
        return False
    return True
