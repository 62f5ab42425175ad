"""Panels for tests of the web part."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.web.app import Panel
from tests.unit.web.world import Caller, World, callers, fill, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return an unclaimed panel's parts."""
    with make_world(tmp_path / "data") as made:
        made.parts.certificates.open()
        yield made


@pytest.fixture
def visitors(world: World) -> dict[str, Caller]:
    """Return callers of a claimed panel with six frames, by who they are."""
    world.claim()
    fill(world)
    return callers(Panel(world.parts), world)
