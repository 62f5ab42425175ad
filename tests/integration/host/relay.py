"""Passes a bus on: `relay.py BUS PATH` listens at PATH, and whoever calls there is on the bus as this process and its user.

Services look at who calls, and a test's own process is a stranger in its room: it has no number there. Runs with the system's
Python, for users who may not enter the project's folder.
"""

import asyncio
import os
import sys

AUTH = b"AUTH EXTERNAL "
"""Followed by the caller's number in hexadecimal letters; https://dbus.freedesktop.org/doc/dbus-specification.html#auth-protocol"""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b"") -> None:
    writer.write(first)
    try:
        while read := await reader.read(65536):
            writer.write(read)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(bus: str, path: str) -> None:
    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await reader.readuntil(b"\r\n")
        before, told, _ = greeting.partition(AUTH)
        own = str(os.getuid()).encode().hex().encode()
        bus_reader, bus_writer = await asyncio.open_unix_connection(bus)
        greeting = before + AUTH + own + b"\r\n" if told else greeting
        await asyncio.gather(pump(reader, bus_writer, greeting), pump(bus_reader, writer))

    os.umask(0)
    server = await asyncio.start_unix_server(called, path)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
