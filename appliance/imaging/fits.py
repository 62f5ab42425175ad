"""FITS bytes to a frame: a small decoder that trusts nothing; it reads what cameras send and refuses the rest with a reason.

It takes one plain image in the primary unit: 8 or 16 bit, one plane (mono or Bayer) or three (red, green, blue, of
which the green one is kept, since a raw frame holds one number a pixel). Whatever the bytes, it returns a frame or
raises `FitsError`, and it never allocates more than the pixels that really are in the bytes.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from appliance.domain.errors import FitsError
from appliance.domain.frame import BayerPattern, FrameKind, Pixels

CARD = 80
BLOCK = 2880
HEADER_BLOCKS_MAX = 36
"""About 1,300 cards; drivers write 30 to 60."""
SIDE_MIN, SIDE_MAX = 16, 16384
PIXELS_MAX = 64_000_000
"""64 megapixels: the largest sensors that are put under a fisheye, and 128 MB as an array."""

_INTEGER = re.compile(r"[+-]?\d{1,9}\Z")
_REAL = re.compile(r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})([EeDd][+-]?\d{1,3})?\Z")
_KEYWORD = re.compile(rb"[A-Z0-9_-]{1,8} *\Z")
_UNPRINTABLE = re.compile(rb"[^ -~]")
_STRUCTURE = frozenset(
    ("SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "BZERO", "BSCALE", "ROWORDER", "BAYERPAT", "XBAYROFF", "YBAYROFF")
)
"""Keywords that decide how the pixels are read: given twice with two values, nobody can know which one is meant."""
_WANTED = _STRUCTURE | {"EXPTIME", "GAIN", "CCD-TEMP", "DATE-OBS", "IMAGETYP", "FRAME", "INSTRUME", "XBINNING"}
_KINDS = {"light": FrameKind.LIGHT, "dark": FrameKind.DARK, "bias": FrameKind.BIAS, "flat": FrameKind.FLAT}


@dataclass(frozen=True, slots=True, eq=False)
class FitsFrame:
    """What a FITS file says, with the pixels the right way up."""

    pixels: Pixels
    """(H, W) uint16 ADU, native, contiguous, read-only; 8 bit is scaled by 257. Row 0 is the top."""
    bayer: BayerPattern | None
    kind: FrameKind
    exposure_s: float | None
    gain: float | None
    temperature_c: float | None
    started_at: datetime | None
    """Aware, UTC; None where the header has none that can be read."""
    binning: int
    instrument: str


def decode(untrusted: bytes | bytearray | memoryview) -> FitsFrame:
    """Decode one FITS image.

    Parameters
    ----------
    untrusted : bytes-like
        A whole file. What follows the image (padding, further units) is ignored.

    Returns
    -------
    FitsFrame
        The pixels are a copy; the bytes may be thrown away.

    Raises
    ------
    FitsError
        If the bytes are no such image; the message says why.
    """
    view = memoryview(untrusted).cast("B")
    header, data_offset = _read_header(view)
    shape, bits = _shape(header)
    stored = _stored(view, data_offset, shape, bits)
    is_bottom_up = _text(header, "ROWORDER").upper() == "BOTTOM-UP"
    bayer = _bayer(header, height=shape[-2], is_bottom_up=is_bottom_up) if len(shape) == 2 else None
    pixels = _to_adu(stored[::-1] if is_bottom_up else stored, header, bits)
    pixels.setflags(write=False)
    return FitsFrame(
        pixels=pixels,
        bayer=bayer,
        kind=_kind(header),
        exposure_s=_real(header, "EXPTIME", 0.0, 1e6),
        gain=_real(header, "GAIN", -1e6, 1e6),
        temperature_c=_temperature(header),
        started_at=_moment(_text(header, "DATE-OBS")),
        binning=_integer(header, "XBINNING", 1, 64, default=1),
        instrument=_text(header, "INSTRUME"),
    )


def _read_header(view: memoryview) -> tuple[dict[str, str], int]:
    """Return the wanted cards as keyword and raw value, and where the data begin."""
    if len(view) < BLOCK:
        raise FitsError(f"{len(view)} bytes are too few for a FITS header")
    head = bytes(view[: BLOCK * HEADER_BLOCKS_MAX])
    if not head.startswith(b"SIMPLE  ="):
        raise FitsError(f"no FITS file: it begins with {head[:8]!r}")
    header: dict[str, str] = {}
    for start in range(0, len(head) - CARD + 1, CARD):
        card = head[start : start + CARD]
        if card.rstrip() == b"END":
            return header, (start // BLOCK + 1) * BLOCK
        _take_card(header, card)
    raise FitsError(f"the header does not end within {len(head)} bytes")


def _take_card(header: dict[str, str], card: bytes) -> None:
    """Put a card into the header if it is wanted; of ordinary keywords given twice the last counts."""
    if card[8:10] != b"= " or not _KEYWORD.match(card[:8]):
        return
    keyword = card[:8].decode("ascii").rstrip()
    if keyword not in _WANTED:
        return
    value = _value(_UNPRINTABLE.sub(b"?", card[10:]).decode("ascii"))
    if keyword in _STRUCTURE and header.get(keyword, value) != value:
        raise FitsError(f"{keyword} is given twice, as {header[keyword]!r} and as {value!r}")
    header[keyword] = value


def _value(field: str) -> str:
    """Return a card's value without its quotes and its comment (FITS 4.0, section 4.2)."""
    text = field.strip()
    if not text.startswith("'"):
        return text.partition("/")[0].strip()
    body = re.match(r"'((?:[^']|'')*)'", text)
    if body is None:
        raise FitsError(f"a text in the header has no end: {text[:20]!r}")
    return body.group(1).replace("''", "'").rstrip()


