"""Pictures to JPEG and back, thumbnails, and a line of text inside a JPEG."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from appliance.domain.errors import InputError
from appliance.domain.frame import Picture

PIXELS_MAX = 100_000_000
"""A JPEG that promises more pixels than this is refused before any of it is decoded."""
THUMB_LONGEST = 480
_COMMENT_MAX = 4096


def encode(picture: Picture, quality: int) -> bytes:
    """Return a JPEG with colour at half resolution, as eyes see it."""
    return cast(bytes, simplejpeg.encode_jpeg(picture, quality=quality, colorspace="BGR", colorsubsampling="420"))


def decode(untrusted: bytes) -> Picture:
    """Return the picture in a JPEG.

    Raises
    ------
    InputError
        If the bytes are no JPEG, a broken one, or one of more than 100 million pixels.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(untrusted)
        if height * width > PIXELS_MAX:
            raise InputError(f"the picture has {width} x {height} pixels; at most {PIXELS_MAX // 1_000_000} million are read")
        return cast(Picture, simplejpeg.decode_jpeg(untrusted, colorspace="BGR"))
    except ValueError as error:
        raise InputError("this is not a JPEG that can be read") from error


def linear_from_display(picture: Picture) -> npt.NDArray[np.uint16]:
    """Return a picture's linear light on the 16-bit scale: what a sensor would have read out (sRGB, IEC 61966-2-1)."""
    display = np.arange(256) / 255
    light = np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)
    return cast(npt.NDArray[np.uint16], cv2.LUT(picture, np.rint(light * 65535).astype(np.uint16)))


def thumbnail(picture: Picture, longest: int = THUMB_LONGEST) -> Picture:
    """Return a small picture, at most `longest` pixels on its longer side.

    First every n-th pixel, down to about twice the size, then the mean of areas: a sixth of the work of areas alone,
    and at this size nobody sees the difference.
    """
    height, width = picture.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return picture
    stride = max(1, int(0.5 / factor))
    coarse = cv2.resize(picture[::stride], (-(-width // stride), -(-height // stride)), interpolation=cv2.INTER_NEAREST)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cast(Picture, cv2.resize(coarse, size, interpolation=cv2.INTER_AREA))


def with_comment(jpeg: bytes, comment: str) -> bytes:
    """Return the JPEG with a comment (ASCII) behind its first marker."""
    text = comment.encode("ascii")
    if not jpeg.startswith(b"\xff\xd8") or len(text) > _COMMENT_MAX:
        raise ValueError(f"cannot put {len(text)} bytes of comment into a file that starts with {jpeg[:2]!r}")
    return b"\xff\xd8\xff\xfe" + (len(text) + 2).to_bytes(2) + text + jpeg[2:]


def comment_of(untrusted: bytes) -> str | None:
    """Return the comment that `with_comment` put in, or None where there is none."""
    if not untrusted.startswith(b"\xff\xd8\xff\xfe"):
        return None
    length = int.from_bytes(untrusted[4:6]) - 2
    text = untrusted[6 : 6 + length]
    if not 0 <= length <= _COMMENT_MAX or len(text) != length or not text.isascii():
        return None
    return text.decode("ascii")
