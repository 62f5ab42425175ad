"""Restarts of the machine by systemd itself, in the middle of an exposure: the frame is stored first. Last: it adds nights."""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
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


@pytest.mark.parametrize("order", [_ordered_in_the_panel, _ordered_by_somebody_else])
def test_the_running_frame_is_stored_first(guest: Guest, order: Callable[[Guest, Panel], None]) -> None:
    guest.must("mkdir", "-p", DROP_IN.rpartition("/")[0])
    guest.must("/usr/bin/tee", DROP_IN, stdin=WITH_A_CAMERA.encode())
    guest.shell("systemctl daemon-reload; systemctl restart nightjar.service", timeout_s=300)
    panel = Panel(guest)
    panel.trust(guest)
    panel.set("camera", is_automatic="false", duration_s=str(EXPOSURE_S), period_s="0")
    wait_for(lambda: (_latest(panel)["frame"] or {}).get("exposure_s") == EXPOSURE_S, "a frame of this length", 300)
    boot_id = guest.python(BOOT_ID)
    guest.monitor.run("set-action", reboot="reset")
    try:
        before = _camera(panel)["started"]
        wait_for(lambda: _camera(panel)["started"] > before, "the next exposure to begin", pause_s=0.1)
        assert "nightjar" in _delay_locks(guest)
        after = len(guest.monitor.events)
        order(guest, panel)
        ordered_at, ordered_s = guest.python(NOW), time.monotonic()
        running = _camera(panel)
        assert (running["state"], running["started"]) == ("exposing", running["received"] + 1)
        assert "nightjar" in _delay_locks(guest), "held while the frame is taken"
        reset = guest.monitor.wait_for_event("RESET", after=after, timeout_s=240)
        print(f"ordered during a frame of {EXPOSURE_S:g} s; the machine went {time.monotonic() - ordered_s:.1f} s later")
        assert reset["guest"], "it was the guest's own doing"
        guest.wait_until_booted()
    finally:
        guest.monitor.run("set-action", reboot="shutdown")
    assert guest.python(BOOT_ID) != boot_id
    panel.trust(guest)
    name, coded = guest.python(NEWEST_PICTURE)
    began = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert 0 < ordered_at - began.timestamp() < EXPOSURE_S + 2, "the frame that was being taken"
    picture = base64.b64decode(coded)
    assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    frame_id = int(name.partition("-")[2].removesuffix(".jpg"))
    assert sticks.rows(guest, f"select duration_s, picture_bytes from frame where id = {frame_id}") == [
        [EXPOSURE_S, len(picture)]
    ]
    assert sticks.rows(guest, "select max(id) from frame") == [[frame_id]]


def _delay_locks(guest: Guest) -> list[str]:
    """Return who makes logind wait."""
    locks = [line.split() for line in guest.must("systemd-inhibit", "--list", "--no-legend").splitlines()]
    return [lock[0] for lock in locks if lock[-1] == "delay" and "shutdown" in lock]


def _latest(panel: Panel) -> dict[str, Any]:
    return dict(panel.get("/api/v1/latest").json())


def _camera(panel: Panel) -> dict[str, Any]:
    return dict(_latest(panel)["camera"])