def _text(header: Mapping[str, str], keyword: str) -> str:
    return header.get(keyword, "")


def _integer(header: Mapping[str, str], keyword: str, low: int, high: int, *, default: int | None = None) -> int:
    text = header.get(keyword)
    if text is None:
        if default is None:
            raise FitsError(f"{keyword} is missing")
        return default
    if not _INTEGER.match(text):
        raise FitsError(f"{keyword} is no whole number: {text[:20]!r}")
    if not low <= int(text) <= high:
        raise FitsError(f"{keyword} is {int(text)}, not {low} to {high}")
    return int(text)


def _number(text: str) -> float:
    """Return a FITS real number; whatever else a card may hold, `nan` and `inf` included, is not a number."""
    return float(text.upper().replace("D", "E")) if _REAL.match(text) else math.nan


def _real(header: Mapping[str, str], keyword: str, low: float, high: float) -> float | None:
    text = header.get(keyword)
    if text is None:
        return None
    number = _number(text)
    if not low <= number <= high:
        raise FitsError(f"{keyword} is {text[:20]!r}, not a number from {low:g} to {high:g}")
    return number


def _temperature(header: Mapping[str, str]) -> float | None:
    """Return the sensor's temperature, or None: a sensor whose thermometer fails still takes good frames."""
    number = _number(_text(header, "CCD-TEMP"))
    return number if -150 <= number <= 150 else None


def _moment(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text[:32])
    except ValueError:
        return None
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:
        return None


def _kind(header: Mapping[str, str]) -> FrameKind:
    """Return the kind of frame; INDI writes `Dark Frame` into IMAGETYP and `Dark` into FRAME."""
    words = (_text(header, "IMAGETYP") or _text(header, "FRAME")).lower().split()
    return _KINDS.get(words[0], FrameKind.LIGHT) if words else FrameKind.LIGHT


