"""`python -m tests.bench.contactsheet FILE`: what the pipeline makes of real, synthetic and rendered frames, side by side.

Kept in `tests/data/contact-sheet.jpg`; make it anew after a change of the recipe, and look at it.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from appliance.domain.frame import BayerPattern, Exposure, FrameKind, Picture, RawFrame
from appliance.imaging import codec
from appliance.imaging.debayer import mosaic
from appliance.pipeline.recipe import develop, finish
from appliance.settings.schema import Settings
from appliance.skysim.render import render
from appliance.skysim.scene import Scene, Weather
from tests.bench import frames

TILE = (640, 480)
BIAS_ADU = 1024
"""Of the rendered sensor, on the 16-bit scale."""
DATA = Path(__file__).resolve().parent.parent / "data"
RENDERED = (
    ("2026-01-20T22:00", 0.0, 14.0, 200.0),
    ("2026-01-20T23:00", 0.6, 14.0, 200.0),
    ("2026-01-31T22:00", 0.1, 14.0, 0.0),
    ("2026-01-20T05:55", 0.1, 0.08, 0.0),
    ("2026-01-20T06:20", 0.2, 0.009, 0.0),
    ("2026-06-20T10:00", 0.0, 0.00012, 0.0),
    ("2026-06-20T12:00", 0.6, 0.00009, 0.0),
)
"""Time, share of clouds, exposure time and gain."""


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.contactsheet")
    parser.add_argument("file", type=Path)
    tiles = [*_real(), _synthetic(), *_rendered()]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
    rows = [np.hstack(tiles[first : first + 4]) for first in range(0, len(tiles), 4)]
    parser.parse_args().file.write_bytes(codec.encode(np.ascontiguousarray(np.vstack(rows)), 80))


def _real() -> list[Picture]:
    """Return each real frame as it came and as it is developed."""
    tiles = []
    for name in ("allsky-clear", "allsky-thin-cloud"):
        source = codec.decode((DATA / f"{name}.jpg").read_bytes())
        pixels = mosaic(codec.linear_from_display(source), BayerPattern.RGGB)
        raw = RawFrame(pixels, Exposure(FrameKind.LIGHT, 15.0, 250.0), datetime(2021, 11, 1, 22, tzinfo=UTC), BayerPattern.RGGB)
        tiles += [_tile(source), _developed(raw, Settings())]
    return tiles


def _synthetic() -> Picture:
    raw = RawFrame(
        frames.make(1920, 1440).light,
        Exposure(FrameKind.LIGHT, 15.0, 100.0),
        datetime(2026, 1, 31, 22, tzinfo=UTC),
        BayerPattern.RGGB,
    )
    return _developed(raw, Settings())


def _rendered() -> list[Picture]:
    settings = Settings.model_validate({"site": {"latitude_deg": 48.2, "longitude_deg": 16.4}, "image": {"bias_adu": BIAS_ADU}})
    tiles = []
    for text, cover, duration_s, gain in RENDERED:
        when = datetime.fromisoformat(text).replace(tzinfo=UTC)
        exposure = Exposure(FrameKind.LIGHT, duration_s, gain)
        pixels = render(Scene(weather=Weather(cloud_cover=cover)), exposure, when)
        tiles.append(_developed(RawFrame(pixels, exposure, when, BayerPattern.RGGB), settings))
    return tiles


def _developed(raw: RawFrame, settings: Settings) -> Picture:
    developed = develop(raw, settings)
    finish(developed, raw, settings)
    return _tile(developed.picture)


def _tile(picture: Picture) -> Picture:
    """Return a picture's middle in the size of a tile."""
    height, width = picture.shape[:2]
    cut = min(width, height * TILE[0] // TILE[1])
    left = (width - cut) // 2
    tile: Picture = cv2.resize(picture[:, left : left + cut], TILE, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return tile


if __name__ == "__main__":
    main()
