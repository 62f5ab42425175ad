"""The machine's message bus (D-Bus): calls with a deadline, and signals that tell when some may have been missed.

Each call opens a connection of its own and closes it: about a millisecond more, and in return there is no thread, no shared
state and nothing to repair when the bus was away (decision 0702). Who listens holds a connection for as long as that takes,
and opens the next one by itself.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

from jeepney import DBusAddress, DBusErrorResponse, HeaderFields, Message, MessageType, message_bus, new_method_call
from jeepney.bus import get_bus
from jeepney.bus_messages import MatchRule
from jeepney.fds import FileDescriptor
from jeepney.io.blocking import DBusConnection, prep_socket
from jeepney.wrappers import unwrap_msg

from appliance.domain.errors import DeniedError, MachineError, ServiceError, UnavailableError
from appliance.host.variants import unwrap

CALL_S = 10.0
CONNECT_S = 3.0
RETRY_S = 1.0
"""Between two tries to reach a bus that is away."""
_WORDS = 300
"""What is kept of a service's own explanation."""
_DAEMON = "org.freedesktop.DBus"
_NAMES = {
    "org.freedesktop.login1": "systemd-logind",
    "org.freedesktop.timedate1": "systemd-timedated",
    "org.freedesktop.hostname1": "systemd-hostnamed",
    "org.freedesktop.systemd1": "systemd",
    "org.freedesktop.UDisks2": "udisks2",
    "org.freedesktop.NetworkManager": "NetworkManager",
    "org.freedesktop.Avahi": "avahi",
    "de.pengutronix.rauc": "RAUC",
}
_AWAY = frozenset(
    ("ServiceUnknown", "NameHasNoOwner", "NoReply", "Timeout", "TimedOut", "Disconnected", "NoServer", "UnknownObject",
     "UnknownInterface", "UnknownMethod", "UnknownProperty", "EHOSTUNREACH")
)  # fmt: skip
_DENIED = frozenset(
    ("AccessDenied", "AuthFailed", "InteractiveAuthorizationRequired", "NotAuthorized", "NotAuthorizedCanObtain",
     "NotAuthorizedDismissed", "PermissionDenied")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    """What a service said to everybody."""

    path: str
    """Of the object that it is about."""
    interface: str
    member: str
    body: tuple[object, ...]
    """Variants are unwrapped."""


class Resync(Enum):
    """Something may have been missed: ask for the whole state again."""

    RESYNC = auto()


RESYNC = Resync.RESYNC


class Bus:
    """The system bus; may be used by several threads at once.

    Parameters
    ----------
    address : str, optional
        D-Bus address (`unix:path=…`); without it DBUS_SYSTEM_BUS_ADDRESS, or the machine's own.
    none_because : str
        What people are told where nothing listens at that address.
    """

    def __init__(self, address: str | None = None, *, none_because: str = "there is no system bus") -> None:
        self._address, self._none_because = address, none_because

    def call(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: tuple[object, ...] = (),
        *,
        timeout_s: float = CALL_S,
    ) -> tuple[object, ...]:
        """Call a method and return what it returns, variants unwrapped.

        Raises
        ------
        UnavailableError
            No bus, no such service or object, or no answer in time.
        DeniedError
            The machine's rules say no.
        ServiceError
            The service refuses for a reason of its own.
        """
        message = new_method_call(DBusAddress(path, service, interface), method, signature or None, body)
        with self._connected(service, timeout_s) as connection:
            return unwrap(_reply(connection, message))

    def call_for_fd(
        self,
        service: str,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: tuple[object, ...] = (),
        *,
        timeout_s: float = CALL_S,
    ) -> int:
        """Call a method that returns a file descriptor, which the caller must close; raises as `call` does."""
        message = new_method_call(DBusAddress(path, service, interface), method, signature or None, body)
        with self._connected(service, timeout_s, with_fds=True) as connection:
            match _reply(connection, message).body:
                case (FileDescriptor() as handed,):
                    return int(handed.to_raw_fd())
        raise MachineError(f"{name_of(service)} answered {method} without a file descriptor")

    def get(self, service: str, path: str, interface: str, name: str, *, timeout_s: float = CALL_S) -> object:
        """Return a property; raises as `call` does."""
        (value,) = self.call(
            service, path, "org.freedesktop.DBus.Properties", "Get", "ss", (interface, name), timeout_s=timeout_s
        )
        return value

    def get_all(self, service: str, path: str, interface: str, *, timeout_s: float = CALL_S) -> dict[str, object]:
        """Return every property of an interface; raises as `call` does."""
        (values,) = self.call(service, path, "org.freedesktop.DBus.Properties", "GetAll", "s", (interface,), timeout_s=timeout_s)
        return cast("dict[str, object]", values)

    def watch(self, service: str, path_namespace: str, *, interface: str | None = None, member: str | None = None) -> "Watch":
        """Listen to a service's signals from now on.

        Parameters
        ----------
        path_namespace : str
            The object, and all below it.
        interface, member : str, optional
            Only these signals.
        """
        path = {} if path_namespace == "/" else {"path_namespace": path_namespace}
        return Watch(self, service, MatchRule(type="signal", sender=service, interface=interface, member=member, **path))

    def connect(self, timeout_s: float, *, with_fds: bool = False) -> DBusConnection:
        """Open a connection, which the caller must close; raises OSError and what jeepney does."""
        deadline_s = time.monotonic() + timeout_s
        socket = prep_socket(get_bus(self._address or "SYSTEM"), with_fds, timeout=min(timeout_s, CONNECT_S))
        return _Connection(socket, deadline_s, with_fds=with_fds)

    @contextmanager
    def _connected(self, service: str, timeout_s: float, *, with_fds: bool = False) -> Iterator[DBusConnection]:
        """Open a connection for one call, and say in our words what goes wrong on it."""
        try:
            with closing(self.connect(timeout_s, with_fds=with_fds)) as connection:
                yield connection
        except TimeoutError as error:
            raise UnavailableError(
                f"not available on this machine: {name_of(service)} did not answer within {timeout_s:g} s"
            ) from error
        except DBusErrorResponse as error:
            raise _translated(service, error) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnavailableError(f"not available on this machine: {name_of(service)} ({self._none_because})") from error
        except OSError as error:
            raise UnavailableError(
                f"not available on this machine: {name_of(service)} (the system bus was lost: {error.strerror})"
            ) from error


class Watch:
    """Signals of one service, for one thread; survives a restart of the service and of the bus."""

    def __init__(self, bus: Bus, service: str, rule: MatchRule) -> None:
        self._bus, self._service, self._rule = bus, service, rule
        self._connection: DBusConnection | None = None
        self._owner = ""
        self._try_again_s = 0.0
        self._connect()

    def take(self, timeout_s: float) -> Signal | Resync | None:
        """Return the next signal, `RESYNC` where some may have been missed, or None when nothing came in time."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self._connection is None:
                if self._connect():
                    return RESYNC
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                time.sleep(min(left_s, max(0.0, self._try_again_s - time.monotonic())))
                continue
            try:
                message = self._connection.receive(timeout=max(0.0, deadline_s - time.monotonic()))
            except TimeoutError:
                return None
            except OSError:
                self._drop()
                continue
            said = self._read(message)
            if said is not None:
                return said

    def close(self) -> None:
        """Listen no more."""
        self._drop()

    def _connect(self) -> bool:
        """Try to subscribe, not more often than once a second; return whether that worked."""
        if time.monotonic() < self._try_again_s:
            return False
        self._try_again_s = time.monotonic() + RETRY_S
        try:
            connection = self._bus.connect(CONNECT_S)
        except (OSError, DBusErrorResponse):
            return False
        try:
            owners = MatchRule(type="signal", sender=_DAEMON, interface=_DAEMON, member="NameOwnerChanged")
            owners.add_arg_condition(0, self._service)
            for rule in (self._rule, owners):
                unwrap_msg(connection.send_and_get_reply(message_bus.AddMatch(rule), timeout=CONNECT_S))
            self._owner = _owner(connection, self._service)
        except (OSError, DBusErrorResponse):
            connection.close()
            return False
        self._connection = connection
        return True

    def _read(self, message: Message) -> Signal | Resync | None:
        """Return what a message means; one that somebody else sent in the service's name means nothing."""
        if message.header.message_type is not MessageType.signal:
            return None
        fields = message.header.fields
        sender = fields.get(HeaderFields.sender, "")
        path, interface, member = (fields.get(of, "") for of in (HeaderFields.path, HeaderFields.interface, HeaderFields.member))
        if sender == _DAEMON:
            if member != "NameOwnerChanged" or message.body[0] != self._service:
                return None
            self._owner = message.body[2]
            return RESYNC
        if sender != self._owner:
            return None
        return Signal(path, interface, member, unwrap(message))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Connection(DBusConnection):  # type: ignore[misc] # jeepney is not typed
    """A connection whose own greeting has a deadline, too."""

    def __init__(self, socket: object, deadline_s: float, *, with_fds: bool) -> None:
        self._deadline_s = deadline_s
        try:
            super().__init__(socket, with_fds)
        except BaseException:
            self.close()
            raise

    def receive(self, *, timeout: float | None = None) -> Message:
        """Return the next message; without a time of its own, before the deadline."""
        return super().receive(timeout=max(0.0, self._deadline_s - time.monotonic()) if timeout is None else timeout)


def name_of(service: str) -> str:
    """Return what a service is called before people."""
    return _NAMES.get(service, service)


def _reply(connection: DBusConnection, message: Message) -> Message:
    """Send a call and return its answer; raises DBusErrorResponse, and TimeoutError at the connection's deadline."""
    reply = connection.send_and_get_reply(message)
    if reply.header.message_type is MessageType.error:
        raise DBusErrorResponse(reply)
    return reply


def _owner(connection: DBusConnection, service: str) -> str:
    """Return the connection that has a service's name, or "" where none has."""
    reply = connection.send_and_get_reply(message_bus.GetNameOwner(service), timeout=CONNECT_S)
    return "" if reply.header.message_type is MessageType.error else str(reply.body[0])


def _translated(service: str, error: DBusErrorResponse) -> MachineError:
    """Return the error of ours that a D-Bus error is."""
    name, kind = error.name, error.name.rpartition(".")[2]
    first = error.data[0] if error.data else ""
    words = "".join(c if c.isprintable() else " " for c in first)[:_WORDS].strip() if isinstance(first, str) else ""
    if kind in _DENIED:
        return DeniedError(f"the rules of this machine do not allow it ({name_of(service)}: {words or kind})")
    if kind in _AWAY or name.startswith("org.freedesktop.DBus.Error.Spawn."):
        return UnavailableError(f"not available on this machine: {name_of(service)}")
    return ServiceError(name, words or f"{name_of(service)} answered {kind}")
