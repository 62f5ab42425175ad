"""How the driver hears and speaks to indiserver: standard input and output, without polling and without losing bytes.

indipydriver's own way does not fit here, for three reasons that were tried (decision record 0501): where indiserver is slow to
read, it loses parts of a frame without an error; it looks for input a hundred times a second; it goes on when indiserver is gone.
"""

import asyncio
import os
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from indipydriver import IPyDriver

_CHUNK = 1 << 16
_MESSAGE_MAX = 1 << 20
"""indiserver sends us numbers and words; a message this long is none of INDI's."""


class WiredDriver(IPyDriver):  # type: ignore[misc] # indipydriver has no types
    """An INDI driver that ends with its server."""

    def __init__(self, *devices: object) -> None:
        super().__init__(*devices)
        self._writer = ThreadPoolExecutor(1, "write")

    async def _run_tx(self, txdata: ET.Element) -> None:
        """Send one element; called by indipydriver for everything that goes out."""
        await self._write(ET.tostring(txdata) + b"\n")

    async def _write(self, data: bytes) -> None:
        """Write all of `data`, in the order of the calls, waiting in a thread where indiserver is slow."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, _write_all, data)
        except ConnectionError as error:
            raise ServerGoneError from error

    async def _run_rx(self) -> None:
        """Hand every message that comes in to indipydriver, until indiserver is gone."""
        loop = asyncio.get_running_loop()
        reader = asyncio.Queue[bytes]()
        source = sys.stdin.fileno()
        os.set_blocking(source, True)  # one socket with the output, which must wait rather than fail
        loop.add_reader(source, lambda: reader.put_nowait(_read_some(source)))
        parser = MessageParser()
        try:
            while data := await reader.get():
                for element in parser.feed(data):
                    await self._readdata(element)
        finally:
            loop.remove_reader(source)
        self.shutdown()
        # indipydriver's tasks would sleep on; nobody is left to speak to.
        raise ServerGoneError

    async def _monitorsnoop(self) -> None:
        """Do nothing: we listen to no other driver, so there is nothing to look after every second."""


class ServerGoneError(Exception):
    """Standard input has ended: indiserver stopped us or is gone."""


class MessageParser:
    """Cuts INDI's endless stream of elements, which has no root, into elements."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._parser: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
        self._parser.feed(b"<indi>")
        self._path: list[ET.Element] = []
        self._pending = 0

    def feed(self, data: bytes) -> list[ET.Element]:
        """Return the elements that `data` completes; what is not XML is dropped up to the end of `data`."""
        found: list[ET.Element] = []
        self._pending += len(data)
        try:
            self._parser.feed(data)
            for kind, element in cast("Iterator[tuple[str, ET.Element]]", self._parser.read_events()):
                if kind == "start":
                    self._path.append(element)
                    continue
                self._path.pop()
                if len(self._path) == 1:
                    self._path[0].clear()
                    self._pending = 0
                    found.append(element)
        except ET.ParseError:
            self._start()
        if self._pending > _MESSAGE_MAX:
            self._start()
        return found


def _read_some(source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except ConnectionError:
        return b""


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
