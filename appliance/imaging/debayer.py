"""From the 8-bit mosaic of a colour sensor to a picture, and the turning of a mosaic with its pattern."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import BayerPattern, Picture

Plane = npt.NDArray[np.uint8]
"""(H, W) mosaic or monochrome, already stretched to display values."""

_CODES = {
    BayerPattern.RGGB: cv2.COLOR_BayerRGGB2BGR,
    BayerPattern.BGGR: cv2.COLOR_BayerBGGR2BGR,
    BayerPattern.GRBG: cv2.COLOR_BayerGRBG2BGR,
    BayerPattern.GBRG: cv2.COLOR_BayerGBRG2BGR,
}


def debayer(plane: Plane, bayer: BayerPattern | None, out: Picture | None = None) -> Picture:
    """Make a picture of a mosaic, or of a monochrome plane where `bayer` is None.

    Bilinear: its mean of neighbours calms the noise of a night sky, which edge-aware ways turn into a maze.
    """
    code = cv2.COLOR_GRAY2BGR if bayer is None else _CODES[bayer]
    return cast(Picture, cv2.cvtColor(plane, code, dst=out))


def even(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the largest shape of whole 2 x 2 cells."""
    return shape[0] & ~1, shape[1] & ~1


def orient(
    plane: Plane, bayer: BayerPattern | None, *, flip_horizontal: bool, flip_vertical: bool, turn_deg: int
) -> tuple[Plane, BayerPattern | None]:
    """Mirror, then turn clockwise; return the plane and the pattern that its top-left 2 x 2 pixels have now.

    A plane of a third of the bytes of a picture is turned, before it is debayered.

    Raises
    ------
    ValueError
        If `turn_deg` is not 0, 90, 180 or 270.
    """
    if turn_deg not in (0, 90, 180, 270):
        raise ValueError(f"a picture is turned by 0, 90, 180 or 270 degrees, not {turn_deg}")
    if turn_deg == 180:  # the same as both mirrors, and one pass
        flip_horizontal, flip_vertical, turn_deg = not flip_horizontal, not flip_vertical, 0
    turned = plane
    if flip_horizontal or flip_vertical:
        turned = cast(Plane, cv2.flip(turned, -1 if flip_horizontal and flip_vertical else int(flip_horizontal)))
    if turn_deg:
        turned = cast(Plane, cv2.rotate(turned, cv2.ROTATE_90_CLOCKWISE if turn_deg == 90 else cv2.ROTATE_90_COUNTERCLOCKWISE))
    if bayer is None:
        return turned, None
    return turned, _turned_pattern(bayer, plane.shape, flip_horizontal, flip_vertical, turn_deg)


def _turned_pattern(
    bayer: BayerPattern, shape: tuple[int, ...], flip_horizontal: bool, flip_vertical: bool, turn_deg: int
) -> BayerPattern:
    """Turn a small mosaic whose sides are odd or even like the large one's and read its corner."""
    cell = np.array(list(bayer.value)).reshape(2, 2)
    small = np.tile(cell, (2, 2))[: 2 + shape[0] % 2, : 2 + shape[1] % 2]
    if flip_horizontal:
        small = small[:, ::-1]
    if flip_vertical:
        small = small[::-1]
    small = np.rot90(small, -turn_deg // 90)
    return BayerPattern("".join(small[:2, :2].ravel()))


def mosaic(picture: npt.NDArray[np.uint16], bayer: BayerPattern) -> npt.NDArray[np.uint16]:
    """Keep of each pixel of a picture (H, W, 3) only the colour that a sensor with this pattern would have seen."""
    height, width = even(picture.shape[:2])
    plane = np.empty((height, width), np.uint16)
    for place, colour in enumerate(bayer.value):
        row, column = divmod(place, 2)
        plane[row::2, column::2] = picture[row:height:2, column:width:2, "BGR".index(colour)]
    return plane
