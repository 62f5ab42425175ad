"""Frames for the pipeline, and a real data folder with a real database in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from appliance.domain.clock import SystemClock
from appliance.domain.frame import BayerPattern, Exposure, FrameKind, RawFrame
from appliance.store.database import Database
from appliance.store.files import DataFolder
from appliance.store.frames import FrameStore
from appliance.store.products import ProductStore
from tests.bench import frames

EVENING = datetime(2026, 1, 31, 21, 15, 30, tzinfo=UTC)


def night_frame(number: int = 0, *, width: int = 320, height: int = 240, duration_s: float = 15.0) -> RawFrame:
    """Return a frame of a night, one every 15 s, each with another sky."""
    made = frames.make(width, height, seed=number + 1, stars=40)
    return RawFrame(
        made.light,
        Exposure(FrameKind.LIGHT, duration_s, 100.0),
        EVENING + timedelta(seconds=15 * number),
        BayerPattern.RGGB,
        -5.25,
    )


def even_frame(value: int, *, duration_s: float = 15.0, shape: tuple[int, int] = (240, 320)) -> RawFrame:
    """Return a frame whose pixels all have one value."""
    pixels = np.full(shape, value, np.uint16)
    return RawFrame(pixels, Exposure(FrameKind.LIGHT, duration_s, 0.0), EVENING, BayerPattern.RGGB)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    yield folder
    folder.close()


@pytest.fixture
def store(folder: DataFolder) -> Iterator[FrameStore]:
    database = Database(folder.root, SystemClock())
    database.open()
    yield FrameStore(database, folder)
    database.close()


@pytest.fixture
def products(folder: DataFolder) -> ProductStore:
    return ProductStore(folder)
