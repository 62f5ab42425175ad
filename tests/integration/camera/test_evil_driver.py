"""A driver that lies costs frames, never the service: an Issue, and the next exposure goes on."""

import sys
from pathlib import Path

import pytest

from appliance.host.driverhost import ChildDriverHost, StaticDriverHost
from tests.integration.camera.rig import camera_settings, running

pytestmark = pytest.mark.needs("indiserver")

LIES = (
    "truncated", "header-only", "oversized", "tiny", "nan", "nan-scale", "pattern", "float", "junk", "jpeg", "lies-less", "alert",
)  # fmt: skip


def evil(folder: Path, plan: str, port: int | None = None) -> ChildDriverHost:
    """Return a host of the lying driver."""
    script = folder / "evil-driver"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name('evil_driver.py')}\n")
    script.chmod(0o755)
    return ChildDriverHost((script,), environment={"EVIL_PLAN": plan}, port=port)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_over_the_unix_socket_costs_one_frame(tmp_path: Path, lie: str) -> None:
    with running(evil(tmp_path, f"good,{lie},good")) as rig:
        rig.receive(4, 60)
        status = rig.status.value
        assert status.dropped >= 1
        assert status.started - status.received - status.dropped in (0, 1)
        assert lie == "alert" or "camera.frame" in rig.issues_seen
        assert rig.issues == set(), "a good frame takes the issue down"
        assert int(rig.taken[-1].pixels.mean()) == 20000


@pytest.mark.parametrize("lie", [*LIES, "lies-more", "compressed"])
def test_a_lie_over_tcp_costs_one_frame(tmp_path: Path, free_port: int, lie: str) -> None:
    server = evil(tmp_path, f"good,{lie},good", free_port)
    server.start()
    try:
        remote = camera_settings(transport="remote", remote_host="127.0.0.1", remote_port=free_port)
        with running(StaticDriverHost("nowhere", 1), remote) as rig:
            rig.receive(3, 100)
            assert rig.status.value.dropped >= 1
            assert int(rig.taken[-1].pixels.mean()) == 20000
    finally:
        server.close()


def test_a_driver_that_only_lies_is_tried_again_and_again_but_not_without_pause(tmp_path: Path) -> None:
    with running(evil(tmp_path, "good," + ",".join(["junk"] * 50))) as rig:
        rig.receive(1, 60)
        rig.until(lambda: rig.status.value.dropped >= 7, 60)
        assert rig.issues == {"camera.frame", "camera.absent"}
        seconds = rig.until(lambda: rig.status.value.received >= 2, 100)
        print(f"a fresh driver after {seconds:.0f} s, {rig.status.value.dropped} bad frames")
        assert rig.status.value.dropped < 20
        assert rig.issues == set()


def test_strange_messages_do_no_harm(tmp_path: Path) -> None:
    with running(evil(tmp_path, "noise")) as rig:
        rig.receive(3, 60)
        assert rig.status.value.dropped == 0
