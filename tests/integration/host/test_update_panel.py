"""An update through the whole program: uploaded over HTTPS, installed by the real RAUC, on a machine whose halves are files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.person import Person, admin_of
from tests.integration.host.busroom import COMMANDS, missing_right
from tests.integration.host.newrauc import COMMANDS as RAUC_COMMANDS
from tests.integration.host.raucroom import ROOT_BYTES, Machine, rauc_machine
from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [
    pytest.mark.needs("indiserver", *COMMANDS, *RAUC_COMMANDS),
    pytest.mark.skipif(missing_right() != "", reason=missing_right()),
]

LONG_S = 120.0
CHUNK = 1 << 20


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    (tmp_path / "rauc").mkdir()
    with rauc_machine(tmp_path / "rauc") as made:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.room.address)
        yield made


def told(admin: Person) -> Any:  # noqa: ANN401 - JSON is any value
    return admin.get("/api/v1/update").json()


def put(admin: Person, path: str, body: bytes, kind: str) -> int:
    headers = {"X-CSRF-Token": admin.csrf(), "Origin": admin.origin, "Content-Type": kind}
    return admin.send("PUT", path, body, headers).status


def bring(admin: Person, data: bytes, *, stop_after: int | None = None) -> None:
    digest = hashlib.sha256(data).hexdigest()
    announced = f'{{"size": {len(data)}, "sha256": "{digest}"}}'.encode()
    assert put(admin, "/api/v1/update/upload", announced, "application/json") == 200
    at = int((told(admin)["arriving"] or {"have": 0})["have"])
    for begin in range(at, len(data) if stop_after is None else stop_after, CHUNK):
        path = f"/api/v1/update/upload/{digest}?offset={begin}"
        assert put(admin, path, data[begin : begin + CHUNK], "application/octet-stream") == 200


def test_an_update_goes_through_the_whole_program_and_over_its_restart(machine: Machine, tmp_path: Path) -> None:
    with Appliance(tmp_path / "data") as running:
        running.claim()
        admin = admin_of(running)
        wait_until(lambda: told(admin)["unavailable"] == "", LONG_S, "the updater to be known")

        bring(admin, machine.bench.bundle("9.0.0", keys=machine.bench.keys("other"), form="plain"))
        wait_until(lambda: told(admin)["refused"] is not None, LONG_S, "the bundle to be refused")
        assert "by somebody whom this appliance does not trust" in told(admin)["refused"]["reason"]
        assert not list((tmp_path / "data/updates").glob("*.raucb"))

        good = machine.bench.bundle("9.1.0", form="plain", notes="Quieter nights")
        bring(admin, good, stop_after=CHUNK)
        running.kill()
        running.start()
        running.login()
        admin = admin_of(running)
        wait_until(lambda: told(admin)["unavailable"] == "", LONG_S, "the updater to be known")
        assert told(admin)["arriving"]["have"] == CHUNK
        bring(admin, good)
        wait_until(lambda: (told(admin)["bundle"] or {}).get("state") == "checked", LONG_S, "the bundle to be looked at")
        shown = admin.get("/update/install").body.decode()
        assert all(words in shown for words in ("Install version 9.1.0?", "Quieter nights", "Test release signer"))
        assert machine.half("b") == bytes(ROOT_BYTES)

        assert admin.post("/update/install", sha256=hashlib.sha256(good).hexdigest()).status == 303
        wait_until(lambda: (told(admin)["job"] or {}).get("state") == "done", LONG_S, "the half to be written")
        assert machine.half("b") == machine.bench.content
        assert machine.primary == "B"
        now = told(admin)
        assert (now["bundle"]["state"], now["is_restart_due"]) == ("installed", True)

        running.set("site", latitude_deg="48.2", longitude_deg="16.4")
        assert admin.post("/update/restart", when="dawn").status == 303
        assert told(admin)["restart_at"] is not None
        acts = [entry["action"] for entry in admin.audit() if "update" in entry["action"] or "restart" in entry["action"]]
        assert acts == [
            "update announced", "update uploaded", "update refused", "update announced", "update announced", "update uploaded",
            "update checked", "update install ordered", "update installed", "restart at dawn planned",
        ]  # fmt: skip
