"""A frame as FITS bytes, with the keywords that INDI's camera drivers write."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from appliance.domain.frame import BayerPattern, Exposure, FrameKind, Pixels

_BLOCK = 2880
_KIND = {
    FrameKind.LIGHT: "Light",
    FrameKind.DARK: "Dark",
    FrameKind.BIAS: "Bias",
    FrameKind.FLAT: "Flat",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a FITS header says beside the pixels."""

    exposure: Exposure
    offset_adu: int
    """The driver's bias level, in the converter's units."""
    started_at: datetime
    bayer: BayerPattern | None
    temperature_c: float
    instrument: str
    pixel_size_um: float
    latitude_deg: float
    longitude_deg: float


def encode(pixels: Pixels, header: Header) -> bytes:
    """Return a FITS file of one unsigned 16-bit image, stored with BZERO 32768 (FITS 4.0, section 4.4.2.5)."""
    cards = b"".join(_cards(pixels, header)) + b"END".ljust(80)
    head = cards + b" " * (-len(cards) % _BLOCK)
    # Taking 32768 away from an unsigned number is turning its top bit.
    data = np.empty(pixels.shape, ">u2")
    np.bitwise_xor(pixels, np.uint16(0x8000), out=data)
    return b"".join((head, data.data, b"\0" * (-data.nbytes % _BLOCK)))


def _cards(pixels: Pixels, header: Header) -> list[bytes]:
    height, width = pixels.shape
    kind = _KIND[header.exposure.kind]
    started = header.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    binning = header.exposure.binning
    cards = [
        _card("SIMPLE", True, "file does conform to FITS standard"),
        _card("BITPIX", 16, "number of bits per data pixel"),
        _card("NAXIS", 2, "number of data axes"),
        _card("NAXIS1", width, "length of data axis 1"),
        _card("NAXIS2", height, "length of data axis 2"),
        _card("BZERO", 32768, "offset data range to that of unsigned short"),
        _card("BSCALE", 1, "default scaling factor"),
        _card("ROWORDER", "TOP-DOWN", "Row Order"),
        _card("INSTRUME", header.instrument, "Camera Name"),
        _card("EXPTIME", header.exposure.duration_s, "Total Exposure Time (s)"),
        _card("CCD-TEMP", header.temperature_c, "CCD Temperature (Celsius)"),
        _card("PIXSIZE1", header.pixel_size_um, "Pixel Size 1 (microns)"),
        _card("PIXSIZE2", header.pixel_size_um, "Pixel Size 2 (microns)"),
        _card("XBINNING", binning, "Binning factor in width"),
        _card("YBINNING", binning, "Binning factor in height"),
        _card("FRAME", kind, "Frame Type"),
        _card("IMAGETYP", f"{kind} Frame", "Frame Type"),
        _card("GAIN", header.exposure.gain, "Gain (0.1 dB)"),
        _card("OFFSET", header.offset_adu, "Offset"),
        _card("SITELAT", header.latitude_deg, "Latitude of the imaging site in degrees"),
        _card("SITELONG", header.longitude_deg, "Longitude of the imaging site in degrees"),
    ]
    if header.bayer is not None:
        cards += [
            _card("XBAYROFF", 0, "X offset of Bayer array"),
            _card("YBAYROFF", 0, "Y offset of Bayer array"),
            _card("BAYERPAT", header.bayer.value, "Bayer color pattern"),
        ]
    return [*cards, _card("DATE-OBS", started, "UTC start date of observation")]


def _card(keyword: str, value: bool | float | str, comment: str) -> bytes:
    if isinstance(value, bool):
        field = f"{'T' if value else 'F':>20}"
    elif isinstance(value, int):
        field = f"{value:>20d}"
    elif isinstance(value, float):
        field = f"{value:>20.1f}" if value == int(value) else f"{value:>20.10G}"
    else:
        field = f"'{value.replace(chr(39), chr(39) * 2):<8}'".ljust(20)
    return f"{keyword:<8}= {field} / {comment}".encode("ascii")[:80].ljust(80)
