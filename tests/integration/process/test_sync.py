"""Two whole appliances: one lets the other in, a key is pasted, and the pictures of one are in the observatory of the other."""

import html
import re
from pathlib import Path

import pytest

from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(400)]


def pair(sender: Appliance, receiver: Appliance) -> tuple[str, str]:
    """Let the receiver make a peer and the sender a target, as two admins do; return the ids of both."""
    page = receiver.post("/peers/create", name="Hilltop", keep_days="30", most_mib="500")
    assert page.status == 200, page.body
    shown = html.unescape(page.body.decode())
    key, fingerprint = re.findall(r'<code class="secret" id="[a-z-]+">([^<]+)</code>', shown)
    form = {
        "kind": "nightjar", "id": "", "target.title": "Observatory", "target.address": receiver.origin,
        "target.fingerprint": fingerprint, "target.pictures": "on", "target.products": "on", "target.films": "on",
        "target.is_on": "on", "secret-key": key,
    }  # fmt: skip
    answer = sender.post("/targets/save", **form)
    assert answer.status == 303, answer.body
    target = re.match(r"/targets/([a-z0-9]{8})\?", answer.headers["Location"])
    peer = re.search(r'data-peer="([a-z0-9]{8})"', receiver.get("/peers").body.decode())
    assert target
    assert peer
    assert key not in receiver.get("/peers").body.decode() + receiver.get(f"/peers/{peer[1]}").body.decode()
    return target[1], peer[1]


def pictures(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.glob("**/frames/*.jpg")}


def pause(appliance: Appliance) -> None:
    """Pause capture and wait until the last frame is stored."""
    assert appliance.post("/system/pause").status == 303
    wait_until(lambda: appliance.get("/api/v1/latest").json()["camera"]["state"] == "paused", 60, "capture to pause")
    last = list[int]()

    def is_quiet() -> bool:
        last.append(appliance.frames())
        return len(last) > 8 and len(set(last[-8:])) == 1

    wait_until(is_quiet, 60, "the last frame to be stored")


def fault_of(appliance: Appliance, target: str) -> str:
    """Have a target tested and return the fault that is told, empty where all is well."""
    assert appliance.post(f"/targets/{target}/test").status == 303
    found = list[str]()

    def is_told() -> bool:
        found[:] = re.findall(r'data-fault="([a-z]*)"', appliance.get(f"/targets/{target}").body.decode())
        return bool(found)

    wait_until(is_told, 60, "the end of the test")
    return found[0]


def test_pictures_of_one_appliance_are_in_the_observatory_of_another(tmp_path: Path) -> None:
    with (
        Appliance(tmp_path / "sender", log=tmp_path / "sender.txt") as sender,
        Appliance(tmp_path / "receiver", log=tmp_path / "receiver.txt") as receiver,
    ):
        sender.claim()
        receiver.claim()
        sender.set("camera", period_s="1.0", duration_max_s="0.5")
        pause(sender)
        early = pictures(tmp_path / "sender" / "nights")
        target, peer = pair(sender, receiver)
        assert sender.post("/system/resume").status == 303
        assert fault_of(sender, target) == ""
        there = tmp_path / "receiver" / "peers" / peer
        wait_until(lambda: len(pictures(there)) >= 4, 120, "pictures in the observatory")
        receiver.kill()
        before = sender.frames()
        wait_until(lambda: sender.frames() >= before + 3, 120, "capture goes on while the observatory is away")
        receiver.stop()
        again = Appliance(tmp_path / "receiver", port=receiver.port, log=tmp_path / "receiver.txt")
        with again:
            again.login()
            assert sender.post(f"/targets/{target}/retry").status == 303
            pause(sender)
            sent = pictures(tmp_path / "sender" / "nights") - early
            wait_until(lambda: pictures(there) == sent, 120, "equal stores on both sides")
            page = again.get(f"/observatory/{peer}").body.decode()
            night = re.search(rf'/observatory/{peer}/(\d{{4}}-\d\d-\d\d)"', page)
            assert night
            thumbs = re.findall(r"/media/peers/thumbs/\d+\.jpg", again.get(f"/observatory/{peer}/{night[1]}").body.decode())
            assert len(set(thumbs)) == len(pictures(there))
            assert again.get(thumbs[0]).status == 200
            anonymous = again.cookie
            again.cookie = ""
            assert [again.get(path).status for path in ("/observatory", thumbs[0])] == [303, 401]
            again.cookie = anonymous
            assert again.post(f"/peers/{peer}/revoke", pictures="remove").status == 303
            assert fault_of(sender, target) == "login"
            assert again.get(f"/observatory/{peer}").status == 404
