"""Schemathesis over the API's own document, as everybody in turn: no 5xx, and no answer outside its schema."""

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.domain.access import Scope
from tests.integration.web.conftest import RunningPanel
from tests.unit.web.world import ADMIN, STAFF, fill

_SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Left out is the check that whatever fits the schema is taken: a level may forbid it, and settings may contradict each other.
_CHECKS = ("--checks=all", "--exclude-checks=positive_data_acceptance")
_EXAMPLES = {"admin": 25}
"""Of each operation, invented beside those that its limits suggest; the others come less far and get fewer."""
_REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
_CONFIGURATION = f"[checks]\nnegative_data_rejection.expected-statuses = {_REFUSALS}\n"
"""A body of more than 64 KiB is refused before anything in it is looked at: that is a refusal, too."""


@pytest.mark.parametrize("who", ["anonymous", "anonymous while public", "staff", "admin", "admin token"])
def test_every_answer_of_the_api_is_as_its_document_says(running: RunningPanel, tmp_path: Path, who: str) -> None:
    running.world.claim()
    fill(running.world)
    running.world.set_public(who.endswith("public"))
    headers: dict[str, str] = {}
    if who in ("staff", "admin"):
        found = running.login({"staff": STAFF, "admin": ADMIN}[who])
        headers = {"Cookie": found["cookie"], "X-CSRF-Token": found["x_csrf_token"]}
    elif who == "admin token":
        headers = {"Authorization": f"Bearer {running.world.api_token(Scope.ADMIN)}"}
    command = [
        str(_SCHEMATHESIS), "--no-color", "run", f"{running.address}/api/v1/openapi.json", "--tls-verify=false", *_CHECKS,
        f"--max-examples={_EXAMPLES.get(who, 6)}", "--generation-deterministic", "--phases=examples,coverage,fuzzing",
        "--workers=2", "--warnings=off", "--generation-with-security-parameters=false", "--request-timeout=20",
    ]  # fmt: skip
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    (tmp_path / "schemathesis.toml").write_text(_CONFIGURATION)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=250)
    print(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
