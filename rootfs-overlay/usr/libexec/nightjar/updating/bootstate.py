"""Which system starts next: the state that U-Boot's script counts in, and what RAUC asks and changes of it.

It lies twice in the partition of that name, on the disk that the running system came from, in the form that U-Boot's
`env import -c` reads; `firmware-config/boot.cmd` counts its attempts down. Every change may be repeated: what is so already is
not written again, and a power cut between the two copies leaves one whole.
"""

# ruff: noqa: T201 - the answer is what is printed

import binascii
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from updating.flavour import COMMAND_LINE

DEVICE = Path("/dev/nightjar/bootstate")
SYSTEMS = ("A", "B")
ATTEMPTS = 3
SIZE = 512
COPIES = (0, 4 << 20)
"""Bytes; the second is written first, as the boot script does."""
LEFT = re.compile(r"[0-9]{1,2}\Z")


class Refusal(Exception):  # noqa: N818 - it is no error of ours
    """What was asked for makes no sense; says why in one line."""


def packed(state: Mapping[str, str]) -> bytes:
    """Return one copy: a sum, and names with values, each ended by a zero byte."""
    text = b"".join(f"{name}={value}".encode("ascii") + b"\0" for name, value in state.items())
    body = text.ljust(SIZE - 4, b"\0")
    return binascii.crc32(body).to_bytes(4, "little") + body


def unpacked(copy: bytes) -> dict[str, str] | None:
    """Return what a copy says, or None where it is damaged or of another form."""
    body = copy[4:]
    if len(copy) != SIZE or int.from_bytes(copy[:4], "little") != binascii.crc32(body):
        return None
    said = body.split(b"\0\0")[0].decode("ascii", "replace").rstrip("\0").split("\0")
    state = dict(line.partition("=")[::2] for line in said)
    order = state.get("BOOT_ORDER", "").split()
    is_order = bool(order) and set(order) <= set(SYSTEMS) and len(set(order)) == len(order)
    is_count = all(LEFT.match(state.get(f"BOOT_{name}_LEFT", "")) for name in SYSTEMS)
    return state if is_order and is_count else None


def alone(name: str) -> dict[str, str]:
    """Return the state in which one system is all there is."""
    return {"BOOT_ORDER": name, **{f"BOOT_{one}_LEFT": str(ATTEMPTS if one == name else 0) for one in SYSTEMS}}


def read(device: Path, running: str) -> dict[str, str]:
    """Return the state: of the first whole copy; without one, only the system that runs is known to be any good."""
    with device.open("rb") as file:
        for begin in COPIES:
            file.seek(begin)
            state = unpacked(file.read(SIZE))
            if state is not None:
                return state
    return alone(running)


def write(device: Path, state: Mapping[str, str]) -> None:
    """Write both copies, one after the other, as far as they say something else."""
    copy = packed(state)
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        for begin in reversed(COPIES):
            if os.pread(descriptor, SIZE, begin) != copy:
                os.pwrite(descriptor, copy, begin)
                os.fsync(descriptor)
    finally:
        os.close(descriptor)


def order_of(state: Mapping[str, str]) -> list[str]:
    """Return which systems take part, the first one first."""
    return state["BOOT_ORDER"].split()


def attempts_of(state: Mapping[str, str], name: str) -> int:
    """Return how many starts a system has left."""
    return int(state[f"BOOT_{name}_LEFT"])


def primary(state: Mapping[str, str]) -> str:
    """Return the system that the boot script takes; the first one, where none has an attempt left: all then get theirs back."""
    order = order_of(state)
    return next((name for name in order if attempts_of(state, name)), order[0])


def with_primary(state: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the state in which a system comes first, with all its attempts; the other one stays what it was."""
    others = [one for one in order_of(state) if one != name]
    return {**state, "BOOT_ORDER": " ".join((name, *others)), f"BOOT_{name}_LEFT": str(ATTEMPTS)}


def is_good(state: Mapping[str, str], name: str) -> bool:
    """Say whether a system takes part and has an attempt left."""
    return name in order_of(state) and attempts_of(state, name) > 0


def with_state(state: Mapping[str, str], name: str, *, good: bool) -> dict[str, str]:
    """Return the state in which a system is good, with all its attempts, or takes no part.

    Raises
    ------
    Refusal
        If no system would be left.
    """
    order = order_of(state)
    if good:
        joined = order if name in order else [*order, name]
        return {**state, "BOOT_ORDER": " ".join(joined), f"BOOT_{name}_LEFT": str(ATTEMPTS)}
    left = [one for one in order if one != name]
    if not left:
        raise Refusal(f"system {name} is the only one: it stays")
    return {**state, "BOOT_ORDER": " ".join(left), f"BOOT_{name}_LEFT": "0"}


def current(command_line: str) -> str:
    """Return the system that runs, as the boot script told the kernel, or the initrd wrote it down."""
    found = re.search(r"(?:\A|\s)rauc\.slot=([AB])(?:\s|\Z)", command_line)
    if found is None:
        raise Refusal("the kernel's command line does not say which system runs")
    return found[1]


def answer(arguments: Sequence[str], device: Path, command_line: Path) -> str:
    """Do what RAUC asks for; return what it is told.

    Raises
    ------
    Refusal
        If that makes no sense; nothing has changed then.
    OSError
        If the state cannot be read or written.
    """
    running = current(command_line.read_text(encoding="ascii", errors="replace"))
    match arguments:
        case ["get-current"]:
            return running
        case ["get-primary"]:
            return primary(read(device, running))
        case ["set-primary", ("A" | "B") as name]:
            write(device, with_primary(read(device, running), name))
        case ["get-state", ("A" | "B") as name]:
            return "good" if is_good(read(device, running), name) else "bad"
        case ["set-state", ("A" | "B") as name, ("good" | "bad") as word]:
            write(device, with_state(read(device, running), name, good=word == "good"))
        case _:
            raise Refusal(f"is not asked like this: {' '.join(arguments)!r}")
    return ""


def main(arguments: Sequence[str], device: Path = DEVICE, command_line: Path = COMMAND_LINE) -> int:
    """Answer RAUC; the exit code is 2 for what is refused and 1 for what failed."""
    try:
        told = answer(arguments, device, command_line)
    except Refusal as refusal:
        print(f"nightjar-boot-state: {refusal}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"nightjar-boot-state: {device}: {error.strerror}", file=sys.stderr)
        return 1
    if told:
        print(told)
    return 0
