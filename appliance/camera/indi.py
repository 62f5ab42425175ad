"""The one home of PyIndi: a connection to an INDI server whose properties are read and set as plain values.

libindi calls back from a thread of its own, and **an exception that leaves a callback ends the process** (pyindi-client's
`director:except` calls `Py_Exit`). Therefore every callback is one guarded call that copies what came into Python values;
the camera's thread reads only those copies, never libindi's tree, which the other thread changes while it is looked at.
"""

import logging
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import PyIndi

from appliance.supervisor.channels import Mailbox, Published

log = logging.getLogger(__name__)

BLOB_MAX_BYTES = 300_000_000
CCD_INTERFACE = 1 << 1
"""Bit of DRIVER_INFO.DRIVER_INTERFACE (libindi, basedevice.h)."""
_CONNECT_TIMEOUT_S = 2
_QUIET_S, _QUIET_TRIES = 0.05, 10


class State(IntEnum):
    """State of a property."""

    IDLE = PyIndi.IPS_IDLE
    OK = PyIndi.IPS_OK
    BUSY = PyIndi.IPS_BUSY
    ALERT = PyIndi.IPS_ALERT


@dataclass(frozen=True, slots=True)
class Number:
    """A number with the bounds that the driver gives it."""

    value: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Choice:
    """One switch of a property, with the words a person would see."""

    is_on: bool
    label: str


@dataclass(frozen=True, slots=True)
class Property:
    """A copy of one property as it came last."""

    state: State
    numbers: Mapping[str, Number] = field(default_factory=dict)
    switches: Mapping[str, Choice] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """Bytes of one frame, or the reason why there are none."""

    device: str
    format: str
    untrusted: bytearray
    fault: str = ""


class IndiConnection:
    """One connection to an INDI server; a lost one is thrown away and another made."""

    def __init__(self, host: str, port: int) -> None:
        self.address = f"{host}:{port}" if "/" not in host else host.partition(":")[2]
        self.blobs: Mailbox[Blob] = Mailbox("blobs", 2)
        self.changes: Published[None] = Published(None)
        """Its revision grows with everything that comes."""
        self.messages = 0
        """How many messages came: libindi keeps every one of them for as long as the connection lasts."""
        self.is_lost = False
        self._is_connected = False
        self._copies: dict[tuple[str, str], Property] = {}
        self._originals: dict[tuple[str, str], PyIndi.Property] = {}
        self._client = _Client(self)
        self._client.setServer(host, port)
        self._client.setConnectionTimeout(_CONNECT_TIMEOUT_S, 0)

    def connect(self) -> bool:
        """Connect and ask for all properties; takes at most two seconds."""
        self._is_connected = bool(self._client.connectServer())
        return self._is_connected

    def close(self) -> None:
        """Disconnect, and let libindi's thread end before its object goes.

        libindi 2.1.2 can lose its own wake-up while something comes in (`Select::clear` in `processSocket`); its thread
        then waits ten seconds more, or until something else comes in. So this waits for a quiet moment first; where the
        thread was missed all the same, a ping brings an answer that wakes it, and the object is kept for a while.
        """
        for _ in range(_QUIET_TRIES):
            seen = self.changes.revision
            if self.is_lost or self.changes.wait(seen, _QUIET_S)[1] == seen:
                break
        if self._is_connected and not self._client.disconnectServer():
            self._client.sendPingRequest("nightjar")
            _missed.append(self._client)
        self._is_connected = False
        self._originals.clear()
        self._copies.clear()

    def cameras(self) -> dict[str, str]:
        """Return every device that says it is a camera, with the executable of its driver."""
        infos = {device: p.texts for (device, name), p in tuple(self._copies.items()) if name == "DRIVER_INFO"}
        return {d: t.get("DRIVER_EXEC", "") for d, t in infos.items() if _bits(t.get("DRIVER_INTERFACE", "")) & CCD_INTERFACE}

    def get(self, device: str, name: str) -> Property | None:
        """Return the last copy of a property, or None if the driver has not defined it."""
        return self._copies.get((device, name))

    def set_numbers(self, device: str, name: str, values: Mapping[str, float]) -> bool:
        """Send numbers; the other elements keep their values. Tell whether the property was there."""
        original = self._originals.get((device, name))
        if original is None:
            return False
        for widget in PyIndi.PropertyNumber(original):
            if widget.getName() in values:
                widget.setValue(float(values[widget.getName()]))
        self._client.sendNewProperty(original)
        return True

    def set_switch(self, device: str, name: str, element: str, *, is_on: bool = True) -> bool:
        """Send a switch, the others off; tell whether there is such a switch."""
        copy, original = self._copies.get((device, name)), self._originals.get((device, name))
        if copy is None or original is None or element not in copy.switches:
            return False
        for widget in PyIndi.PropertySwitch(original):
            widget.setState(PyIndi.ISS_ON if is_on and widget.getName() == element else PyIndi.ISS_OFF)
        self._client.sendNewProperty(original)
        return True

    def receive_blobs(self, device: str) -> None:
        """Ask the server for the device's frames."""
        self._client.setBLOBMode(PyIndi.B_ALSO, device, "CCD1")

    def defined(self, prop: PyIndi.Property) -> None:
        """Take a property that was defined; called by libindi's thread."""
        key = prop.getDeviceName(), prop.getName()
        self._originals[key] = prop
        self._copies[key] = _copy(prop)
        self.changes.publish(None)

    def updated(self, prop: PyIndi.Property) -> None:
        """Take new values of a property; called by libindi's thread."""
        if prop.getType() == PyIndi.INDI_BLOB:
            self._take_blob(prop)
        else:
            self._copies[prop.getDeviceName(), prop.getName()] = _copy(prop)
        self.changes.publish(None)

    def removed(self, prop: PyIndi.Property) -> None:
        """Forget a property; called by libindi's thread."""
        key = prop.getDeviceName(), prop.getName()
        self._originals.pop(key, None)
        self._copies.pop(key, None)
        self.changes.publish(None)

    def removed_device(self, device: str) -> None:
        """Forget all of a device, as when its driver has ended; called by libindi's thread."""
        for key in [key for key in tuple(self._copies) if key[0] == device]:
            self._originals.pop(key, None)
            self._copies.pop(key, None)
        self.changes.publish(None)

    def message(self, text: str) -> None:
        """Log what a driver says; called by libindi's thread."""
        self.messages += 1
        log.debug("driver: %s", text.encode("unicode_escape", "replace").decode("ascii")[:300])

    def lost(self) -> None:
        """Note that the server has gone; called by libindi's thread."""
        self.is_lost = True
        self.changes.publish(None)

    def _take_blob(self, prop: PyIndi.Property) -> None:
        """Copy a frame's bytes, and never more of them than there are: `size` is only what the driver claims."""
        if prop.getName() != "CCD1":  # CCD2 is a guide chip
            return
        for widget in PyIndi.PropertyBlob(prop):
            size, held = widget.getSize(), widget.getBlobLen()
            name, kind = prop.getDeviceName(), widget.getFormat()
            if 0 < size <= held and size <= BLOB_MAX_BYTES:
                self.blobs.put(Blob(name, kind, widget.getblobdata()))
            else:
                self.blobs.put(Blob(name, kind, bytearray(), f"the driver announced {size} bytes and sent {held}"))


