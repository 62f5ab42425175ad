"""Take out of a raw frame what the sensor added: dark current and hot pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Pixels

HOT_DEVIATIONS = 12.0
"""A pixel of the dark is hot when it stands so many deviations above the dark's median."""
HOT_FLOOR_ADU = 64.0
"""A deviation never counts less than this, so that a dark without noise does not make half its pixels hot."""
HOT_SHARE_MAX = 0.005
"""At most this share of all pixels is repaired, the hottest first."""


@dataclass(frozen=True, slots=True, eq=False)
class MasterDark:
    """A dark frame and the pixels that are too hot to be trusted after its subtraction."""

    pixels: Pixels
    hot_rows: npt.NDArray[np.intp]
    hot_columns: npt.NDArray[np.intp]
    duration_s: float | None = None
    """Exposure time, or None where it is not known: then it is never scaled."""


def master_dark(pixels: Pixels, duration_s: float | None = None) -> MasterDark:
    """Find the hot pixels of a dark frame."""
    sample = pixels[::7, ::5].ravel()
    median = float(np.median(sample))
    deviation = 1.4826 * float(np.median(np.abs(sample - median)))
    limit = median + HOT_DEVIATIONS * max(deviation, HOT_FLOOR_ADU / HOT_DEVIATIONS)
    rows, columns = np.nonzero(pixels > limit)
    most = int(pixels.size * HOT_SHARE_MAX)
    if rows.size > most:
        keep = np.argpartition(pixels[rows, columns], rows.size - most)[rows.size - most :]
        rows, columns = rows[keep], columns[keep]
    return MasterDark(pixels, rows, columns, duration_s)


def subtract_dark(light: Pixels, dark: Pixels, *, bias_adu: int, scale: float = 1.0, out: Pixels | None = None) -> Pixels:
    """Subtract a dark frame, scaled to the exposure time of the light frame.

    Parameters
    ----------
    light : (H, W) uint16
        Raw frame, in ADU.
    dark : (H, W) uint16
        Master dark of the same camera, gain and binning, in ADU, bias included.
    bias_adu : int
        Offset of both frames, in ADU; it does not grow with time, so it is not scaled.
    scale : float
        Exposure time of `light` over that of `dark`.
    out : (H, W) uint16, optional
        Where the result goes.

    Returns
    -------
    (H, W) uint16
        Light without dark current and bias, in ADU; what would be negative is 0.

    Raises
    ------
    ValueError
        If the shapes differ or `scale` is not positive.
    """
    if light.shape != dark.shape:
        raise ValueError(f"light is {light.shape} but dark is {dark.shape}")
    if not scale > 0:
        raise ValueError(f"scale must be positive, not {scale}")
    result = np.empty_like(light) if out is None else out
    if scale == 1.0:
        cv2.subtract(light, dark, dst=result)
    else:
        # light - bias - scale * (dark - bias), in one pass
        cv2.addWeighted(light, 1.0, dark, -scale, bias_adu * (scale - 1.0), dst=result)
    return result


def repair_hot(pixels: Pixels, dark: MasterDark, *, is_mosaic: bool) -> None:
    """Put the median of the four nearest pixels of the same colour in place of each hot one, in place."""
    if dark.hot_rows.size == 0:
        return
    height, width = pixels.shape
    step = 2 if is_mosaic else 1
    rows, columns = dark.hot_rows, dark.hot_columns
    inside = (rows < height) & (columns < width)
    rows, columns = rows[inside], columns[inside]
    neighbours = np.stack([
        pixels[np.abs(rows - step), columns],
        pixels[_mirrored(rows + step, height), columns],
        pixels[rows, np.abs(columns - step)],
        pixels[rows, _mirrored(columns + step, width)],
    ])  # fmt: skip
    pixels[rows, columns] = np.median(neighbours, axis=0).astype(np.uint16)


def _mirrored(index: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    """Reflect indices that lie beyond the last one; the colour of the mosaic stays the same."""
    return np.where(index < size, index, 2 * (size - 1) - index)
