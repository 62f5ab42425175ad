"""A whole appliance and a real SSH server: a target is made in the panel, and the pictures are there."""

import html
import re
from pathlib import Path

import pytest

from tests.integration.process.appliance import Appliance, wait_until
from tests.integration.uploads.sshd import Sshd, make_keys, sshd

pytestmark = [pytest.mark.needs("/usr/sbin/sshd", "ssh-keygen", "indiserver"), pytest.mark.timeout(400)]


def pictures(folder: Path) -> dict[str, bytes]:
    """Return what lies there under its final name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.jpg") if not path.name.startswith(".")}


def stored(appliance: Appliance) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (appliance.data / "nights").glob("*/frames/**/*.jpg")}


def add_target(appliance: Appliance, server: Sshd, folder: Path) -> str:
    """Add the target as an admin does, and return its id."""
    form = {
        "kind": "sftp", "id": "", "target.title": "Attic", "target.host": "127.0.0.1", "target.port": str(server.port),
        "target.user": server.user, "target.folder": str(folder), "target.pictures": "on",
        "target.products": "on",
        "target.is_on": "on", "secret-private_key": server.client_key,
    }  # fmt: skip
    answer = appliance.post("/targets/save", **form)
    assert answer.status == 303, answer.body
    found = re.match(r"/targets/([a-z0-9]{8})\?", answer.headers["Location"])
    assert found
    return found[1]


def outcome(appliance: Appliance, target: str) -> str:
    """Return the fault that a test tells, empty where all is well."""

    def fault() -> "re.Match[str] | None":
        return re.search(r'data-fault="([a-z]*)"', appliance.get(f"/targets/{target}").body.decode())

    wait_until(lambda: fault() is not None, 60, "the end of the test")
    found = fault()
    assert found
    return found[1]


def test_from_the_form_to_the_pictures_on_the_other_side(tmp_path: Path) -> None:
    ssh, there = tmp_path / "ssh", tmp_path / "there"
    ssh.mkdir()
    there.mkdir()
    make_keys(ssh)
    with sshd(ssh) as server, Appliance(tmp_path / "data") as appliance:
        appliance.claim()
        appliance.set("camera", period_s="1.0", duration_max_s="0.5")
        target = add_target(appliance, server, there)
        early = stored(appliance).keys()
        assert appliance.post(f"/targets/{target}/test").status == 303
        assert outcome(appliance, target) == "key"
        assert pictures(there) == {}
        page = appliance.get(f"/targets/{target}").body.decode()
        shown = re.search(r'name="shown" value="([^"]+)"', page)
        assert shown
        assert html.unescape(shown[1]) == server.host_key
        assert appliance.post(f"/targets/{target}/trust", shown=html.unescape(shown[1])).status == 303
        assert outcome(appliance, target) == ""
        wait_until(lambda: len(pictures(there)) >= 4, 120, "pictures on the other side")
        server.kill()
        before = appliance.frames()
        wait_until(lambda: appliance.frames() >= before + 3, 120, "capture goes on while the server is away")
        away = stored(appliance).keys() - pictures(there).keys() - early
        assert len(away) >= 3
        appliance.kill()
        appliance.start()
        appliance.login()
        with sshd(ssh, port=server.port):
            assert appliance.post(f"/targets/{target}/retry").status == 303
            appliance.wait_for_new_frame()
            assert appliance.post("/system/pause").status == 303
            wait_until(lambda: "paused" in appliance.get("/system").body.decode(), 60, "the pause")

            def is_drained() -> bool:
                return re.search(r'data-key="waiting">0<', appliance.get("/targets").body.decode()) is not None

            wait_until(is_drained, 120, "an empty queue")
        ours = stored(appliance)
        theirs = pictures(there)
        products = {"keogram.jpg", "startrail.jpg"}
        late = {name for name in ours if name not in theirs}
        sent = {name: data for name, data in theirs.items() if name not in products}
        assert sent == {name: data for name, data in ours.items() if name in sent}, "byte for byte"
        assert away - late == away, "what was stored while the server was away has arrived"
        assert late <= early, "only what was stored before there was a target is not sent"
        assert server.client_key.split("\n")[1] not in appliance.log.read_text()
        for path in appliance.data.rglob("*"):
            if path.is_file():
                assert server.client_key.split("\n")[1].encode() not in path.read_bytes(), path
