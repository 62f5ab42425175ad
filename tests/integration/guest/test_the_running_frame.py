"""Restarts of the machine by systemd itself, in the middle of an exposure: the frame is stored first. Last: it adds nights."""

import base64
import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guest import recipe, sticks
from tests.integration.guest.machine import Guest, wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*recipe.COMMANDS), pytest.mark.timeout(2400)]

EXPOSURE_S = 10.0
DROP_IN = "/run/systemd/system/nightjar.service.d/zz-camera.conf"
WITH_A_CAMERA = """\
[Service]
ExecStart=
ExecStart=/usr/bin/python3 -P -m appliance run --data /data/nightjar --camera ccd
"""
"""The program itself must know its driver: it tells it to a server that was restarted. The machine's restart ends this."""
BOOT_ID = "answer = open('/proc/sys/kernel/random/boot_id').read().strip()"
NOW = "import time; answer = time.time()"
NEWEST_PICTURE = """
import base64, pathlib
path = max(pathlib.Path("/data/nightjar/nights").glob("*/frames/*.jpg"), key=lambda path: int(path.stem.partition("-")[2]))
answer = [path.name, base64.b64encode(path.read_bytes()).decode()]
"""
NEWEST_ROW = "select id, duration_s, picture_bytes from frame order by id desc limit 1"


def _ordered_in_the_panel(guest: Guest, panel: Panel) -> None:
    answer = panel.post("/machine/restart")
    assert answer.status == 303, answer.body


def _ordered_by_somebody_else(guest: Guest, panel: Panel) -> None:
    """As the machine's power key would, past the panel: only the lock makes systemd wait."""
    guest.must(
        "busctl",
        "call",
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "Reboot",
        "b",
        "0",
    )


def test_the_running_frame_is_stored_first_and_the_machine_starts_again(guest: Guest) -> None:
    panel = _taking_long_frames(guest)
    boot_id = guest.python(BOOT_ID)
    guest.monitor.run("set-action", reboot="reset")
    try:
        ordered_at = _ordered_during_a_frame(guest, panel, _ordered_in_the_panel, "RESET")
        guest.wait_until_booted()
    finally:
        guest.monitor.run("set-action", reboot="shutdown")
    assert guest.python(BOOT_ID) != boot_id
    panel.trust(guest)
    name, coded = guest.python(NEWEST_PICTURE)
    frame = sticks.rows(guest, NEWEST_ROW)
    _assert_is_the_one_that_was_being_taken(name, base64.b64decode(coded), frame, ordered_at)


def test_so_it_is_where_somebody_else_restarts_the_machine(guest: Guest, tmp_path: Path) -> None:
    panel = _taking_long_frames(guest)
    ordered_at = _ordered_during_a_frame(guest, panel, _ordered_by_somebody_else, "SHUTDOWN")
    guest.process.wait(60)
    for asked in (f"rdump /nightjar/nights {tmp_path}", f"dump /nightjar/nightjar.db {tmp_path / 'rows.db'}"):
        subprocess.run(["debugfs", "-R", asked, str(guest.data)], check=True, capture_output=True, timeout=120)
    picture = max((tmp_path / "nights").glob("*/frames/*.jpg"), key=lambda path: int(path.stem.partition("-")[2]))
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as database:
        frame = [list(row) for row in database.execute(NEWEST_ROW)]
    _assert_is_the_one_that_was_being_taken(picture.name, picture.read_bytes(), frame, ordered_at)


def _taking_long_frames(guest: Guest) -> Panel:
    """Have it take frames of a known length, one after another."""
    guest.must("mkdir", "-p", DROP_IN.rpartition("/")[0])
    guest.must("/usr/bin/tee", DROP_IN, stdin=WITH_A_CAMERA.encode())
    guest.shell("systemctl daemon-reload; systemctl restart nightjar.service", timeout_s=300)
    panel = Panel(guest)
    panel.trust(guest)
    panel.set("camera", is_automatic="false", duration_s=str(EXPOSURE_S), period_s="0")
    wait_for(lambda: (_latest(panel)["frame"] or {}).get("exposure_s") == EXPOSURE_S, "a frame of this length", 300)
    return panel


def _ordered_during_a_frame(guest: Guest, panel: Panel, order: Callable[[Guest, Panel], None], end: str) -> float:
    """Order the restart in the middle of an exposure, wait until the machine goes, and return when it was ordered."""
    before = _camera(panel)["started"]
    wait_for(lambda: _camera(panel)["started"] > before, "the next exposure to begin", pause_s=0.1)
    assert "nightjar" in _delay_locks(guest)
    after = len(guest.monitor.events)
    order(guest, panel)
    ordered_at, ordered_s = guest.python(NOW), time.monotonic()
    running = _camera(panel)
    assert (running["state"], running["started"]) == ("exposing", running["received"] + 1)
    assert "nightjar" in _delay_locks(guest), "held while the frame is taken"
    gone = guest.monitor.wait_for_event(end, after=after, timeout_s=240)
    print(f"ordered during a frame of {EXPOSURE_S:g} s; the machine went {time.monotonic() - ordered_s:.1f} s later")
    assert gone["guest"], "it was the guest's own doing"
    return float(ordered_at)


def _assert_is_the_one_that_was_being_taken(name: str, picture: bytes, frame: list[Any], ordered_at: float) -> None:
    began = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert 0 < ordered_at - began.timestamp() < EXPOSURE_S + 2
    assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    assert frame == [[int(name.partition("-")[2].removesuffix(".jpg")), EXPOSURE_S, len(picture)]]


def _delay_locks(guest: Guest) -> list[str]:
    """Return who makes logind wait."""
    locks = [line.split() for line in guest.must("systemd-inhibit", "--list", "--no-legend").splitlines()]
    return [lock[0] for lock in locks if lock[-1] == "delay" and "shutdown" in lock]


def _latest(panel: Panel) -> dict[str, Any]:
    return dict(panel.get("/api/v1/latest").json())


def _camera(panel: Panel) -> dict[str, Any]:
    return dict(_latest(panel)["camera"])
