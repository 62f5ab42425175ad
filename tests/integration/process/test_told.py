"""A whole appliance and a real receiver of webhooks: a fault is told within a minute, once, and its end; also over restarts."""

import re
import time
from pathlib import Path

import pytest

from appliance.uploads.telling import SETTLE_S
from tests.integration.process.appliance import Appliance, wait_until
from tests.integration.uploads.certificates import Issued, self_signed
from tests.integration.uploads.receiver import Receiver, is_genuine, receiver

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(400)]

KEY = "seventeen words of starlight"


def add_target(appliance: Appliance, **form: str) -> str:
    """Add a target as an admin does, and return its id."""
    answer = appliance.post("/targets/save", **{"id": "", "target.is_on": "on", **form})
    assert answer.status == 303, answer.body
    found = re.match(r"/targets/([a-z0-9]{8})\?", answer.headers["Location"])
    assert found
    return found[1]


def add_hook(appliance: Appliance, address: str, issued: Issued) -> str:
    form = {
        "kind": "webhook", "target.title": "Hook", "target.address": address, "target.certificate": issued.pem,
        "target.least_severity": "error", "secret-secret": KEY,
    }  # fmt: skip
    return add_target(appliance, **form)


def add_stranger(appliance: Appliance, address: str, title: str) -> str:
    """Add a target whose certificate nobody has trusted: the first picture raises an issue at once."""
    form = {"kind": "web", "target.title": title, "target.address": address, "target.method": "put", "target.pictures": "on"}
    return add_target(appliance, **form)


def is_raised(appliance: Appliance, key: str) -> bool:
    return key in {issue["key"] for issue in appliance.get("/api/v1/system").json()["issues"]}


def told(there: Receiver) -> list[str]:
    """Return what has arrived, as event and key, each notice once."""
    found = {posted.tree["id"]: f"{posted.tree['event']} {posted.tree['issue']['key']}" for posted in there.posted}
    return list(found.values())


def test_a_fault_is_told_within_a_minute_and_its_end_and_nothing_is_lost_while_nobody_listens(tmp_path: Path) -> None:
    issued = self_signed(tmp_path, "hook", "127.0.0.1")
    with Appliance(tmp_path / "data") as appliance:
        appliance.claim()
        appliance.set("camera", period_s="1.0", duration_max_s="0.5")
        with receiver(issued) as there:
            hook = add_hook(appliance, there.address, issued)
            stranger = add_stranger(appliance, there.address, "Attic")
            wait_until(lambda: is_raised(appliance, f"upload.{stranger}"), 60, "the issue")
            wait_until(lambda: bool(there.posted), 60, "the notice, which is promised within a minute")
            (posted,) = there.posted
            assert is_genuine(posted, KEY, time.time())
            assert posted.tree["issue"]["title"] == "Attic: The computer's certificate is not trusted."
            assert (posted.tree["status"], posted.tree["open"]) == ("degraded", 1)
            assert posted.tree["panel"] == appliance.origin
            assert appliance.post(f"/targets/{stranger}/remove").status == 303
            wait_until(lambda: len(there.posted) > 1, 90, "the end")
            assert told(there) == [f"raised upload.{stranger}", f"cleared upload.{stranger}"]
            assert len(there.posted) == 2, "each once"
            port = there.port
        with receiver(issued) as elsewhere:  # shows a certificate, so that the issue comes up
            late = add_stranger(appliance, elsewhere.address, "Cellar")
            notices = appliance.data / "notices"
            wait_until(lambda: len(list(notices.glob("2*.json"))) == 3, 90, "a notice that cannot be sent")
            appliance.kill()
            appliance.start()
            appliance.login()
            wait_until(lambda: is_raised(appliance, f"upload.{late}"), 90, "the same issue again")
            with receiver(issued, port) as back:
                assert appliance.post(f"/targets/{hook}/retry").status == 303
                wait_until(lambda: bool(back.posted), 90, "the notice")
                assert told(back) == [f"raised upload.{late}"]
                time.sleep(SETTLE_S + 5)
                assert told(back) == [f"raised upload.{late}"], "what was told before the restart is not told again"
        assert KEY not in appliance.log.read_text()
