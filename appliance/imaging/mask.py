"""The circle of sky inside a frame: which pixels are measured, and black paint for the others."""

import math

import numpy as np
import numpy.typing as npt


def radius_px(shape: tuple[int, int], radius: float) -> float:
    """Return the radius in pixels of a circle given as a share of half the shorter side."""
    return radius * min(shape) / 2


def inside(
    shape: tuple[int, int], radius: float, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Tell for pixels (rows and columns broadcast against each other) whether they lie inside the centred circle."""
    height, width = shape
    y = rows - (height - 1) / 2
    x = columns - (width - 1) / 2
    return np.asarray(x * x + y * y <= radius_px(shape, radius) ** 2)


def covers_everything(shape: tuple[int, int], radius: float) -> bool:
    """Return whether no pixel lies outside the circle."""
    return radius_px(shape, radius) >= math.hypot(*shape) / 2


def blacken_outside(plane: npt.NDArray[np.uint8], radius: float) -> None:
    """Paint what lies outside the circle black, in place, on a plane (H, W) or a picture (H, W, 3).

    Works in bands of rows, so that no mask of the size of the frame is held.
    """
    height, width = plane.shape[:2]
    if covers_everything((height, width), radius):
        return
    r2 = radius_px((height, width), radius) ** 2
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    for row in range(height):
        half = r2 - (row - middle_y) ** 2
        if half < 0:
            plane[row] = 0
            continue
        reach = math.sqrt(half)
        first, last = math.ceil(middle_x - reach), math.floor(middle_x + reach)
        if first > 0:
            plane[row, :first] = 0
        if last < width - 1:
            plane[row, max(last, -1) + 1 :] = 0
