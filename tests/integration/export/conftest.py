"""A sky with three nights, and an empty folder as the stick."""

from pathlib import Path

import pytest

from tests.integration.export.sky import NIGHTS, Sky


@pytest.fixture
def sky(tmp_path: Path) -> Sky:
    (tmp_path / "stick").mkdir()
    sky = Sky(tmp_path / "data", tmp_path / "stick")
    for night in NIGHTS:
        sky.add(night, 10)
    return sky