class _Client(PyIndi.BaseClient):  # type: ignore[misc]  # SWIG's classes have no types
    """libindi's callbacks: each one hands over and can raise nothing.

    It refers to its connection weakly: no circle keeps libindi's sockets open until Python looks for circles.
    """

    def __init__(self, connection: IndiConnection) -> None:
        super().__init__()
        self._connection = weakref.ref(connection)

    def newDevice(self, device: object) -> None:  # noqa: N802 - libindi's name
        pass

    def removeDevice(self, device: PyIndi.BaseDevice) -> None:  # noqa: N802
        try:
            if (connection := self._connection()) is not None:
                connection.removed_device(device.getDeviceName())
        except BaseException:  # it must not leave: see above
            log.exception("a removed device was not taken")

    def newProperty(self, prop: PyIndi.Property) -> None:  # noqa: N802
        try:
            if (connection := self._connection()) is not None:
                connection.defined(prop)
        except BaseException:  # it must not leave: see above
            log.exception("a defined property was not taken")

    def updateProperty(self, prop: PyIndi.Property) -> None:  # noqa: N802
        try:
            if (connection := self._connection()) is not None:
                connection.updated(prop)
        except BaseException:  # it must not leave: see above
            log.exception("an updated property was not taken")

    def removeProperty(self, prop: PyIndi.Property) -> None:  # noqa: N802
        try:
            if (connection := self._connection()) is not None:
                connection.removed(prop)
        except BaseException:  # it must not leave: see above
            log.exception("a removed property was not taken")

    def newMessage(self, device: PyIndi.BaseDevice, number: int) -> None:  # noqa: N802
        try:
            if (connection := self._connection()) is not None:
                connection.message(device.messageQueue(number))
        except BaseException:  # it must not leave: see above
            log.exception("a message was not taken")

    def serverConnected(self) -> None:  # noqa: N802
        pass

    def serverDisconnected(self, code: int) -> None:  # noqa: N802, ARG002
        try:
            if (connection := self._connection()) is not None:
                connection.lost()
        except BaseException:  # it must not leave: see above
            log.exception("the loss of the server was not taken")


_missed: deque[_Client] = deque(maxlen=8)
"""Clients whose thread may still be at its end; by the time the ninth comes, the first one's is over."""


def _copy(prop: PyIndi.Property) -> Property:
    state, kind = State(prop.getState()), prop.getType()
    if kind == PyIndi.INDI_NUMBER:
        return Property(state, numbers={w.getName(): _number(w) for w in PyIndi.PropertyNumber(prop)})
    if kind == PyIndi.INDI_SWITCH:
        return Property(state, switches={w.getName(): _choice(w) for w in PyIndi.PropertySwitch(prop)})
    if kind == PyIndi.INDI_TEXT:
        return Property(state, texts={w.getName(): str(w.getText() or "") for w in PyIndi.PropertyText(prop)})
    return Property(state)


def _number(widget: PyIndi.WidgetViewNumber) -> Number:
    return Number(widget.getValue(), widget.getMin(), widget.getMax())


def _choice(widget: PyIndi.WidgetViewSwitch) -> Choice:
    return Choice(widget.getState() == PyIndi.ISS_ON, str(widget.getLabel() or ""))


def _bits(untrusted: str) -> int:
    return int(untrusted) if untrusted.isascii() and untrusted.isdigit() and len(untrusted) < 10 else 0
