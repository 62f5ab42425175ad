"""One connection to one MQTT broker: version 5, or 3.1.1 with one that speaks no other; every message is confirmed (QoS 1)."""

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.domain.errors import UploadError, UploadRefusedError
from appliance.domain.fault import Fault
from appliance.domain.secret import Secret
from appliance.uploads.faults import DEADLINE_S, told
from appliance.uploads.port import Progress
from appliance.uploads.trust import connect, context_of

CHUNK = 32 << 10
LARGEST = 32 << 20
"""Bytes of one message: it lies in memory whole, here and at the broker."""
LARGEST_ANSWER = 256 << 10
KEEPALIVE_S = 60
"""So often each side hears of the other; after one and a half of it the broker publishes the will."""
_TURN_S = 1.0
_MOST_UNHEARD = 8
"""Records of TLS and answers to pings that may lie before the end of a connection."""
_SEND_BUFFER = 64 << 10
"""Little enough for a slow line to send it within a deadline: what lies in it counts as sent here."""
_OVERHEAD = 32
"""More than what a message has beside topic and payload."""
_OTHER_VERSION = 0x84
_LOGIN = {0x86, 0x87, 0x8A, 0x8C}
_OWN_REASON, _TOO_LARGE, _INVALID = 0x83, 0x95, 0x99
_NOT_TAKEN = {_OWN_REASON, _TOO_LARGE, _INVALID}
_REASON_AT = 2
"""Where the reason stands in the answer to a message, in version 5; in 3.1.1 there is none."""
_FAULTS = {0x87: Fault.RIGHT, 0x90: Fault.PATH, 0x97: Fault.FULL, 0x98: Fault.RIGHT}


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """Where, and as whom."""

    host: str
    port: int
    user: str
    """Empty for nobody."""
    certificate: str
    """PEM, as `trust.context_of` takes it."""
    is_plain: bool = False
    """Without TLS: only where an admin has said so."""
    password: Secret[str] | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when we are gone, in whatever way."""

    topic: str
    payload: bytes


class _OtherVersionError(UploadError):
    """It speaks another version of the protocol, or hung up at the first word, as old ones do."""


class Broker:
    """A connection that is made by `connect`, again after it broke; used from one thread, which does all its work."""

    def __init__(self, place: BrokerPlace, client_id: str, will: Will | None = None) -> None:
        self._place, self._client_id, self._will = place, client_id, will
        self._client: _Client | None = None
        self._talk = _Talk()

    def connect(self) -> None:
        """Connect and log in.

        Raises
        ------
        UploadError
        """
        self._drop()
        try:
            self._open(MQTTProtocolVersion.MQTTv5)
        except _OtherVersionError:
            self._open(MQTTProtocolVersion.MQTTv311)

    def is_alive(self) -> bool:
        """Hear what the broker has said meanwhile, answer it, and return whether it is still there; waits for nothing."""
        client = self._client
        if client is None:
            return False
        client.allowance = CHUNK
        for _ in range(_MOST_UNHEARD):
            if self._turn(client, 0.0) is not MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
                self._drop()
                return False
        return True

    def publish(self, topic: str, payload: bytes, *, is_retained: bool, progress: Progress = lambda _: None) -> None:
        """Send a message, and return once the broker has it.

        Parameters
        ----------
        topic : str
        payload : bytes
        is_retained : bool
            Whether it stays there for those who come later, where the broker keeps any.
        progress : callable
            See `Progress`.

        Raises
        ------
        UploadError
        UploadRefusedError
            If this message is not taken.
        """
        most = min(LARGEST, self._talk.largest or LARGEST)
        if len(payload) + len(topic.encode()) + _OVERHEAD > most:
            raise UploadRefusedError(f"The broker takes messages up to {most} bytes; this one has {len(payload)}.")
        with self._dropped_on_failure() as client:
            client.allowance, before = CHUNK, client.sent
            sent = client.publish(topic, payload, qos=1, retain=is_retained and self._talk.keeps)
            self._wait(client, lambda: sent.mid in self._talk.answers, lambda: progress(client.sent - before))
        reason = self._talk.answers.pop(sent.mid)
        if reason.value in _NOT_TAKEN:
            raise UploadRefusedError(f"The broker does not take a message of {len(payload)} bytes; it may be too large.")
        if reason.is_failure:
            raise UploadError(_FAULTS.get(reason.value, Fault.BROKEN), f"{topic}: {reason}")

    def listen(self, topic: str) -> None:
        """Hear one message that was retained, if there is one and we may; `heard` has it once it has come."""
        self._talk.topic = topic
        with self._dropped_on_failure() as client:
            _, mid = client.subscribe(topic, qos=1)
            self._wait(client, lambda: mid in self._talk.answers)
        self._talk.answers.clear()

    def heard(self) -> bytes:
        """Return what has come of what was listened for, empty for nothing; listens no longer."""
        if self._talk.topic and self._client is not None:
            self._client.unsubscribe(self._talk.topic)
        self._talk.topic = ""
        return self._talk.heard

    def close(self) -> None:
        """Hang up, and have the will published; waits for nothing."""
        client = self._client
        if client is not None and client.socket() is not None:
            client.allowance = CHUNK
            if self._will is None:
                client.disconnect()
            elif client.protocol is MQTTProtocolVersion.MQTTv5:
                client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        self._drop()  # in 3.1.1 a connection that ends without a word is what has the will published

    def _open(self, version: MQTTProtocolVersion) -> None:
        place, self._talk = self._place, _Talk()
        client = self._client = _Client(self._dial, self._client_id, version)
        client.on_connect, client.on_disconnect = self._talk.on_connect, self._talk.on_disconnect
        client.on_publish, client.on_subscribe, client.on_message = (
            self._talk.on_publish, self._talk.on_subscribe, self._talk.on_message
        )  # fmt: skip
        if place.user:
            client.username_pw_set(place.user, place.password.reveal() if place.password else None)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        with self._dropped_on_failure():
            client.allowance = CHUNK
            client.connect(place.host, place.port, KEEPALIVE_S)
            self._wait(client, lambda: self._talk.welcome is not None)
            self._check_welcome()

    def _dial(self) -> socket.socket:
        place = self._place
        with told():
            if place.is_plain:
                made = socket.create_connection((place.host, place.port), timeout=DEADLINE_S)
            else:
                made = connect(place.host, place.port, context_of(place.certificate))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _check_welcome(self) -> None:
        reason = self._talk.welcome
        if reason is None or not reason.is_failure:
            if not self._talk.confirms:
                raise UploadError(Fault.BROKEN, "the broker confirms no messages (QoS 1)")
            return
        if reason.value == _OTHER_VERSION:
            raise _OtherVersionError(Fault.BROKEN, "the broker speaks neither version 5 nor 3.1.1 of MQTT")
        fault = Fault.LOGIN if reason.value in _LOGIN else _FAULTS.get(reason.value, Fault.BROKEN)
        raise UploadError(fault, f"the broker says: {reason}")

    def _wait(self, client: "_Client", is_done: Callable[[], bool], beat: Callable[[], None] = lambda: None) -> None:
        """Send and receive until something has come true; nothing may stand still longer than the deadline."""
        moved, until_s = client.sent, time.monotonic() + DEADLINE_S
        while not is_done():
            client.allowance = CHUNK
            code = self._turn(client, _TURN_S)
            if is_done():
                return
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
                raise self._lost()
            beat()
            if client.sent != moved:
                moved, until_s = client.sent, time.monotonic() + DEADLINE_S
            elif time.monotonic() > until_s:
                raise UploadError(Fault.SILENT, f"no answer in {DEADLINE_S:.0f} s")

    def _turn(self, client: "_Client", wait_s: float) -> MQTTErrorCode:
        """Do what can be done on the connection within some time; the library's own loop starts a pair of sockets for it."""
        sock = client.socket()
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        is_pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        ready = sum(event for _, event in poll.poll(0 if is_pending else int(wait_s * 1000)))
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if is_pending or ready & ~select.POLLOUT:
            code = client.loop_read()
        if code is MQTTErrorCode.MQTT_ERR_SUCCESS and ready & select.POLLOUT:
            code = client.loop_write()
        return client.loop_misc() if code is MQTTErrorCode.MQTT_ERR_SUCCESS else code

    def _lost(self) -> Exception:
        """Return why the connection has ended."""
        reason = self._talk.goodbye
        if reason is not None and reason.value in _NOT_TAKEN:
            return UploadRefusedError(f"The broker does not take it: {reason}")
        if reason is not None:
            return UploadError(_FAULTS.get(reason.value, Fault.BROKEN), f"the broker hung up: {reason}")
        if self._talk.welcome is None:
            return _OtherVersionError(Fault.BROKEN, "no answer that could be understood")
        return UploadError(Fault.BROKEN, "the broker hung up")

    @contextmanager
    def _dropped_on_failure(self) -> Iterator["_Client"]:
        """Give the client; whatever goes wrong, a connection in the middle of something is not used again."""
        try:
            if self._client is None:
                raise UploadError(Fault.BROKEN, "not connected")
            yield self._client
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """End the connection without a word."""
        client, self._client = self._client, None
        sock = client.socket() if client is not None else None
        if sock is not None:
            sock.close()


