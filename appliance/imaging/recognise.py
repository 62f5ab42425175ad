"""What bytes from others are, told by what is in them: a JPEG that can be decoded, an MP4 with a picture in it, or nothing.

Names, endings and types that came with them are not asked. Sizes are read from headers before anything is decoded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import simplejpeg

from appliance.domain.errors import InputError
from appliance.domain.frame import Picture
from appliance.imaging.codec import THUMB_LONGEST, encode, thumbnail

LONGEST_SIDE = 20_000
PIXELS_MAX = 100_000_000
SHORTEST_SIDE = 16
_THUMB_QUALITY = 80
_MOST_BOXES = 1000
_MOST_MARKERS = 1000
_SEQUENTIAL, _SCAN = (0xC0, 0xC1), 0xDA
_OTHER_FRAMES = (0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash")
_SHORTEST_TRACK_HEADER, _LONGEST_TRACK_HEADER = 84, 96

ReadAt = Callable[[int, int], bytes]
"""Returns bytes of a file: from an offset, at most so many."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was recognised."""

    width: int
    height: int


def recognise_jpeg(untrusted: bytes | memoryview) -> Seen:
    """Return the size of a JPEG of which the header can be decoded.

    Raises
    ------
    InputError
        If it is none, too large, or sent in several passes: such a file of a few kilobytes can ask for a gigabyte.
    """
    if not _is_in_one_pass(untrusted):
        raise InputError("This is not a JPEG in one pass: progressive ones are not taken.")
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(untrusted)
    except ValueError as error:
        raise InputError("This is not a JPEG that can be read.") from error
    return _bounded(width, height)


def _is_in_one_pass(data: bytes | memoryview) -> bool:
    """Walk over the markers to the first scan: it must hold every colour of a sequential frame (ITU-T T.81, B.2)."""
    at, colours = 2, 0
    if bytes(data[:2]) != b"\xff\xd8":
        return False
    for _ in range(_MOST_MARKERS):
        head = bytes(data[at : at + 10])
        if len(head) < 10 or head[0] != 0xFF:
            return False
        if head[1] == 0xFF:  # a byte of filling
            at += 1
        elif head[1] in _SEQUENTIAL and not colours:
            colours = head[9]
            at += 2 + int.from_bytes(head[2:4])
        elif head[1] == _SCAN:
            return 0 < colours == head[4]
        elif head[1] in _OTHER_FRAMES or head[1] in _SEQUENTIAL:
            return False
        else:
            at += 2 + int.from_bytes(head[2:4])
    return False


def thumb_of_jpeg(untrusted: bytes | memoryview) -> bytes:
    """Return the thumbnail of a JPEG as a JPEG: made anew here, so nothing of the sender's file is in it but its picture.

    Raises
    ------
    InputError
        If it cannot be decoded, or is too large.
    """
    recognise_jpeg(untrusted)
    try:
        # The decoder leaves out what a small picture does not need: a 12-megapixel JPEG costs a few MB then, not 36.
        small = simplejpeg.decode_jpeg(
            untrusted, colorspace="BGR", min_height=THUMB_LONGEST, min_width=THUMB_LONGEST, min_factor=1
        )
    except ValueError as error:
        raise InputError("This is not a JPEG that can be read.") from error
    return encode(thumbnail(cast(Picture, small)), _THUMB_QUALITY)


def recognise_mp4(read_at: ReadAt, size: int) -> Seen:
    """Return the size of the picture in an MP4 (ISO/IEC 14496-12).

    Its boxes must follow each other exactly to the end of the file, the first of them `ftyp` with a known brand, and a
    `moov` among them must have a track with a picture.

    Raises
    ------
    InputError
        If it is none.
    """
    boxes = list(_boxes(read_at, 0, size))
    if not boxes or boxes[0].kind != b"ftyp" or not _has_brand(read_at(boxes[0].begin, min(64, boxes[0].end - boxes[0].begin))):
        raise InputError("This is not an MP4 that can be shown.")
    if b"mdat" not in {box.kind for box in boxes}:
        raise InputError("This MP4 holds no film.")
    for header in _track_headers(read_at, boxes):
        width, height = _track_size(read_at(header.begin, min(header.end - header.begin, _LONGEST_TRACK_HEADER)))
        if width and height:
            return _bounded(width, height)
    raise InputError("This MP4 holds no picture.")


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    begin: int
    """Of its content."""
    end: int


def _boxes(read_at: ReadAt, begin: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets, which they must fill exactly."""
    for _ in range(_MOST_BOXES):
        if begin == end:
            return
        head = read_at(begin, 16)
        size, kind, content = int.from_bytes(head[:4]), head[4:8], begin + 8
        if size == 1:
            size, content = int.from_bytes(head[8:16]), begin + 16
        elif size == 0:
            size = end - begin
        if len(head) < 8 or content > begin + size or begin + size > end:
            raise InputError("This is not an MP4 that can be shown.")
        yield _Box(kind, content, begin + size)
        begin += size
    raise InputError("This MP4 has too many parts.")


def _track_headers(read_at: ReadAt, boxes: list[_Box]) -> Iterator[_Box]:
    for movie in (box for box in boxes if box.kind == b"moov"):
        for track in (box for box in _boxes(read_at, movie.begin, movie.end) if box.kind == b"trak"):
            yield from (box for box in _boxes(read_at, track.begin, track.end) if box.kind == b"tkhd")


def _has_brand(content: bytes) -> bool:
    brands = [content[:4], *(content[i : i + 4] for i in range(8, len(content), 4))]
    return any(brand in _BRANDS for brand in brands)


def _track_size(header: bytes) -> tuple[int, int]:
    """Return width and height of a track header: the last eight bytes, each a number with 16 bits behind the point."""
    if len(header) < _SHORTEST_TRACK_HEADER:
        return 0, 0
    return int.from_bytes(header[-8:-6]), int.from_bytes(header[-4:-2])


def _bounded(width: int, height: int) -> Seen:
    is_good = SHORTEST_SIDE <= width <= LONGEST_SIDE and SHORTEST_SIDE <= height <= LONGEST_SIDE
    if not is_good or width * height > PIXELS_MAX:
        raise InputError(f"The picture has {width} × {height} pixels, which is not shown here.")
    return Seen(width, height)
