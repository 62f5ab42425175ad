"""Synthetic 16-bit Bayer night frames with a matching dark, as FITS; the same for the same seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.domain.frame import Pixels

ELECTRONS_PER_ADU12 = 0.12
READ_NOISE_ADU12 = 4.0
OFFSET_ADU12 = 64.0
SKY_ADU12 = 560.0
RED, GREEN, BLUE = 0.72, 1.0, 0.62
"""What the filters leave of a grey sky."""


STAR_SIGMA_PX = 1.1
"""Of a star's Gaussian: a full width at half maximum of 2.6 pixels."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class NightFrames:
    """A light frame, RGGB, the dark that belongs to it, and the stars that are really in it."""

    light: Pixels
    """(H, W) uint16, 12 bits left-justified to 16."""
    dark: Pixels
    star_x: Floats
    """Columns of the stars' centres; 0 is the middle of the leftmost pixel."""
    star_y: Floats
    star_snr: Floats
    """Signal over noise of a star, all its light weighted by its profile: what the best of filters could reach."""


def make(
    width: int, height: int, *, seed: int = 1, stars: int = 2000, sky_adu12: float = SKY_ADU12, sigma_px: float = STAR_SIGMA_PX
) -> NightFrames:
    """Draw a fisheye sky with horizon glow, a light dome, stars of power-law flux, shot and read noise, and hot pixels."""
    rng = np.random.default_rng(seed)
    radius = min(width, height) / 2 * 0.985
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(columns - width / 2, rows - height / 2) / radius
    filters = _filters(width, height)
    dome = 0.5 * np.exp(-(((columns - 0.8 * width) / (0.18 * width)) ** 2) - ((rows - 0.18 * height) / (0.18 * height)) ** 2)
    sky = (1 + 0.55 * distance**2.5 + dome) * np.clip((1 - distance) * radius / 6, 0, 1) * sky_adu12 * filters
    x, y, snr = _add_stars(sky, filters, rng, radius=radius, count=stars, sigma_px=sigma_px)
    sky += np.sqrt(sky / ELECTRONS_PER_ADU12 + READ_NOISE_ADU12**2) * rng.standard_normal(sky.shape, dtype=np.float32)
    dark = rng.standard_normal(sky.shape, dtype=np.float32)
    count = int(width * height * 2e-4)
    hot = (rng.integers(0, height, count), rng.integers(0, width, count))
    excess = (rng.exponential(500, count) + 100).astype(np.float32)
    for frame in (sky, dark):
        frame += OFFSET_ADU12
        frame[hot] += excess
    return NightFrames(_to_16_bits(sky), _to_16_bits(dark), x, y, snr)


def write(light: Path, dark: Path, width: int, height: int) -> None:
    """Write both frames as FITS files."""
    made = make(width, height)
    light.write_bytes(fits(made.light))
    dark.write_bytes(fits(made.dark, kind="Dark Frame"))


def _filters(width: int, height: int) -> npt.NDArray[np.float32]:
    filters = np.full((height, width), GREEN, np.float32)
    filters[0::2, 0::2] = RED
    filters[1::2, 1::2] = BLUE
    return filters


def _add_stars(
    sky: npt.NDArray[np.float32],
    filters: npt.NDArray[np.float32],
    rng: np.random.Generator,
    *,
    radius: float,
    count: int,
    sigma_px: float,
) -> tuple[Floats, Floats, Floats]:
    height, width = sky.shape
    angle, away = rng.uniform(0, 2 * np.pi, count), radius * 0.98 * np.sqrt(rng.uniform(0, 1, count))
    flux = np.minimum(900 * rng.uniform(1e-3, 1, count) ** -0.75, 60_000)
    xs, ys, snr = width / 2 + away * np.cos(angle), height / 2 + away * np.sin(angle), np.empty(count)
    offsets, variance = np.arange(-5, 6, dtype=np.float32), 2 * sigma_px**2
    for star, (x, y, f) in enumerate(zip(xs, ys, flux, strict=True)):
        column, row = round(x), round(y)
        across, down = (np.exp(-((offsets - part) ** 2) / variance) for part in (x - column, y - row))
        box = (slice(row - 5, row + 6), slice(column - 5, column + 6))
        light = np.outer(down, across) * (f / (np.pi * variance)) * filters[box]
        noise = sky[box] / ELECTRONS_PER_ADU12 + READ_NOISE_ADU12**2
        snr[star] = np.sqrt(np.sum(light**2 / noise))
        sky[box] += light
    return xs, ys, snr


def _to_16_bits(frame: npt.NDArray[np.float32]) -> Pixels:
    return np.left_shift(np.clip(frame, 0, 4095).astype(np.uint16), 4, dtype=np.uint16)


def fits(pixels: Pixels, *, kind: str = "Light Frame") -> bytes:
    """Return a FITS file as INDI drivers send it: big-endian with BZERO 32768."""
    height, width = pixels.shape
    cards = {
        "SIMPLE": "T", "BITPIX": "16", "NAXIS": "2", "NAXIS1": str(width), "NAXIS2": str(height), "BZERO": "32768", "BSCALE": "1",
        "BAYERPAT": "'RGGB    '", "XBAYROFF": "0", "YBAYROFF": "0", "ROWORDER": "'TOP-DOWN'", "EXPTIME": "15.0", "GAIN": "100.0",
        "CCD-TEMP": "10.0", "FRAME": f"'{kind}'", "DATE-OBS": "'2026-01-31T22:15:30.000'", "INSTRUME": "'SYNTH   '",
    }  # fmt: skip
    lines = [f"{name:<8}= {value:>20}".ljust(80) for name, value in cards.items()]
    head = "".join([*lines, "END".ljust(80)]).encode("ascii")
    body = (pixels ^ np.uint16(0x8000)).astype(">u2").tobytes()
    return head + b" " * (-len(head) % 2880) + body + bytes(-len(body) % 2880)
