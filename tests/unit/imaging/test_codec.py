"""JPEG there and back, hostile JPEG, thumbnails and comments."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.imaging import codec


def smooth(height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], axis=-1).astype(np.uint8)


def test_a_picture_comes_back_nearly_as_it_was() -> None:
    assert np.abs(codec.decode(codec.encode(smooth(), 90)).astype(int) - smooth()).mean() < 2


@pytest.mark.parametrize("untrusted", [b"", b"\xff\xd8", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_what_is_no_jpeg_is_refused(untrusted: bytes) -> None:
    with pytest.raises(InputError, match="not a JPEG"):
        codec.decode(untrusted)


def test_a_cut_jpeg_is_refused() -> None:
    jpeg = codec.encode(smooth(), 90)
    with pytest.raises(InputError):
        codec.decode(jpeg[: len(jpeg) // 2])


def test_a_jpeg_that_promises_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    jpeg = bytearray(codec.encode(smooth(), 90))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = (60000).to_bytes(2) * 2
    with pytest.raises(InputError, match="100 million"):
        codec.decode(bytes(jpeg))


@given(st.data())
def test_a_mutated_jpeg_is_read_or_refused(data: st.DataObject) -> None:
    jpeg = bytearray(codec.encode(smooth(24, 32), 90))
    for _ in range(data.draw(st.integers(1, 6))):
        jpeg[data.draw(st.integers(0, len(jpeg) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        codec.decode(bytes(jpeg))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3040, 4056), (360, 480)),
        ((1080, 1920), (270, 480)),
        ((2000, 1000), (480, 240)),
        ((100, 120), (100, 120)),
        ((4000, 7), (480, 1)),
    ],
)
def test_a_thumbnail_is_at_most_480_pixels_long(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert codec.thumbnail(np.zeros((*shape, 3), np.uint8)).shape[:2] == expected


def test_a_thumbnail_looks_like_its_picture() -> None:
    thumb = codec.thumbnail(smooth(1200, 1600)).astype(int)
    assert np.abs(thumb - smooth(360, 480)).max() <= 3


def test_linear_light_follows_srgb() -> None:
    picture = np.array([[[0, 10, 188], [255, 128, 1]]], np.uint8)
    light = codec.linear_from_display(picture)
    assert light.dtype == np.uint16
    assert light.ravel().tolist() == [0, 199, 32957, 65535, 14146, 20]


def test_a_comment_is_kept_and_disturbs_nobody() -> None:
    jpeg = codec.encode(smooth(), 90)
    marked = codec.with_comment(jpeg, '{"frames": 3}')
    assert codec.comment_of(marked) == '{"frames": 3}'
    assert np.array_equal(codec.decode(marked), codec.decode(jpeg))
    assert codec.comment_of(jpeg) is None


@pytest.mark.parametrize("untrusted", [b"", b"\xff\xd8\xff\xfe", b"\xff\xd8\xff\xfe\x00\x01a", b"\xff\xd8\xff\xfe\xff\xffa",
                                       b"\xff\xd8\xff\xfe\x00\x09ab", b"\xff\xd8\xff\xfe\x00\x03\xe9"])  # fmt: skip
def test_a_broken_comment_is_none(untrusted: bytes) -> None:
    assert codec.comment_of(untrusted) is None


@pytest.mark.parametrize(("jpeg", "comment"), [(b"PNG", "x"), (b"\xff\xd8", "x" * 5000)])
def test_a_comment_that_cannot_be_put_in_is_refused(jpeg: bytes, comment: str) -> None:
    with pytest.raises(ValueError, match="cannot put"):
        codec.with_comment(jpeg, comment)
