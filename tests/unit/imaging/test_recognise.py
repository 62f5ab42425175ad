"""Bytes from others are a picture or a film because of what is in them, or they are nothing."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.imaging.codec import THUMB_LONGEST
from appliance.imaging.recognise import Seen, recognise_jpeg, recognise_mp4, thumb_of_jpeg

PIXELS = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
JPEG: bytes = simplejpeg.encode_jpeg(PIXELS, quality=80, colorspace="BGR")


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def mp4(*, width: int = 640, height: int = 480, brand: bytes = b"isom") -> bytes:
    header = bytes(76) + struct.pack(">II", width << 16, height << 16)
    movie = box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", box(b"tkhd", header)))
    return box(b"ftyp", brand + bytes(4) + brand) + movie + box(b"mdat", b"x" * 50)


def look(data: bytes) -> Seen:
    return recognise_mp4(lambda at, size: data[at : at + size], len(data))


def test_a_jpeg_is_recognised_and_its_thumbnail_is_made_anew() -> None:
    assert recognise_jpeg(JPEG) == Seen(320, 240)
    secret = JPEG[:2] + b"\xff\xfe\x00\x12somebody's words" + JPEG[2:] + b"<script>"
    thumb = thumb_of_jpeg(secret)
    assert b"words" not in thumb
    assert b"script" not in thumb
    height, width, _, _ = simplejpeg.decode_jpeg_header(thumb)
    assert (width, height) == (320, 240)
    large = simplejpeg.encode_jpeg(np.zeros((1500, 2000, 3), np.uint8), quality=80, colorspace="BGR")
    height, width, _, _ = simplejpeg.decode_jpeg_header(thumb_of_jpeg(large))
    assert (width, height) == (THUMB_LONGEST, 360)


def progressive() -> bytes:
    _, made = cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    data: bytes = np.asarray(made, np.uint8).tobytes()
    return data


def resized(width: int, height: int) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 5,
        b"\xff\xd8\xff\xd9" * 100,
        progressive(),
        resized(60_000, 60_000),
        resized(8, 8),
        resized(20_000, 20_000),
        mp4(),
    ],
)
def test_what_is_no_jpeg_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        recognise_jpeg(data)


def test_a_jpeg_that_ends_too_soon_is_refused() -> None:
    assert recognise_jpeg(JPEG[: len(JPEG) // 2]) == Seen(320, 240)
    with pytest.raises(InputError):
        thumb_of_jpeg(JPEG[: len(JPEG) // 2])


@given(st.binary(max_size=400), st.integers(0, len(JPEG)))
def test_no_bytes_are_anything_but_a_size_or_refused(data: bytes, at: int) -> None:
    for made in (data, b"\xff\xd8" + data, JPEG[:at] + data):
        try:
            seen = recognise_jpeg(made)
        except InputError:
            continue
        assert 16 <= seen.width <= 20_000


def test_a_film_of_a_real_encoder_is_recognised(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 12, (320, 240))
    for _ in range(3):
        writer.write(PIXELS)
    writer.release()
    assert look((tmp_path / "a.mp4").read_bytes()) == Seen(320, 240)
    assert look(mp4()) == Seen(640, 480)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        JPEG,
        mp4(brand=b"evil"),
        mp4(width=0),
        mp4(width=30_000),
        mp4()[:-1],
        mp4() + b"x",
        box(b"ftyp", b"isom" + bytes(4)) + box(b"mdat", b"x"),
        box(b"ftyp", b"isom" + bytes(4)) + box(b"free", b"") * 1001,
        mp4().replace(b"mdat", b"free"),
        b"<html>" + mp4(),
        struct.pack(">I4sQ", 1, b"ftyp", 2**63) + mp4(),
    ],
)
def test_what_is_no_film_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        look(data)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 200))
def test_a_damaged_film_is_a_size_or_refused(data: bytes, at: int, cut: int) -> None:
    whole = mp4()
    try:
        seen = look(whole[:at] + data + whole[at + cut :])
    except InputError:
        return
    assert 16 <= seen.height <= 20_000