class _Client(Client):
    """The library's client on a connection of ours, with bounds on what goes out and comes in at once."""

    def __init__(self, dial: Callable[[], socket.socket], client_id: str, version: MQTTProtocolVersion) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False)
        self._dial = dial
        self.allowance = 0
        """Bytes that may go out until it is set again: between, others are heard and the beat is."""
        self.sent = 0

    def _create_socket(self) -> socket.socket:
        """Connect as all targets do, with the certificate checked or shown."""
        return self._dial()

    def _sock_send(self, buf: bytes | bytearray) -> int:
        """Send some of it."""
        if self.allowance <= 0:
            raise BlockingIOError
        sent = super()._sock_send(buf[: self.allowance])
        self.allowance -= sent
        self.sent += sent
        return sent

    def _sock_recv(self, bufsize: int) -> bytes:
        """Receive what is asked for, which is the rest of one packet."""
        if bufsize > LARGEST_ANSWER:
            raise ConnectionAbortedError("a packet is too large")
        return super()._sock_recv(bufsize)

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """Take the answer to a message; mosquitto says "too large" here, where the library knows no such answer."""
        packet = self._in_packet["packet"]
        if len(packet) > _REASON_AT and packet[_REASON_AT] == _TOO_LARGE:
            packet[_REASON_AT] = _OWN_REASON
        return super()._handle_pubackcomp(cmd)


