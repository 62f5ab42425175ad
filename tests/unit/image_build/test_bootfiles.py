"""What U-Boot reads, byte by byte as its sources describe it."""

import binascii
import re
import struct
from pathlib import Path

import pytest

from imagebuild.bootfiles import (
    ENVIRONMENT_SIZE,
    NEW_STATE,
    OWN_START,
    SECOND_COPY_AT,
    STATE_SIZE,
    default_environment,
    environment,
    script_image,
    state,
    state_partition,
)
from imagebuild.run import BuildError

BOOT_SCRIPT = Path(__file__).parents[3] / "firmware-config/boot.cmd"


def test_a_script_has_the_head_that_u_boot_checks() -> None:
    made = script_image("echo hello\n", 1700000000)
    magic, crc, when, size, load, entry, data_crc, system, processor, kind, packed, name = struct.unpack(">7I4B32s", made[:64])
    assert (magic, when, load, entry) == (0x27051956, 1700000000, 0, 0)
    assert (system, processor, kind, packed) == (5, 22, 6, 0), "Linux, arm64, script, not packed"
    assert crc == binascii.crc32(made[:4] + bytes(4) + made[8:64])
    assert (size, data_crc) == (len(made) - 64, binascii.crc32(made[64:]))
    assert struct.unpack(">II", made[64:72]) == (11, 0)
    assert made[72:] == b"echo hello\n"
    assert name.rstrip(b"\0") == b"nightjar"


def test_a_script_of_other_letters_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        script_image("echo ü\n", 0)


def test_the_state_is_what_env_import_takes() -> None:
    made = state({"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
    assert len(made) == STATE_SIZE
    assert made[:4] == binascii.crc32(made[4:]).to_bytes(4, "little")
    assert made[4:].startswith(b"BOOT_ORDER=A B\0BOOT_A_LEFT=3\0BOOT_B_LEFT=3\0\0")


def test_both_copies_lie_where_the_boot_script_looks() -> None:
    partition = state_partition(NEW_STATE, 8 << 20)
    assert partition[:STATE_SIZE] == partition[SECOND_COPY_AT : SECOND_COPY_AT + STATE_SIZE] == state(NEW_STATE)
    distance = re.search(r"^setexpr state_copy (\w+) \* (\w+)", BOOT_SCRIPT.read_text(), re.MULTILINE)
    assert distance is not None
    assert int(distance[1], 16) * int(distance[2], 16) * 512 == SECOND_COPY_AT
    assert set(re.findall(r"BOOT_\w+", BOOT_SCRIPT.read_text())) == set(NEW_STATE)


def test_the_boot_script_is_plain_ascii_and_never_ends_without_a_restart() -> None:
    text = BOOT_SCRIPT.read_text(encoding="ascii")
    assert text.rstrip().endswith("reset")


OWN = {
    "bootcmd": "bootflow scan", "bootdelay": "2", "preboot": "pci enum; usb start;", "empty": "", "stdin": "serial,usbkbd",
    "scriptaddr": "0x02400000",
}  # fmt: skip


def u_boot(values: dict[str, str], *, before: bytes = b"words\0", names: bytes = b"\0nulldev\0uboot.env\0") -> bytes:
    text = b"".join(f"{name}={value}".encode() + b"\0" for name, value in values.items())
    return b"\xd5" * 64 + before + text + b"\0" + b"other=text\0\0" + names + bytes(8)


def taken(file: bytes) -> dict[str, str]:
    """Read an environment as U-Boot's `env_import` does."""
    assert file[:4] == binascii.crc32(file[4:]).to_bytes(4, "little")
    text = file[4:].split(b"\0\0")[0].decode()
    return dict(line.split("=", 1) for line in text.split("\0"))


def test_the_environment_is_that_of_this_u_boot_but_that_it_starts_the_card_and_hears_nobody() -> None:
    made = environment(u_boot(OWN))
    assert len(made) == ENVIRONMENT_SIZE == 0x4000
    assert default_environment(u_boot(OWN)) == OWN
    assert taken(made) == {
        "bootcmd": "setenv devtype mmc; setenv devnum 0; load mmc 0:1 ${scriptaddr} boot.scr && source ${scriptaddr}; reset",
        "bootdelay": "-2",
        "stdin": "nulldev",
        "empty": "",
        "scriptaddr": "0x02400000",
    }
    variables = set(re.findall(r"\$\{(\w+)\}", BOOT_SCRIPT.read_text()))
    assert {"devtype", "devnum"} <= variables, "what it says in place of what U-Boot's own start would have said"


@pytest.mark.parametrize(
    "binary",
    [
        b"",
        u_boot({}),
        u_boot({name: value for name, value in OWN.items() if name != "stdin"}),
        u_boot({name: value for name, value in OWN.items() if name != "bootdelay"}),
        u_boot(OWN) + u_boot(OWN),
        u_boot(OWN, before=b"no end of a word before it"),
        u_boot(OWN, names=b"\0uboot.env\0"),
        u_boot(OWN, names=b"\0nulldev\0"),
        u_boot(OWN).replace(b"preboot=", b"preboot:"),
        u_boot(OWN | {"long": "x" * ENVIRONMENT_SIZE}),
    ],
)
def test_a_u_boot_of_another_build_stops_the_building(binary: bytes) -> None:
    with pytest.raises(BuildError):
        environment(binary)


def test_the_list_is_ended_by_an_empty_line_however_long_it_is() -> None:
    length = sum(len(f"{name}={value}") + 1 for name, value in (OWN | OWN_START).items() if name != "preboot")
    most = ENVIRONMENT_SIZE - 4 - 1 - length - len("a=\0")
    assert environment(u_boot(OWN | {"a": "x" * most})).endswith(b"x\0\0")
    with pytest.raises(BuildError, match="does not fit"):
        environment(u_boot(OWN | {"a": "x" * (most + 1)}))
