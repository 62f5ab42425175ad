"""Frames as FITS bytes, read back by astropy, which checks the standard."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits as standard

from appliance.domain.frame import BayerPattern, Exposure, FrameKind
from appliance.skysim.fits import Header, encode

HEADER = Header(
    Exposure(FrameKind.LIGHT, 2.5, 120.0), 64, datetime(2026, 1, 31, 22, 15, 30, 250_000, UTC), BayerPattern.GRBG,
    temperature_c=-7.5, instrument="Nightjar Sky", pixel_size_um=3.75, latitude_deg=-24.6, longitude_deg=-70.4,
)  # fmt: skip


def test_what_goes_in_comes_out() -> None:
    pixels = np.array([[0, 1, 32767], [32768, 65534, 65535]], np.uint16)
    data = encode(pixels, HEADER)
    assert len(data) % 2880 == 0
    with standard.open(io.BytesIO(data)) as files:
        files.verify("exception")
        assert np.array_equal(files[0].data, pixels)
        header = files[0].header
    wanted = {
        "BITPIX": 16, "ROWORDER": "TOP-DOWN", "INSTRUME": "Nightjar Sky", "EXPTIME": 2.5, "GAIN": 120.0, "OFFSET": 64,
        "CCD-TEMP": -7.5, "DATE-OBS": "2026-01-31T22:15:30.250", "FRAME": "Light", "IMAGETYP": "Light Frame",
        "BAYERPAT": "GRBG", "XBAYROFF": 0,
    }  # fmt: skip
    assert {keyword: header[keyword] for keyword in wanted} == wanted


@pytest.mark.parametrize("duration_s", [0.000032, 5e-5, 1.0, 3600.0, 1 / 3])
def test_short_and_long_exposures_are_written_as_numbers(duration_s: float) -> None:
    header = replace(HEADER, exposure=replace(HEADER.exposure, duration_s=duration_s))
    with standard.open(io.BytesIO(encode(np.zeros((2, 2), np.uint16), header))) as files:
        files.verify("exception")
        assert files[0].header["EXPTIME"] == pytest.approx(duration_s, rel=1e-9)


def test_a_frame_without_a_mosaic_names_no_pattern() -> None:
    data = encode(np.zeros((2, 2), np.uint16), replace(HEADER, bayer=None))
    assert b"BAYERPAT" not in data
    assert b"BAYROFF" not in data
