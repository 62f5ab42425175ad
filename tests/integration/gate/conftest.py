"""One whole program for all tests of a module, claimed, with an admin and somebody of staff."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gate.person import STAFF, STAFF_PASSWORD
from tests.integration.process.appliance import Appliance


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """Return a program that was claimed, has taken a frame, and rests."""
    with Appliance(tmp_path_factory.mktemp("gate") / "data") as running:
        running.claim()
        running.set("camera", period_s="0", duration_max_s="0.2")
        running.wait_for_new_frame()
        running.set("camera", period_s="3600")
        assert running.post("/accounts/create", name=STAFF, password=STAFF_PASSWORD, role="staff").status == 303
        yield running


@pytest.fixture
def log_file(appliance: Appliance) -> Path:
    """Return what the program writes into the journal."""
    return appliance.data.parent / "log.txt"
