"""The machine's power, clock and name in the whole program, on a bus whose services are made up: nothing here restarts."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.housekeeping.shutdown import WHY
from tests.integration.host.mockbus import MockBus, mock_bus
from tests.integration.process.appliance import NAME, Appliance, wait_until

pytestmark = [pytest.mark.needs("dbus-daemon", "indiserver"), pytest.mark.timeout(500)]

EXPOSURE_S = 8.0
LONG_S = 120.0
LOCK = ("shutdown", "nightjar", WHY, "delay")
BROWSER_MS = 1795494600_123
ACTIONS = [
    "time set", "time zone set", "network time switched off", "network time switched on", "machine named", "restart ordered",
]  # fmt: skip


def test_the_bus_may_be_killed_and_a_restart_waits_for_the_running_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_bus(tmp_path / "bus") as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        with Appliance(tmp_path / "data", camera="sky") as appliance:
            appliance.claim()
            appliance.set("camera", is_automatic="false", duration_s=str(EXPOSURE_S), period_s="0")
            _holds_a_new_bus(appliance, bus)
            _sets_time_and_name(appliance, bus)
            _restarts_after_the_running_frame(appliance, bus)
            entries = [json.loads(line) for line in appliance.get("/audit/export").body.splitlines()]
            assert appliance.stop() == 0
        assert [(entry["action"], entry["who"]) for entry in entries if entry["action"] in ACTIONS] == [
            (action, NAME) for action in ACTIONS
        ]
    assert "Traceback" not in appliance.log.read_text()


def _holds_a_new_bus(appliance: Appliance, bus: MockBus) -> None:
    wait_until(lambda: bus.locks() == [LOCK], LONG_S, "the lock at logind")
    killed_s = time.monotonic()
    bus.kill()
    bus.start()
    wait_until(lambda: bus.locks() == [LOCK], LONG_S, "the lock at the new logind")
    print(f"the lock was held again {time.monotonic() - killed_s:.1f} s after bus and services were killed")
    assert _power(appliance)["unavailable"] == ""


def _sets_time_and_name(appliance: Appliance, bus: MockBus) -> None:
    for path, form in (
        ("time", {"browser_ms": str(BROWSER_MS)}),
        ("zone", {"zone": "Europe/Vienna"}),
        ("network-time", {"on": "no"}),
        ("network-time", {"on": "yes"}),
        ("name", {"name": "roof"}),
    ):
        answer = appliance.post(f"/machine/{path}", **form)
        assert answer.status == 303, answer.body
    network_off, time_set, *others = bus.texts("timedate1", "SetTime", "SetTimezone", "SetNTP")
    assert network_off == "SetNTP False False"
    assert 0 <= int(time_set.split()[1]) - BROWSER_MS * 1000 < LONG_S * 1e6
    assert others == ["SetNTP True False", 'SetTimezone "Europe/Vienna" False', "SetNTP False False", "SetNTP True False"]
    assert bus.texts("hostname1", "SetStaticHostname") == ['SetStaticHostname "roof" False']
    assert _machine(appliance)["host_name"] == "roof"


def _restarts_after_the_running_frame(appliance: Appliance, bus: MockBus) -> None:
    bus.look("Reboot", appliance.data)
    wait_until(lambda: _latest(appliance)["exposure_s"] == EXPOSURE_S, LONG_S, "a frame of that length")
    before = _camera(appliance)["started"]
    wait_until(lambda: _camera(appliance)["started"] > before, LONG_S, "the next exposure to begin")
    assert appliance.post("/machine/restart").status == 303
    ordered_at = datetime.now(UTC)
    running = _camera(appliance)
    assert (running["state"], running["started"]) == ("exposing", running["received"] + 1)
    assert bus.calls("login1", "Reboot", "PowerOff") == []
    assert bus.locks() == [LOCK]
    wait_until(lambda: bool(bus.calls("login1", "Reboot")), LONG_S, "the restart")
    [reboot] = bus.calls("login1", "Reboot", "PowerOff")
    wait_until(lambda: bus.locks() == [], LONG_S, "the lock to be given back")
    seen = bus.seen()
    last = datetime.fromisoformat(str(seen.started[-1]))
    ordered_s, called_s = (ordered_at - last).total_seconds(), reboot.at - last.timestamp()
    print(f"of a frame of {EXPOSURE_S:g} s: restart ordered {ordered_s:.1f} s and called {called_s:.1f} s after its start")
    assert ordered_s > 0
    assert seen.locks == [LOCK], "held while logind was called"
    assert len(seen.started) == len(seen.pictures) == running["started"] - running["dropped"], "no exposure was lost"
    assert seen.pictures[-1].startswith(f"{last:%Y%m%dT%H%M%SZ}")
    assert called_s >= EXPOSURE_S
    assert _camera(appliance)["state"] == "paused"
    assert _power(appliance)["phase"] == "going"


def _machine(appliance: Appliance) -> dict[str, Any]:
    return dict(appliance.get("/api/v1/machine").json())


def _power(appliance: Appliance) -> dict[str, Any]:
    return dict(_machine(appliance)["power"])


def _latest(appliance: Appliance) -> dict[str, Any]:
    return dict(appliance.get("/api/v1/latest").json()["frame"] or {"exposure_s": None})


def _camera(appliance: Appliance) -> dict[str, Any]:
    return dict(appliance.get("/api/v1/latest").json()["camera"])
