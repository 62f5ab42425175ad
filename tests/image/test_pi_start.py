"""Whoever plugs something into a Pi's USB sockets does not choose what it starts: its U-Boot on an emulated Pi 3."""

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import partition
from tests.image.test_pi import Pi
from tests.integration.guest.machine import wait_for

pytestmark = [pytest.mark.needs("qemu-system-aarch64", "mformat", "mmd", *partition.COMMANDS), pytest.mark.timeout(900)]

STICK_SIZE = 64 << 20
STARTS_S = 400.0
STRANGER = "A stranger's program runs."
CODE = (0xF9402020, 0xF9400408, 0x10000061, 0xD63F0100, 0x14000000)
"""ldr x0, [x1, #64]; ldr x8, [x0, #8]; adr x1, text; blr x8; b . (ConOut->OutputString of UEFI, and no end)"""


def program() -> bytes:
    """Return a program of UEFI's for arm64 that says one line: a head as PE32+ has it, and a page of code."""
    code = struct.pack("<5I", *CODE) + f"\r\n{STRANGER}\r\n\0".encode("utf-16-le")
    code = code.ljust(0x200, b"\0")
    head = b"MZ" + bytes(58) + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0xAA64, 1, 0, 0, 0, 0xF0, 0x0206)
    head += struct.pack("<HBBIIIII", 0x20B, 0, 0, len(code), 0, 0, 0x1000, 0x1000)
    head += struct.pack("<QII6HIIIIHH4QII", 0, 0x1000, 0x200, *[0] * 7, 0x2000, 0x200, 0, 10, *[0] * 6, 16) + bytes(16 * 8)
    head += struct.pack("<8sIIIIIIHHI", b".text", len(code), 0x1000, len(code), 0x200, 0, 0, 0, 0, 0x60000020)
    return head.ljust(0x200, b"\0") + code


@contextlib.contextmanager
def started(pi: Pi, stick: Path) -> Iterator[None]:
    """Start a Pi with a stick and a keyboard of which the space bar is pressed for as long as that."""
    monitor = pi.folder / "monitor"
    command = [
        "setpriv", "--pdeathsig", "KILL",
        "qemu-system-aarch64", "-no-user-config", "-display", "none", "-M", "raspi3b",
        "-kernel", str(pi.folder / "u-boot.bin"), "-dtb", str(pi.folder / "bcm2837-rpi-3-b.dtb"),
        "-drive", f"if=sd,format=qcow2,file={pi.card},cache=unsafe", "-device", "usb-kbd",
        "-drive", f"if=none,id=stick,format=raw,file={stick}", "-device", "usb-storage,drive=stick",
        "-serial", f"file:{pi.folder / 'first.txt'}", "-serial", f"file:{pi.folder / 'second.txt'}",
        "-monitor", f"unix:{monitor},server=on,wait=off",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/") as running:
        try:
            wait_for(monitor.is_socket, "QEMU to listen", 30, 0.1)
            yield
        finally:
            running.kill()


def press_space(pi: Pi) -> None:
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(pi.folder / "monitor"))
        monitor.sendall(b"sendkey spc\n")
        monitor.shutdown(socket.SHUT_WR)
        while monitor.recv(4096):
            pass


def test_neither_a_keyboard_nor_a_program_on_a_stick_comes_before_the_cards_own_script(image: Path, tmp_path: Path) -> None:
    pi, stick = Pi(image, tmp_path), tmp_path / "stick.img"
    with stick.open("wb") as file:
        file.truncate(STICK_SIZE)
    (tmp_path / "BOOTAA64.EFI").write_bytes(program())
    for words in (
        ["mformat", "-i", stick, "-T", str(STICK_SIZE // 512), "::"],
        ["mmd", "-i", stick, "::/EFI", "::/EFI/BOOT"],
        ["mcopy", "-i", stick, tmp_path / "BOOTAA64.EFI", "::/EFI/BOOT/"],
    ):
        subprocess.run(list(map(str, words)), check=True, timeout=60)

    def is_decided() -> bool:
        press_space(pi)
        told = pi.console()
        return any(words in told for words in ("nightjar: starting system A", STRANGER, "U-Boot> "))

    with started(pi, stick):
        wait_for(is_decided, "U-Boot to start something", STARTS_S, 0.3)
    told = pi.console()
    assert "nightjar: starting system A, attempts left: A 2, B 0" in told
    assert "Loading Environment from FAT... OK" in told
    assert not [words for words in ("Hit any key", "starting USB", "efi_mgr", STRANGER, "U-Boot> ") if words in told]
