"""Starting: what is refused in one line with exit code 2, and what starts although something is broken."""

import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.domain.errors import NightjarError
from tests.integration.process.appliance import ROOT, Appliance, wait_until

pytestmark = pytest.mark.timeout(200)
is_root = os.geteuid() == 0


def _run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-m", "appliance", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _refusal(*arguments: str, **environment: str) -> str:
    """Return the one line with which a start is refused."""
    done = _run(*arguments, **environment)
    lines = [line for line in done.stderr.splitlines() if "running as root" not in line]
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = _refusal("run", "--development", "--data", str(tmp_path), "--port", port)
    assert port in line
    assert "--port" in line


def test_a_data_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = _refusal("run", "--development", "--data", str(tmp_path / "file"), "--port", "0")
    assert "data folder" in line


@pytest.mark.needs("indiserver")
def test_a_data_folder_in_use_is_one_line(tmp_path: Path) -> None:
    with Appliance(tmp_path / "data"):
        line = _refusal("run", "--development", "--data", str(tmp_path / "data"), "--port", "0")
    assert "data folder" in line or "another" in line


def test_an_unknown_driver_is_one_line(tmp_path: Path) -> None:
    for camera in ("indi_no_such", "../bin/sh", "sh"):
        assert camera in _refusal("run", "--development", "--data", str(tmp_path), "--port", "0", "--camera", camera)


def test_a_clock_of_another_form_is_one_line(tmp_path: Path) -> None:
    line = _refusal("run", "--development", "--data", str(tmp_path), "--port", "0", NIGHTJAR_CLOCK="soon")
    assert "NIGHTJAR_CLOCK" in line


def test_the_appliance_refuses_an_accelerated_clock_and_root(tmp_path: Path) -> None:
    line = _refusal("run", "--data", str(tmp_path), "--port", "0", NIGHTJAR_CLOCK="2026-01-31T18:00:00+00:00@60")
    assert ("root" if is_root else "NIGHTJAR_CLOCK") in line
    assert not list(tmp_path.iterdir()), "nothing is made before a refusal"


def test_settings_are_checked_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"site": {"latitude_deg": 99, "longitude_deg": 16}, "camera": {"gian": 3}}')
    done = _run("check-settings", str(file))
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["site.latitude_deg", "camera.gian"]
    file.write_text('{"site": {"latitude_deg": 48.2, "longitude_deg": 16.4}}')
    assert _run("check-settings", str(file)).returncode == 0
    assert _run("check-settings", str(tmp_path / "absent")).returncode == 2


def test_without_an_indi_server_the_panel_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "setpriv", "dirname"):
        found = shutil.which(name)
        if found is None:
            raise NightjarError(f"{name} is not installed")
        (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    with Appliance(tmp_path / "data", camera="sky") as appliance:
        appliance.claim()
        wait_until(lambda: "indi-bin" in appliance.get("/system").body.decode(), 60, "the advice")
        assert appliance.get("/healthz").json() == {"status": "degraded"}


@pytest.mark.needs("indiserver", "mount")
@pytest.mark.skipif(not is_root, reason="needs root, to mount a small disk of its own: run the tests as root")
def test_on_a_full_disk_it_starts_and_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "nightjar-test", str(disk)], check=True)
    try:
        with Appliance(disk / "data", log=tmp_path / "log.txt") as appliance:
            appliance.claim()
            appliance.wait_for_new_frame()
        filler = disk / "filler"
        _fill(filler)
        appliance = Appliance(disk / "data", log=tmp_path / "log.txt")
        with appliance:
            appliance.login()
            wait_until(lambda: "full" in appliance.get("/system").body.decode(), 60, "the issue")
            filler.unlink(missing_ok=True)
            appliance.wait_for_new_frame()
            wait_until(lambda: "disk.full" not in _issues(appliance), 60, "the issue to go")
            assert not list(appliance.data.rglob("*.part"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill(path: Path) -> None:
    try:
        with path.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 65536)
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop has no other end


def _issues(appliance: Appliance) -> list[str]:
    return [issue["key"] for issue in appliance.get("/api/v1/system").json()["issues"]]