def _shape(header: Mapping[str, str]) -> tuple[tuple[int, ...], int]:
    """Return the array's shape, (H, W) or (3, H, W), and its bits a pixel."""
    if header.get("SIMPLE") != "T":
        raise FitsError("SIMPLE is not T")
    bits = _integer(header, "BITPIX", -64, 64)
    if bits not in (8, 16):
        raise FitsError(f"BITPIX is {bits}; frames of 8 or 16 bit are read")
    axes = _integer(header, "NAXIS", 0, 999)
    if axes not in (2, 3):
        raise FitsError(f"NAXIS is {axes}, not 2 or 3; a compressed or empty file?")
    width, height = (_integer(header, name, SIDE_MIN, SIDE_MAX) for name in ("NAXIS1", "NAXIS2"))
    if width * height > PIXELS_MAX:
        raise FitsError(f"{width} x {height} pixels are more than {PIXELS_MAX}")
    planes = _integer(header, "NAXIS3", 1, 3) if axes == 3 else 1
    if planes == 2:
        raise FitsError("two planes; a frame has one, or three: red, green, blue")
    return ((height, width) if planes == 1 else (planes, height, width)), bits


def _stored(view: memoryview, offset: int, shape: tuple[int, ...], bits: int) -> npt.NDArray[np.generic]:
    """Return a view (H, W) on the pixels as they are stored: the only plane, or the green one."""
    plane = shape[-2] * shape[-1]
    needed = offset + plane * (shape[0] if len(shape) == 3 else 1) * bits // 8
    if len(view) < needed:
        raise FitsError(f"truncated: {len(view)} bytes, but {' x '.join(map(str, shape))} pixels of {bits} bit need {needed}")
    first = plane if len(shape) == 3 else 0
    return np.frombuffer(view, np.dtype(">i2" if bits == 16 else "u1"), plane, offset + first * bits // 8).reshape(shape[-2:])


def _to_adu(stored: npt.NDArray[np.generic], header: Mapping[str, str], bits: int) -> Pixels:
    """Return the pixels as native uint16, in one pass and one copy."""
    zero, scale = _number(header.get("BZERO", "0")), _number(header.get("BSCALE", "1"))
    if scale != 1:
        raise FitsError(f"BSCALE is {header['BSCALE'][:20]!r}, not 1")
    pixels = np.empty(stored.shape, np.uint16)
    if bits == 8 and zero in (0, 128):  # indi-pylibcamera writes 128 above plain bytes (CameraControl.createRawFits, 2.x)
        np.multiply(stored.view("u1"), np.uint16(257), out=pixels)
    elif bits == 16 and zero == 32768:
        np.bitwise_xor(stored.view(">u2"), np.uint16(0x8000), out=pixels)
    elif bits == 16 and zero == 0:
        np.maximum(stored.view(">i2"), np.int16(0), out=pixels.view(np.int16))
    else:
        raise FitsError(f"BZERO is {header['BZERO'][:20]!r}; 0 and, with 16 bit, 32768 are read")
    return pixels


def _bayer(header: Mapping[str, str], *, height: int, is_bottom_up: bool) -> BayerPattern | None:
    """Return the pattern of the top-left 2 x 2.

    BAYERPAT names the first two rows as they are stored, moved by the parity of the offsets; turning over an even
    number of rows brings the second row of the pattern to the top.
    """
    text = _text(header, "BAYERPAT").upper()
    if not text:  # indilib/indi#1332: the DSI driver left it empty
        return None
    if text not in BayerPattern.__members__:
        raise FitsError(f"BAYERPAT is {text[:20]!r}, a pattern that is not known")
    right, down = (_integer(header, name, -SIDE_MAX, SIDE_MAX, default=0) for name in ("XBAYROFF", "YBAYROFF"))
    rows = [text[:2], text[2:]]
    if right % 2:
        rows = [row[::-1] for row in rows]
    if (down + (is_bottom_up and height % 2 == 0)) % 2:
        rows.reverse()
    return BayerPattern("".join(rows))