class _Talk:
    """What the broker has said on one connection; the library calls its methods."""

    def __init__(self) -> None:
        self.welcome: ReasonCode | None = None
        self.goodbye: ReasonCode | None = None
        """Why the broker hung up, where it said so."""
        self.largest: int | None = None
        self.keeps = self.confirms = True
        self.answers: dict[int, ReasonCode] = {}
        self.topic, self.heard = "", b""

    def on_connect(self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, said: Properties | None) -> None:  # noqa: ANN401 - the library's
        """Take the answer to a login."""
        self.welcome = reason
        self.largest = getattr(said, "MaximumPacketSize", None)
        self.keeps = bool(getattr(said, "RetainAvailable", 1))
        self.confirms = bool(getattr(said, "MaximumQoS", 1))

    def on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _said: Properties | None  # noqa: ANN401 - the library's
    ) -> None:  # fmt: skip
        """Take a goodbye."""
        self.goodbye = reason if flags.is_disconnect_packet_from_server else None

    def on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _said: Properties) -> None:  # noqa: ANN401 - the library's
        """Take the answer to a message."""
        self.answers[mid] = reason

    def on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: list[ReasonCode], _said: Properties | None) -> None:  # noqa: ANN401 - the library's
        """Take the answer to `listen`."""
        self.answers[mid] = reasons[0]

    def on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - the library's
        """Take what was retained."""
        if message.topic == self.topic:
            self.heard = bytes(message.payload)
