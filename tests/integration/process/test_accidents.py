"""Accidents in the middle of the work: the server killed, the driver stopped, the plug pulled, the disk full."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(400)]


@pytest.fixture
def claimed(tmp_path: Path) -> Iterator[Appliance]:
    with Appliance(tmp_path / "data") as appliance:
        appliance.claim()
        appliance.set("camera", period_s="0", duration_max_s="0.2")
        appliance.wait_for_new_frame()
        yield appliance


def _stored(data: Path) -> tuple[set[str], set[str]]:
    """Return the picture names of the database's rows and those of the folder; no row without a file."""
    with sqlite3.connect(f"file:{data}/nightjar.db?mode=ro", uri=True) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        nights = [night for (night,) in database.execute("select distinct night from frame")]
        rows = database.execute("select count(*) from frame").fetchone()[0]
    pictures = {path.name for night in nights for path in (data / "nights" / night / "frames").iterdir()}
    thumbs = {path.name for night in nights for path in (data / "nights" / night / "thumbs").iterdir()}
    assert len(pictures) == rows
    return pictures, thumbs


def test_a_killed_indiserver_is_started_again(claimed: Appliance) -> None:
    (server,) = claimed.children("indiserver -")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: claimed.children("indiserver -") not in ([], [server]), 60, "a new server")
    claimed.wait_for_new_frame(120)


def test_a_stopped_driver_is_replaced(claimed: Appliance) -> None:
    driver = next(
        pid for pid in claimed.children("indi_simulator_ccd") if Path(f"/proc/{pid}/comm").read_text() == "indi_simulator_\n"
    )
    os.kill(driver, signal.SIGSTOP)
    time.sleep(3)  # what was on its way still comes
    before = claimed.latest_id()
    wait_until(lambda: claimed.latest_id() != before, 120, "frames after the driver was stopped")
    assert not Path(f"/proc/{driver}").exists()


def test_a_pulled_plug_leaves_whole_files_and_an_intact_database(claimed: Appliance) -> None:
    claimed.kill()
    claimed.start()
    wait_until(lambda: not list(claimed.data.rglob("*.part")), 30, "half-written files to be swept")
    claimed.wait_for_new_frame()
    assert claimed.stop() == 0
    pictures, thumbs = _stored(claimed.data)
    assert pictures == thumbs
    for name in pictures:
        (path,) = claimed.data.rglob(f"frames/{name}")
        assert path.read_bytes()[-2:] == b"\xff\xd9", "a JPEG that ends as it should"


def test_a_stop_takes_less_than_ten_seconds(claimed: Appliance) -> None:
    began = time.monotonic()
    assert claimed.stop() == 0
    assert time.monotonic() - began < 10
    assert not list(claimed.data.rglob("*.part"))
