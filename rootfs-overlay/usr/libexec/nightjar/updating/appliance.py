"""Whether the appliance works, seen from outside of its program: by what systemd, log, panel, database and kernel say."""

import http.client
import json
import re
import sqlite3
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from updating import machine
from updating.machine import Network

UNIT = "nightjar.service"
CALM_S, CALM_OTHERWISE_S = 75.0, 10.0
"""So long a new version has to run, and its camera service without a failure, whose pauses grow to a minute."""
MOST_RESTARTS = 3
"""Who ends by itself so often will not recover."""
COMMAND_S, PANEL_S = 30.0, 10.0
WELL = ("ok", "degraded")
"""What the panel says of itself: a missing camera degrades it, and is no fault of the system."""
CAMERA_FAILED = re.compile(r"^\[ *(\d+\.\d+)\].* service failed, next start in \d+ s: camera$", re.MULTILINE)
"""A line of the program's log behind its time since power-on: the one of `supervisor/worker.py`."""


@dataclass(frozen=True)
class Program:
    """What systemd says of the appliance's program."""

    state: str
    restarts: int
    """How often systemd has started it again after it ended by itself."""
    active_s: float
    """For how long it has been running now."""

    @property
    def is_beginning(self) -> bool:
        """Whether it has not said yet that it is ready: it may be changing a large database."""
        return self.state == "activating" and self.restarts == 0


@dataclass(frozen=True)
class Appliance:
    """Where everything is asked."""

    authority: Path = Path("/data/nightjar-tls/ca.pem")
    database: Path = Path("/data/nightjar/nightjar.db")
    root: Path = machine.ROOT
    port: int = 443
    systemctl: str = "/usr/bin/systemctl"
    journalctl: str = "/usr/bin/journalctl"

    def program(self) -> Program:
        """Ask systemd."""
        names = ("ActiveState", "NRestarts", "ActiveEnterTimestampMonotonic")
        said = _said(self.systemctl, "show", UNIT, *(f"--property={name}" for name in names))
        found = dict(line.partition("=")[::2] for line in said.splitlines())
        since_us, restarts = found.get(names[2], ""), found.get("NRestarts", "")
        is_active = found.get("ActiveState") == "active" and since_us.isdecimal()
        active_s = time.clock_gettime(time.CLOCK_MONOTONIC) - int(since_us) / 1e6 if is_active else 0.0
        return Program(found.get("ActiveState") or "unknown", int(restarts) if restarts.isdecimal() else 0, active_s)

    def problem(self, program: Program, before: Network | None) -> str:
        """Return what is not well, empty where nothing is.

        Parameters
        ----------
        program : Program
        before : Network or None
            What the network must be no worse than, where a new version is on trial: of it more is asked.
        """
        if program.state != "active":
            return f"the appliance's program does not run (it is {program.state})"
        if program.active_s < (CALM_OTHERWISE_S if before is None else CALM_S):
            return "the appliance's program does not keep running"
        if problem := self._panels_problem():
            return problem
        return "" if before is None else self._cameras_problem() or self._networks_problem(before)

    def _panels_problem(self) -> str:
        """Ask on the machine's own address, by its own authority."""
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=PANEL_S, context=context)
            try:
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                status, untrusted = answer.status, answer.read(4096)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            return f"the panel does not answer ({type(error).__name__})"
        try:
            told = json.loads(untrusted)
        except ValueError:
            told = None
        if status != http.client.OK or not isinstance(told, dict) or told.get("status") not in WELL:
            return f"the panel answers, but does not say that it is well ({status})"
        return ""

    def _cameras_problem(self) -> str:
        said = _said(
            self.journalctl, "--boot", f"--unit={UNIT}", "--output=short-monotonic", "--no-pager", "--quiet", "--lines=5000"
        )
        failed_s = max((float(found[1]) for found in CAMERA_FAILED.finditer(said)), default=None)
        is_calm = failed_s is None or time.clock_gettime(time.CLOCK_MONOTONIC) - failed_s > CALM_S
        return "" if is_calm else "the camera service fails again and again"

    def _networks_problem(self, before: Network) -> str:
        found = machine.network(self.root)
        if not found.is_worse_than(before):
            return ""
        return "the network is worse than before: " + (
            "there is no address" if not found.address else "there is no way out of it"
        )

    def databases_problem(self) -> str:
        """Have the database checked whole; nothing is written."""
        try:
            connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=COMMAND_S)
            try:
                found = connection.execute("PRAGMA quick_check(1)").fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            return f"the database cannot be checked: {error}"
        return "" if found == [("ok",)] else f"the database is damaged: {found[0][0] if found else 'nothing is told'}"


def _said(*command: str) -> str:
    """Return what a command says; nothing where it fails."""
    try:
        ended = subprocess.run(  # noqa: S603 - constants
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.decode("utf-8", "replace")
