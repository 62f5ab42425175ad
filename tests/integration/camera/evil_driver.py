"""An INDI driver that lies: it answers each exposure with the next thing of EVIL_PLAN, given as words with commas between.

It is run by a real indiserver, so that what it sends goes the way that a real driver's bytes go.
"""

import base64
import os
import re
import sys

import numpy as np

DEVICE, WIDTH, HEIGHT = "Evil Camera", 64, 48
BLOCK = 2880


def card(keyword: str, value: str) -> bytes:
    return f"{keyword:<8}= {value:>20}".ljust(80).encode("ascii")


def fits(width: int = WIDTH, height: int = HEIGHT, *, bits: int = 16, more: tuple[tuple[str, str], ...] = ()) -> bytes:
    values = [("SIMPLE", "T"), ("BITPIX", str(bits)), ("NAXIS", "2"), ("NAXIS1", str(width)), ("NAXIS2", str(height))]
    values += [("BZERO", "32768"), ("BSCALE", "1"), *more]
    header = b"".join(card(k, v) for k, v in values) + b"END".ljust(80)
    pixels = np.full((height, width), 20000 - 32768, ">i2").tobytes()
    return header.ljust(-(-len(header) // BLOCK) * BLOCK) + pixels.ljust(-(-len(pixels) // BLOCK) * BLOCK, b"\0")


GOOD = fits()
LIES: dict[str, tuple[bytes, int | None, str]] = {
    "truncated": (GOOD[: len(GOOD) // 3], None, ".fits"),
    "header-only": (GOOD[:BLOCK], None, ".fits"),
    "oversized": (fits(4 * WIDTH, HEIGHT), None, ".fits"),
    "tiny": (fits(16, 16), None, ".fits"),
    "nan": (fits(more=(("EXPTIME", "NaN"),)), None, ".fits"),
    "nan-scale": (fits(more=(("BSCALE", "NaN"),)), None, ".fits"),
    "pattern": (fits(more=(("BAYERPAT", "'XYZW    '"),)), None, ".fits"),
    "float": (fits(bits=-32), None, ".fits"),
    "junk": (os.urandom(5000), None, ".fits"),
    "jpeg": (GOOD, None, ".jpg"),
    "lies-more": (GOOD, len(GOOD) + 5_000_000, ".fits"),
    "lies-less": (GOOD, len(GOOD) // 2, ".fits"),
    "compressed": (GOOD, None, ".fits.z"),
}
"""What is sent, the size that is claimed of it, and its format."""


def blob(word: str) -> str:
    """Return the element that the word names; a word that is no lie names a good frame."""
    data, size, kind = LIES.get(word, (GOOD, None, ".fits"))
    plain = base64.b64encode(data).decode("ascii")
    encoded = "\n".join(plain[i : i + 72] for i in range(0, len(plain), 72))  # as libindi writes it
    size = len(data) if size is None else size
    return f'<oneBLOB name="CCD1" size="{size}" format="{kind}" enclen="{len(plain)}">\n{encoded}\n</oneBLOB>'


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def number(name: str, values: dict[str, float], state: str = "Ok") -> None:
    ones = "".join(f'<oneNumber name="{k}">{v}</oneNumber>' for k, v in values.items())
    say(f'<setNumberVector device="{DEVICE}" name="{name}" state="{state}">{ones}</setNumberVector>')


def define() -> None:
    def numbers(name: str, permission: str, values: dict[str, tuple[float, float, float]]) -> None:
        ones = "".join(
            f'<defNumber name="{k}" label="{k}" format="%g" min="{a}" max="{b}" step="0">{v}</defNumber>'
            for k, (v, a, b) in values.items()
        )
        head = f'<defNumberVector device="{DEVICE}" name="{name}" state="Idle" perm="{permission}">'
        say(f"{head}{ones}</defNumberVector>")

    def switches(name: str, rule: str, values: dict[str, str]) -> None:
        ones = "".join(f'<defSwitch name="{k}" label="{k}">{v}</defSwitch>' for k, v in values.items())
        head = f'<defSwitchVector device="{DEVICE}" name="{name}" state="Idle" perm="rw" rule="{rule}">'
        say(f"{head}{ones}</defSwitchVector>")

    say(
        f'<defTextVector device="{DEVICE}" name="DRIVER_INFO" state="Idle" perm="ro"><defText name="DRIVER_EXEC">evil</defText>'
        '<defText name="DRIVER_INTERFACE">2</defText></defTextVector>'
    )
    switches("CONNECTION", "OneOfMany", {"CONNECT": "On", "DISCONNECT": "Off"})
    switches("CCD_ABORT_EXPOSURE", "AtMostOne", {"ABORT": "Off"})
    numbers("CCD_EXPOSURE", "rw", {"CCD_EXPOSURE_VALUE": (0, 0.001, 100)})
    numbers("CCD_INFO", "ro", {"CCD_MAX_X": (WIDTH, 1, 9999), "CCD_MAX_Y": (HEIGHT, 1, 9999)})
    numbers("CCD_FRAME", "rw", {"WIDTH": (WIDTH, 1, WIDTH), "HEIGHT": (HEIGHT, 1, HEIGHT)})
    head = f'<defBLOBVector device="{DEVICE}" name="CCD1" state="Idle" perm="ro">'
    say(f'{head}<defBLOB name="CCD1" label="Image"/></defBLOBVector>')


def main() -> None:
    plan = os.environ["EVIL_PLAN"].split(",")
    count = 0
    for line in sys.stdin:
        if "<getProperties" in line:
            define()
        elif re.search(r"<newNumberVector[^>]*CCD_EXPOSURE", line):
            word = plan[count % len(plan)]
            count += 1
            number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0.01}, "Busy")
            if word == "alert":
                number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0}, "Alert")
                continue
            if word == "noise":
                say(f'<message device="{DEVICE}" message="&lt;b&gt; \u00e9"/>')
            say(f'<setBLOBVector device="{DEVICE}" name="CCD1" state="Ok">{blob(word)}</setBLOBVector>')
            number("CCD_EXPOSURE", {"CCD_EXPOSURE_VALUE": 0})


if __name__ == "__main__":
    main()
