"""What `nightjar-slot-health` sees of the whole appliance: well, without a camera, failing, gone, its database damaged.

systemd and its journal are not here: two programs answer in their place, the second with the appliance's real log.
"""

import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.security.certificate import make_authority
from tests.integration.process.appliance import Appliance, wait_until
from tests.unit.rootfs import scripts

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(400)]

seen, machine = scripts.part("appliance"), scripts.part("machine")
NOWHERE = machine.Network(route=False, address=False)
JOURNALCTL = """#!/bin/sh
printf '%s\\n' "$*" >>{calls}
sed "s/^/[ {at}] roof python3[801]: /" {log}
"""
ALONE = """
import sys
sys.path.insert(0, {folder!r})
from updating.appliance import Appliance
print(Appliance(database={database!r}).databases_problem())
"""


class Here:
    """The appliance, and what stands for systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.faults = folder, folder / "faults"
        self.faults.mkdir()
        self.appliance = Appliance(folder / "data", faults=self.faults)

    def look(self, *, failed_s_ago: float = 0.0) -> Any:  # noqa: ANN401 - a script's type
        """Return what looks at it; what the log says was said so long ago."""
        at = f"{time.clock_gettime(time.CLOCK_MONOTONIC) - failed_s_ago:.6f}"
        said = JOURNALCTL.format(calls=self.folder / "calls", at=at, log=self.appliance.log)
        data = self.appliance.data
        return seen.Appliance(
            data / "tls/ca.pem", data / "nightjar.db", port=self.appliance.port, journalctl=self.program("journalctl", said)
        )

    def program(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def problem(self, *, failed_s_ago: float = 0.0) -> str:
        return str(self.look(failed_s_ago=failed_s_ago).problem(seen.Program("active", 0, 100.0), NOWHERE))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    made = Here(tmp_path_factory.mktemp("health"))
    with made.appliance:
        wait_until(lambda: made.problem() == "", 120, "the appliance to be well")
        yield made


def test_a_whole_appliance_is_well(here: Here) -> None:
    assert here.problem() == ""
    assert "--unit=nightjar.service --output=short-monotonic" in (here.folder / "calls").read_text()
    context = ssl.create_default_context(cafile=str(here.appliance.data / "tls/ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13, on the device, always looks so closely
    with (
        socket.create_connection(("127.0.0.1", here.appliance.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as shaken,
    ):
        assert shaken.version() == "TLSv1.3"


def test_a_missing_camera_is_weather(tmp_path: Path) -> None:
    made = Here(tmp_path)
    made.appliance = Appliance(tmp_path / "data", camera="indi_v4l2_ccd")
    with made.appliance:
        wait_until(lambda: made.appliance.get("/healthz").json() == {"status": "degraded"}, 120, "the camera to be missed")
        assert made.problem() == ""


def test_a_camera_service_that_fails_is_seen_in_the_real_log_and_an_old_failure_is_none(here: Here) -> None:
    (here.faults / "camera").write_text("raise")
    wait_until(lambda: here.problem() != "", 60, "the failure to stand in the log")
    assert here.problem() == "the camera service fails again and again"
    assert here.problem(failed_s_ago=seen.CALM_S + 1) == ""
    assert here.look().problem(seen.Program("active", 0, 100.0), None) == "", "no update is on trial: it is told in the panel"


def test_another_services_failure_is_none_of_the_cameras(here: Here) -> None:
    log = here.folder / "other.log"
    log.write_text("2026-01-31 22:15:30,000 ERROR appliance.supervisor.worker: service failed, next start in 1 s: uploads\n")
    look = replace(here.look(), journalctl=here.program("journalctl", JOURNALCTL.format(calls="/dev/null", at="1.0", log=log)))
    assert look.problem(seen.Program("active", 0, 100.0), NOWHERE) == ""


def test_a_panel_of_another_authority_is_not_ours(here: Here, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(make_authority("ABCDEFGH").root.certificate)
    look = replace(here.look(), authority=tmp_path / "ca.pem")
    assert look.problem(seen.Program("active", 0, 100.0), None) == "the panel does not answer (SSLCertVerificationError)"
    look = replace(here.look(), authority=tmp_path / "none.pem")
    assert look.problem(seen.Program("active", 0, 100.0), None) == "the panel does not answer (FileNotFoundError)"


@pytest.mark.needs("unshare", "setpriv", "mount")
def test_the_database_is_checked_beside_the_running_program_with_no_right_to_write(here: Here) -> None:
    assert here.look().databases_problem() == ""
    database = here.appliance.data / "nightjar.db"
    code = ALONE.format(folder=str(scripts.FOLDER), database=str(database))
    sealed = (
        f'mount --bind {here.appliance.data} {here.appliance.data} && mount -o remount,bind,ro {here.appliance.data} && exec "$@"'
    )
    command = ["unshare", "--mount", "sh", "-euc", sealed, "sh"]
    command += [
        "setpriv",
        "--bounding-set=-all,+dac_read_search",
        "--inh-caps=-all",
        "--no-new-privs",
        sys.executable,
        "-BIS",
        "-c",
        code,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")


def test_a_damaged_database_and_none_are_told(here: Here, tmp_path: Path) -> None:
    copy = tmp_path / "nightjar.db"
    look = replace(here.look(), database=copy)
    assert look.databases_problem().startswith("the database cannot be checked")
    backup = (
        f"import sqlite3; sqlite3.connect({str(here.appliance.data / 'nightjar.db')!r}).backup(sqlite3.connect({str(copy)!r}))"
    )
    subprocess.run([sys.executable, "-c", backup], check=True, timeout=60)
    assert look.databases_problem() == ""
    data = bytearray(copy.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    shutil.copy(copy, tmp_path / "whole.db")
    copy.write_bytes(data)
    assert "database" in look.databases_problem()


@pytest.mark.parametrize(
    ("said", "state", "restarts", "problem"),
    [
        (
            "ActiveState=activating\nNRestarts=0\nActiveEnterTimestampMonotonic=0\n",
            "activating",
            0,
            "does not run (it is activating)",
        ),
        ("ActiveState=active\nNRestarts=2\nActiveEnterTimestampMonotonic={now}\n", "active", 2, "does not keep running"),
        ("ActiveState=failed\nNRestarts=5\nActiveEnterTimestampMonotonic=1\n", "failed", 5, "does not run (it is failed)"),
        ("", "unknown", 0, "does not run (it is unknown)"),
    ],
)
def test_what_systemd_says_of_the_program(tmp_path: Path, said: str, state: str, restarts: int, problem: str) -> None:
    now = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\ncat <<'END'\n" + said.format(now=now) + "END\n")
    script.chmod(0o755)
    look = seen.Appliance(systemctl=str(script))
    program = look.program()
    assert (program.state, program.restarts, program.is_beginning) == (state, restarts, state == "activating")
    assert 0 <= program.active_s < 60
    assert problem in look.problem(program, None)


def test_a_network_that_is_worse_than_before_is_told(here: Here, tmp_path: Path) -> None:
    look = replace(here.look(failed_s_ago=1000), root=tmp_path)
    program = seen.Program("active", 0, 100.0)
    assert (
        look.problem(program, machine.Network(route=True, address=True))
        == "the network is worse than before: there is no address"
    )
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/if_inet6").write_text(f"fd00{'0' * 27}1 02 40 00 80     end0\n")
    assert (
        look.problem(program, machine.Network(route=True, address=True))
        == "the network is worse than before: there is no way out of it"
    )
    assert look.problem(program, machine.Network(route=False, address=True)) == ""


def test_a_panel_that_is_gone_is_told(here: Here) -> None:
    here.appliance.stop()
    assert here.problem(failed_s_ago=1000) == "the panel does not answer (ConnectionRefusedError)"
