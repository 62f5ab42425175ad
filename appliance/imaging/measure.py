"""Numbers of one frame, from every n-th cell of its mosaic: a hundred thousand pixels say as much as twelve million."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from appliance.domain.frame import BayerPattern, Pixels
from appliance.imaging.mask import inside

SATURATED_ADU = 64_224
"""At or above 98 % of full scale a pixel tells no difference any more."""
_SAMPLES = 60_000
"""About so many cells of the mosaic are looked at."""
_BRIGHT_SHARE = 0.05
"""So much of what is not saturated counts as bright."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Pixels inside the circle of sky, by colour, in ADU."""

    colours: tuple[Values, ...]
    """Red, green, blue; or one entry for a monochrome sensor."""

    @property
    def green(self) -> Values:
        """The colour that brightness is told by."""
        return self.colours[1] if len(self.colours) == 3 else self.colours[0]


@dataclass(frozen=True, slots=True)
class Levels:
    """What a colour's pixels say about the sky, in ADU."""

    median: float
    deviation: float
    """Normalised median absolute deviation: a standard deviation that stars do not enter."""
    bright: float
    """Mean of the cells that are brightest in green without being saturated in any colour."""


def take_sample(pixels: Pixels, bayer: BayerPattern | None, mask_radius: float) -> Sample:
    """Take every n-th 2 x 2 cell that lies inside the circle.

    Parameters
    ----------
    pixels : (H, W) uint16
        Frame, in ADU.
    mask_radius : float
        Share of half the shorter side. Where no cell lies inside so small a circle, the middle cell is taken.
    """
    cells = (pixels.shape[0] // 2, pixels.shape[1] // 2)
    step = max(1, round((cells[0] * cells[1] / _SAMPLES) ** 0.5))
    rows = np.arange(step // 2, cells[0], step, dtype=np.intp)
    columns = np.arange(step // 2, cells[1], step, dtype=np.intp)
    chosen = inside(cells, mask_radius, rows[:, None], columns[None, :])
    if not chosen.any():
        chosen[chosen.shape[0] // 2, chosen.shape[1] // 2] = True
    places = [
        pixels[2 * rows[0] + row : 2 * cells[0] : 2 * step, 2 * columns[0] + column : 2 * cells[1] : 2 * step][chosen]
        for row in (0, 1)
        for column in (0, 1)
    ]
    if bayer is None:
        return Sample((np.concatenate(places).astype(np.float32),))
    return Sample(tuple(
        np.concatenate([place for place, own in zip(places, bayer.value, strict=True) if own == colour]).astype(np.float32)
        for colour in "RGB"
    ))  # fmt: skip


def mean_adu(sample: Sample, bias_adu: float) -> float:
    """Return the mean of all sampled pixels above the bias level; each colour counts as often as the mosaic has it."""
    total = sum(float(colour.sum(dtype=np.float64)) for colour in sample.colours)
    return max(0.0, total / sum(colour.size for colour in sample.colours) - bias_adu)


def saturated_fraction(sample: Sample) -> float:
    """Return the share of pixels at or near full scale; the sample must be of raw pixels, before a dark is subtracted."""
    count = sum(int(np.count_nonzero(colour >= SATURATED_ADU)) for colour in sample.colours)
    return count / sum(colour.size for colour in sample.colours)


def levels(sample: Sample) -> tuple[Levels, ...]:
    """Return the levels of every colour, in the sample's order."""
    return tuple(
        Levels(*_median_and_deviation(colour), bright)
        for colour, bright in zip(sample.colours, _bright(sample.colours), strict=True)
    )


def _median_and_deviation(values: Values) -> tuple[float, float]:
    median = np.median(values)
    return float(median), 1.4826 * float(np.median(np.abs(values - median)))


def _bright(colours: tuple[Values, ...]) -> tuple[float, ...]:
    """Return every colour's mean over the same cells, so that the ratios are the colour of something that is there."""
    cells = [colour.reshape(-1, colours[0].size).mean(axis=0) for colour in colours]  # green has two pixels a cell
    usable = np.max(cells, axis=0) < SATURATED_ADU
    if not usable.any():
        return (float(SATURATED_ADU),) * len(cells)
    main = cells[len(cells) // 2]
    chosen = usable & (main >= np.percentile(main[usable], 100 * (1 - _BRIGHT_SHARE)))
    return tuple(float(cell[chosen].mean()) for cell in cells)
