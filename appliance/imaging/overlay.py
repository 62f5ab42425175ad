"""Draw text on a picture so that it can be read on a black night and on a white cloud."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Picture

_HEIGHT = 1 / 44
"""Size of the letters against the shorter side of the picture."""
_SIZE_MIN = 12
_WEIGHT = 500
_TEXT = 245.0
_SHADE = 0.72
"""How much of the picture the shadow around the letters takes away."""


def draw_label(picture: Picture, lines: Sequence[str], *, size: float = 1.0) -> None:
    """Draw lines in the top left corner, in place: near-white letters with a soft dark seam.

    OpenCV's own outline fonts are used: they know Latin, Greek, Cyrillic and Chinese letters and the degree sign, and
    need no file. Lines that are too long make all letters smaller.

    Parameters
    ----------
    size : float
        Factor on the height of the letters.
    """
    if not lines or min(picture.shape[:2]) < 4 * _SIZE_MIN:
        return
    height, width = picture.shape[:2]
    font = cv2.FontFace("sans")
    pixels = max(_SIZE_MIN, round(min(height, width) * _HEIGHT * size))
    margin = max(4, pixels // 2)
    widest = max(_width(line, font, pixels) for line in lines)
    if widest > width - 2 * margin:
        pixels = max(6, int(pixels * (width - 2 * margin) / widest))
        widest = max(_width(line, font, pixels) for line in lines)
    step = round(pixels * 1.35)
    seam = max(2, pixels // 8)
    box = (min(height, margin + step * len(lines) + margin), min(width, widest + 2 * margin))
    letters = np.zeros(box, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(
            letters, line, (margin, margin + pixels + number * step), (255,), font, pixels, _WEIGHT, cv2.PUT_TEXT_ALIGN_LEFT
        )
    _blend(picture[: box[0], : box[1]], letters, seam)


def _width(line: str, font: cv2.FontFace, pixels: int) -> int:
    return int(cv2.getTextSize((0, 0), line, (0, 0), font, pixels, _WEIGHT)[2])


def _blend(corner: Picture, letters: npt.NDArray[np.uint8], seam: int) -> None:
    """Darken the picture around the letters, then lay them on it."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * seam + 1, 2 * seam + 1))
    shadow = cv2.GaussianBlur(cv2.dilate(letters, kernel), (0, 0), seam / 2)
    kept = cv2.convertScaleAbs(shadow, alpha=-_SHADE, beta=255)
    kept = cv2.multiply(kept, cv2.bitwise_not(letters), scale=1 / 255)
    cv2.multiply(corner, cv2.merge([kept] * 3), dst=corner, scale=1 / 255)
    ink = cv2.convertScaleAbs(letters, alpha=_TEXT / 255)
    cv2.add(corner, cv2.merge([ink] * 3), dst=corner)
