"""From linear ADU to display values: white balance, black point and midtones in one exact table per colour.

The tables have an entry for each of the 65,536 raw values, so that a pixel is looked up once, on the mosaic, before
debayering: a third of the bytes of a picture, and no rounding in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from appliance.domain.frame import BayerPattern, Pixels
from appliance.imaging.debayer import Plane
from appliance.imaging.measure import Levels

FULL = 65535.0
Table = npt.NDArray[np.uint8]
"""(65536,) display value of each raw value."""

GAIN_LIMIT = 4.0
"""Automatic white balance multiplies a colour by this at most."""
DAY_BRIGHTNESS = (0.08, 0.20)
"""Median of the sky as a share of full scale: a short exposure below the first is night, above the second day."""
DAY_DURATION_S = (0.05, 1.0)
"""Exposure time: below the first a bright frame is day, above the second night."""
BRIGHT_ANYWAY = (0.25, 0.45)
"""Median from which on also a long exposure is bright enough as it is: city fog, or a camera that cannot go shorter."""
DAY_TARGET_MAX = 0.55
BLACK_MAX = 0.92
"""Black lies at most so near to the sky's median: an even cloud must not become a picture of noise."""
_MIDTONES_MIN = 1e-4
"""Never stretch more than this: a frame with a cap on the lens stays dark."""


