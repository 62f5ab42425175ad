"""What U-Boot reads: its script in the form it takes, its environment, the two copies of the boot state, and FAT file systems."""

import binascii
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from imagebuild.room import run_in
from imagebuild.run import BuildError

IMAGE_MAGIC = 0x27051956
OS_LINUX, CPU_ARM64, TYPE_SCRIPT, NOT_PACKED = 5, 22, 6, 0
STATE_SIZE = 0x200
SECOND_COPY_AT = 4 << 20
NEW_STATE = {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"}
"""Of a new card: the second system is still empty and takes no part until an update has filled it."""
ENVIRONMENT_SIZE = 0x4000
"""Compiled into Debian's U-Boot for the Pi (CONFIG_ENV_SIZE): the sum of `uboot.env` is over so many bytes."""
OWN_START = {
    "bootcmd": "setenv devtype mmc; setenv devnum 0; load mmc 0:1 ${scriptaddr} boot.scr && source ${scriptaddr}; reset",
    "bootdelay": "-2",
    "stdin": "nulldev",
}
"""The card's own script and nothing else: no countdown, nothing that is typed is heard, what does not start is tried again."""
LEFT_OUT = ("preboot",)
"""It looks for USB devices. Where it has, U-Boot starts a program of a stick's before the card's own script."""
_NEEDED = frozenset(("bootcmd", "bootdelay", "stdin", "scriptaddr", *LEFT_OUT))
MIB = 1 << 20


def script_image(text: str, epoch: int) -> bytes:
    """Return a script with the head that U-Boot wants: its `image.h`, struct legacy_img_hdr."""
    script = text.encode("ascii")
    data = struct.pack(">II", len(script), 0) + script
    name = b"nightjar".ljust(32, b"\0")
    fields = (epoch, len(data), 0, 0, binascii.crc32(data), OS_LINUX, CPU_ARM64, TYPE_SCRIPT, NOT_PACKED, name)

    def head(crc: int) -> bytes:
        return struct.pack(">7I4B32s", IMAGE_MAGIC, crc, *fields)

    return head(binascii.crc32(head(0))) + data


def state(values: Mapping[str, str]) -> bytes:
    """Return one copy of the boot state, as `env import -c` reads it."""
    return _with_sum(values, STATE_SIZE)


def default_environment(u_boot: bytes) -> dict[str, str]:
    """Return the environment that a U-Boot takes where it finds none: a list of `name=value` within it, ended by an empty one.

    Raises
    ------
    BuildError
        If there is not exactly one, or it lacks what every U-Boot of ours has.
    """
    begin = u_boot.find(b"\0bootcmd=") + 1
    if begin == 0 or u_boot.find(b"\0bootcmd=", begin) >= 0:
        raise BuildError("U-Boot does not hold exactly one environment that begins with bootcmd")
    lines = u_boot[begin : u_boot.index(b"\0\0", begin)].split(b"\0")
    pairs = [line.decode("ascii").partition("=") for line in lines]
    found = {name: value for name, sign, value in pairs if sign}
    if len(found) < len(pairs) or not found.keys() >= _NEEDED:
        raise BuildError(f"U-Boot's own environment is not what it was: {', '.join(sorted(found))}")
    return found


def environment(u_boot: bytes) -> bytes:
    """Return the file `uboot.env` for a U-Boot: its own environment, but that it starts the card's system and hears nobody.

    Raises
    ------
    BuildError
        If this U-Boot reads no such file, or its own environment is not found in it.
    """
    if b"\0uboot.env\0" not in u_boot or b"\0nulldev\0" not in u_boot:
        raise BuildError("this U-Boot reads no uboot.env, or has no device that hears nothing")
    kept = {name: value for name, value in default_environment(u_boot).items() if name not in LEFT_OUT}
    return _with_sum(kept | OWN_START, ENVIRONMENT_SIZE)


def _with_sum(values: Mapping[str, str], size: int) -> bytes:
    """Return an environment in the form of U-Boot's: a sum, then text filled up with zeros."""
    text = b"".join(f"{name}={value}".encode("ascii") + b"\0" for name, value in values.items())
    if len(text) + 1 > size - 4:
        raise BuildError(f"an environment of {len(text)} bytes does not fit into {size}")
    body = text.ljust(size - 4, b"\0")
    return struct.pack("<I", binascii.crc32(body)) + body


def state_partition(values: Mapping[str, str], size: int) -> bytes:
    """Return the partition of the boot state with both copies."""
    data = bytearray(size)
    for begin in (0, SECOND_COPY_AT):
        data[begin : begin + STATE_SIZE] = state(values)
    return bytes(data)


def fat(folder: Path, image: Path, *, label: str, serial: int, size: int, tools: Path) -> None:
    """Make a FAT32 image of what lies in a folder; its files carry the dates that they have there.

    Parameters
    ----------
    folder : Path
    image : Path
        Is made, in a folder that holds nothing else.
    label : str
    serial : int
        Of the volume.
    size : int
        In bytes.
    tools : Path
    """
    with image.open("wb") as file:
        file.truncate(size)
    binds = {"/mnt": image.parent, "/media": folder}
    inside = f"/mnt/{image.name}"
    # -a aligned, -S and -s fixed: what mkfs would work out from a disk that is not there.
    run_in(
        tools,
        "mkfs.vfat",
        "-F",
        "32",
        "-S",
        "512",
        "-s",
        "1",
        "-n",
        label,
        "-i",
        f"{serial:08x}",
        "--invariant",
        inside,
        binds=binds,
    )
    paths = sorted(folder.rglob("*"))
    for path in paths:
        if path.is_dir():
            run_in(tools, "mmd", "-i", inside, f"::/{path.relative_to(folder)}", binds=binds, environment=_dates(path))
    for parent in sorted({path.parent for path in paths if path.is_file()}):
        names = [f"/media/{path.relative_to(folder)}" for path in paths if path.is_file() and path.parent == parent]
        target = f"::/{parent.relative_to(folder)}" if parent != folder else "::/"
        run_in(tools, "mcopy", "-m", "-i", inside, *names, target, binds=binds, environment=_dates(folder))


def _dates(path: Path) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(int(path.stat().st_mtime)), "MTOOLS_SKIP_CHECK": "1"}


def set_dates(folder: Path, epoch: int) -> None:
    """Give everything in a folder the same date."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (epoch, epoch), follow_symlinks=False)
