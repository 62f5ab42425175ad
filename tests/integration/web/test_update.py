"""A bundle on its way through the real front: who may bring large bodies, lost connections, restarts, and a real browser."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from appliance.domain.access import Scope
from appliance.domain.update import BundleState
from tests.conftest import ROOT
from tests.integration.web.browser import chromium, complaints, fill_in, resize, submit
from tests.integration.web.client import Answer
from tests.integration.web.conftest import RunningPanel, running_panel
from tests.integration.web.test_browser import until
from tests.unit.web.world import ADMIN, PASSWORD, STAFF

MIB = 1 << 20
DATA = os.urandom(3 * MIB) * 3
DIGEST = hashlib.sha256(DATA).hexdigest()
UPLOAD = f"/api/v1/update/upload/{DIGEST}"


@pytest.fixture
def claimed(running: RunningPanel) -> RunningPanel:
    running.world.claim()
    return running


def put(running: RunningPanel, target: str, body: bytes, headers: dict[str, str]) -> Answer:
    client = running.client()
    try:
        return client.request("PUT", target, body, **headers)
    finally:
        client.close()


def announce(running: RunningPanel, headers: dict[str, str]) -> Any:  # noqa: ANN401 - JSON is any value
    body = json.dumps({"size": len(DATA), "sha256": DIGEST}).encode()
    answer = put(running, "/api/v1/update/upload", body, headers)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_large_chunks_are_for_admins_and_for_nothing_else(claimed: RunningPanel) -> None:
    admin, staff = claimed.login(ADMIN), claimed.login(STAFF)
    tokens = {scope: {"authorization": f"Bearer {claimed.world.api_token(scope)}"} for scope in Scope}
    assert announce(claimed, admin)["chunk_bytes"] == 8 * MIB
    chunk = DATA[: 2 * MIB]
    refused = {
        "nobody": ({}, 401),
        "staff": (staff, 403),
        "a token that writes": (tokens[Scope.WRITE], 403),
        "without the page's token": ({"cookie": admin["cookie"]}, 403),
        "another site": ({**admin, "origin": "https://evil.example"}, 403),
        "a broken cookie": ({"cookie": "__Host-nightjar=x\\", "x_csrf_token": "x"}, 401),
    }
    assert {who: put(claimed, UPLOAD, chunk, headers).status for who, (headers, _) in refused.items()} == {
        who: status for who, (_, status) in refused.items()
    }
    arriving = claimed.world.parts.update.bundles.arriving()
    assert arriving is not None
    assert arriving.have == 0
    assert put(claimed, UPLOAD, bytes(8 * MIB + 1), admin).status == 413
    assert put(claimed, "/api/v1/settings", chunk, admin).status == 413
    assert json.loads(put(claimed, UPLOAD, chunk, admin).body)["have"] == 2 * MIB
    more = put(claimed, f"{UPLOAD}?offset={2 * MIB}", DATA[2 * MIB : 4 * MIB], tokens[Scope.ADMIN])
    assert json.loads(more.body)["have"] == 4 * MIB


def test_a_connection_that_is_lost_within_a_chunk_costs_that_chunk(claimed: RunningPanel) -> None:
    admin = claimed.login(ADMIN)
    announce(claimed, admin)
    assert put(claimed, UPLOAD, DATA[: 4 * MIB], admin).status == 200
    client = claimed.client()
    head = [f"PUT {UPLOAD}?offset={4 * MIB} HTTP/1.1", f"host: {client.name}", f"content-length: {4 * MIB}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in admin.items()]
    client.send("\r\n".join([*head, "", ""]).encode() + DATA[4 * MIB : 6 * MIB])
    client.close()
    assert announce(claimed, admin)["have"] == 4 * MIB
    until(lambda: put(claimed, f"{UPLOAD}?offset={4 * MIB}", DATA[4 * MIB : 8 * MIB], admin).status == 200)
    last = json.loads(put(claimed, f"{UPLOAD}?offset={8 * MIB}", DATA[8 * MIB :], admin).body)
    assert last["is_whole"]
    assert claimed.world.parts.update.bundles.path.read_bytes() == DATA


def test_it_goes_on_after_a_restart_of_the_panel(tmp_path: Path) -> None:
    with running_panel(tmp_path / "data") as running:
        running.world.claim()
        admin = running.login(ADMIN)
        announce(running, admin)
        assert put(running, UPLOAD, DATA[: 8 * MIB], admin).status == 200
    with running_panel(tmp_path / "data") as running:
        admin = running.login(ADMIN)
        assert announce(running, admin)["have"] == 8 * MIB
        assert json.loads(put(running, f"{UPLOAD}?offset={8 * MIB}", DATA[8 * MIB :], admin).body)["is_whole"]
        assert running.world.parts.update.bundles.path.read_bytes() == DATA


@pytest.mark.needs("curl", "bash", "split", "sha256sum")
def test_the_commands_of_the_manual_bring_a_bundle(claimed: RunningPanel, tmp_path: Path) -> None:
    chapter = (ROOT / "appliance/manual/updates.md").read_text()
    [block] = re.findall(r"\n((?:    .*\n)+)", chapter[chapter.index("## With a program") : chapter.index("Then, once `ask $A`")])
    (tmp_path / "nightjar-ca.pem").write_bytes(claimed.world.parts.certificates.authority_pem)
    (tmp_path / "nightjar.raucb").write_bytes(DATA)
    script = block.replace("https://roof.local", claimed.address) + "ask $A\n"
    environment = {"PATH": os.environ["PATH"], "TOKEN": claimed.world.api_token(Scope.ADMIN)}
    ended = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["bundle"]["sha256"] == DIGEST
    assert claimed.world.parts.update.bundles.path.read_bytes() == DATA


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with chromium(tmp_path / "profile") as made:
        yield made


@pytest.mark.needs("chromium", "chromedriver")
def test_a_browser_brings_a_bundle_and_goes_on_with_one_that_stopped(
    claimed: RunningPanel, browser: Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "nightjar.raucb"
    file.write_bytes(DATA)
    bundles = claimed.world.parts.update.bundles
    announce(claimed, claimed.login(ADMIN))
    bundles.add(DIGEST, DATA[: 5 * MIB], 0)
    browser.get(f"{claimed.address}/login")
    fill_in(browser, name=ADMIN, password=PASSWORD)
    submit(browser)
    until(lambda: browser.current_url == f"{claimed.address}/")
    resize(browser, 360)
    browser.get(f"{claimed.address}/update")
    assert "An upload has stopped at 55 %" in browser.page_source
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    browser.find_element(By.NAME, "bundle").send_keys(str(file))
    browser.execute_script("document.querySelector('[data-upload]').requestSubmit()")
    until(lambda: "The bundle is looked at" in browser.page_source, 60.0)
    bundle = bundles.bundle()
    assert bundle is not None
    assert (bundle.state, bundle.announced.sha256) == (BundleState.NEW, DIGEST)
    assert bundles.path.read_bytes() == DATA
    assert complaints(browser) == []


@pytest.mark.needs("chromium", "chromedriver")
def test_a_browser_says_why_a_file_is_not_taken(claimed: RunningPanel, browser: Chrome, tmp_path: Path) -> None:
    (tmp_path / "small.raucb").write_bytes(b"no bundle")
    browser.get(f"{claimed.address}/login")
    fill_in(browser, name=ADMIN, password=PASSWORD)
    submit(browser)
    until(lambda: browser.current_url == f"{claimed.address}/")
    browser.get(f"{claimed.address}/update")
    browser.find_element(By.NAME, "bundle").send_keys(str(tmp_path / "small.raucb"))
    browser.execute_script("document.querySelector('[data-upload]').requestSubmit()")
    until(lambda: "This is another file." in browser.page_source)
    assert claimed.world.parts.update.bundles.arriving() is None