class Look(Protocol):
    """The settings that the look of a picture depends on."""

    @property
    def black_sigma(self) -> float: ...  # noqa: D102 - said in settings/schema.py, as are the others
    @property
    def target_background(self) -> float: ...  # noqa: D102
    @property
    def stretch(self) -> bool: ...  # noqa: D102
    @property
    def red_gain(self) -> float: ...  # noqa: D102
    @property
    def blue_gain(self) -> float: ...  # noqa: D102
    @property
    def auto_white_balance(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Curve:
    """How linear light becomes display values; all on the scale 0 to 1."""

    gains: tuple[float, ...]
    """Factor of red, green, blue; one for a monochrome sensor. None is below 1: what is white stays white."""
    black: float
    """Light, after its gain, that becomes black."""
    midtones: float
    """Midtones balance: 0.5 changes nothing, less brightens."""
    bias_adu: float = 0.0


def midtones_transfer(midtones: float, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Apply the midtones transfer function that PixInsight defines, to values 0 to 1.

    It is the rational curve through (0, 0), (midtones, 1/2) and (1, 1):
    ((m - 1) x) / ((2 m - 1) x - m). https://pixinsight.com/doc/docs/XISF-1.0-spec/XISF-1.0-spec.html#__XISF_Data_Objects_:_XISF_Image_:_Display_Function__
    """
    if not 0 < midtones < 1:
        raise ValueError(f"midtones lie between 0 and 1, not at {midtones}")
    return (midtones - 1) * values / ((2 * midtones - 1) * values - midtones)


def curve_for(levels: Sequence[Levels], look: Look, *, bias_adu: float, duration_s: float) -> Curve:
    """Choose the curve that shows a frame with these levels and this exposure time well.

    At night the median of the sky goes to `look.target_background`, and black lies `look.black_sigma` deviations
    below it. A frame that is bright already is day: it keeps its blacks and gets the brightness that a display needs
    for its linear light, and never less than that light, lest the least difference in what is over-exposed become a
    colour. In between, one passes into the other.
    """
    main = levels[1] if len(levels) == 3 else levels[0]
    day = day_share(max(0.0, main.median - bias_adu) / FULL, duration_s)
    gains = _gains(levels, look, bias_adu, day)
    if not look.stretch:
        return Curve(gains, 0.0, 0.5, bias_adu)
    main_gain = gains[1] if len(gains) == 3 else gains[0]
    median = max(0.0, (main.median - bias_adu) * main_gain / FULL)
    deviation = max(main.deviation, 1.0) * main_gain / FULL
    black = (1 - day) * max(0.0, min(BLACK_MAX * median, median - look.black_sigma * deviation))
    position = min(0.999, max(0.0, median - black) / (1 - black))
    by_day = max(position, min(DAY_TARGET_MAX, max(look.target_background, _display(median))))
    target = (1 - day) * look.target_background + day * by_day
    midtones = float(midtones_transfer(target, np.array(position)))
    return Curve(gains, black, min(1 - _MIDTONES_MIN, max(_MIDTONES_MIN, midtones)), bias_adu)


def tables(curve: Curve) -> tuple[Table, ...]:
    """Return the table of each colour, in the order of the curve's gains; a saturated pixel is without colour."""
    linear = (np.arange(65536, dtype=np.float64) - curve.bias_adu) / FULL
    result: dict[float, Table] = {}
    for gain in curve.gains:
        if gain not in result:
            balanced = np.minimum(linear * gain, linear[-1])  # more than the full sensor's light no colour shows
            light = np.clip((balanced - curve.black) / (1 - curve.black), 0.0, 1.0)
            result[gain] = np.rint(midtones_transfer(curve.midtones, light) * 255).astype(np.uint8)
    return tuple(result[gain] for gain in curve.gains)


def apply(pixels: Pixels, bayer: BayerPattern | None, chosen: Sequence[Table], out: Plane) -> Plane:
    """Look every pixel of a mosaic (H, W) up in the table of its colour; H and W are even where there is a pattern."""
    if bayer is None or all(table is chosen[0] for table in chosen):
        cv2.LUT(pixels, chosen[0], dst=out)
        return out
    height, width = pixels.shape
    # Two neighbours in a row are two channels of one pixel, so that OpenCV looks both up in one pass without a copy.
    pairs = pixels.reshape(height, width // 2, 2)
    stretched = out.reshape(height, width // 2, 2)
    for row in (0, 1):
        left, right = (chosen["RGB".index(colour)] for colour in bayer.value[2 * row : 2 * row + 2])
        both = np.stack([left, right], axis=-1).reshape(1, 65536, 2)
        cv2.LUT(pairs[row::2], both, dst=stretched[row::2])
    return out


def day_share(median: float, duration_s: float) -> float:
    """Return how far a frame with this median (0 to 1) is day: 0 at night, 1 by day, smooth in between."""
    is_short = 1 - _passage(duration_s, *DAY_DURATION_S)
    return max(is_short * _passage(median, *DAY_BRIGHTNESS), _passage(median, *BRIGHT_ANYWAY))


def _passage(value: float, low: float, high: float) -> float:
    """Return 0 below `low`, 1 above `high`, and a smooth step in the logarithm between them."""
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    x = math.log(value / low) / math.log(high / low)
    return x * x * (3 - 2 * x)


def _gains(levels: Sequence[Levels], look: Look, bias_adu: float, day: float) -> tuple[float, ...]:
    """Return the factors of white balance, the smallest of them 1."""
    if len(levels) != 3:
        return (1.0,)
    red, green, blue = levels
    automatic = (1.0, 1.0)
    if look.auto_white_balance:
        # At night the sky itself is the grey card. By day it is blue, so the brightest parts, cloud and haze, are.
        automatic = (
            _ratio(green.median, red.median, bias_adu) ** (1 - day) * _ratio(green.bright, red.bright, bias_adu) ** day,
            _ratio(green.median, blue.median, bias_adu) ** (1 - day) * _ratio(green.bright, blue.bright, bias_adu) ** day,
        )
    wanted = (automatic[0] * look.red_gain, 1.0, automatic[1] * look.blue_gain)
    return tuple(gain / min(wanted) for gain in wanted)


def _ratio(green: float, other: float, bias_adu: float) -> float:
    """Return what brings a colour's level to green's, within the limit."""
    above_green, above_other = max(1.0, green - bias_adu), max(1.0, other - bias_adu)
    return min(GAIN_LIMIT, max(1 / GAIN_LIMIT, above_green / above_other))


def _display(linear: float) -> float:
    """Return the display value of linear light (sRGB, IEC 61966-2-1)."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
