"""Five hundred frames through the whole program at the shortest cadence: none lost, nothing leaked, rows equal files."""

import sqlite3
from pathlib import Path

import pytest

from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(500)]

QUEUES = ("raw frames", "camera commands", "power commands", "network commands", "stick commands", "update commands")


def _resident_mib(pid: int) -> float:
    """Return what a process holds of its own, without what it shares with files."""
    words = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(words["RssAnon"].split()[0]) / 1024


def test_five_hundred_frames_none_lost_nothing_leaked_and_rows_equal_files(tmp_path: Path) -> None:
    with Appliance(tmp_path / "data") as appliance:
        appliance.claim()
        appliance.set("camera", period_s="0", is_automatic="false", duration_s="0.01")
        wait_until(lambda: appliance.frames() >= 150, 200, "150 frames")
        early = _resident_mib(appliance.process.pid)
        wait_until(lambda: appliance.frames() >= 500, 300, "500 frames")
        assert _resident_mib(appliance.process.pid) - early < 12
        answer = appliance.post("/system/pause")
        assert answer.status == 303
        wait_until(lambda: appliance.get("/api/v1/latest").json()["camera"]["state"] == "paused", 30, "the pause")
        wait_until(lambda: _stored_and_dropped(appliance) == _camera(appliance)["started"], 30, "the last frame to be stored")
        camera = _camera(appliance)
        assert camera["dropped"] == 0
        assert camera["received"] == camera["started"] == appliance.frames()
        queues = {queue["name"]: queue["dropped"] for queue in appliance.get("/api/v1/system").json()["queues"]}
        assert queues == dict.fromkeys(QUEUES, 0)
    files = {path.name for path in (tmp_path / "data" / "nights").glob("*/frames/*")}
    thumbs = {path.name for path in (tmp_path / "data" / "nights").glob("*/thumbs/*")}
    with sqlite3.connect(f"file:{tmp_path}/data/nightjar.db?mode=ro", uri=True) as database:
        (rows,) = database.execute("select count(*) from frame").fetchone()
    assert len(files) == rows == camera["started"]
    assert files == thumbs


def _camera(appliance: Appliance) -> dict[str, int]:
    camera: dict[str, int] = appliance.get("/api/v1/system").json()["camera"]
    return camera


def _stored_and_dropped(appliance: Appliance) -> int:
    return appliance.frames() + _camera(appliance)["dropped"]
