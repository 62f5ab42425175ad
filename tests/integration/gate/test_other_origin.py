"""A page of somebody else in a real browser that is logged in: the same host on another port, where cookies do travel."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.integration.gate.person import admin_of
from tests.integration.process.appliance import NAME, PASSWORD, Appliance, wait_until
from tests.integration.web.browser import chromium, fill_in, submit
from tests.integration.web.material import self_signed

pytestmark = [pytest.mark.needs("indiserver", "chromium", "chromedriver"), pytest.mark.timeout(240)]


class _Site(BaseHTTPRequestHandler):
    """Serves one page that acts against the panel, and counts the cookies that it got to see."""

    def __init__(self, panel: str, cookies: list[str], *args: object) -> None:
        self._panel, self._cookies = panel, cookies
        super().__init__(*args)  # type: ignore[arg-type] # what the server hands on

    def do_GET(self) -> None:
        self._cookies.append(self.headers.get("Cookie", ""))
        page = (
            f'<!DOCTYPE html><title>other</title><iframe id="frame" src="{self._panel}/"></iframe>'
            f'<form id="pause" method="post" action="{self._panel}/system/pause"></form>'
            f'<form id="text" method="post" enctype="text/plain" action="{self._panel}/accounts/create">'
            '<input name="name" value="mallory"><input name="role" value="admin"></form>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def sites(appliance: Appliance, tmp_path: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield addresses of the other site, and the cookies that came to it."""
    panel, cookies = f"https://127.0.0.1:{appliance.port}", list[str]()
    addresses, servers = {}, []
    for name, host, context in (
        ("plain, same host", "127.0.0.1", None),
        ("secure, same host", "127.0.0.1", self_signed(tmp_path)),
        ("secure, other name", "localhost", self_signed(tmp_path, "localhost")),
    ):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, panel, cookies))
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        addresses[name] = f"{'https' if context else 'http'}://{host}:{server.server_port}/"
    yield addresses, cookies
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def browser(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Yield a browser in which the admin is logged in."""
    with chromium(tmp_path_factory.mktemp("profile")) as chrome:
        chrome.get(f"https://127.0.0.1:{appliance.port}/login")
        fill_in(chrome, name=NAME, password=PASSWORD)
        submit(chrome)
        wait_until(lambda: chrome.current_url == f"https://127.0.0.1:{appliance.port}/", 20, "the login")
        yield chrome


def test_the_browser_keeps_the_cookie_from_scripts_and_other_hosts(appliance: Appliance, browser: Chrome) -> None:
    browser.get(f"https://127.0.0.1:{appliance.port}/me")
    cookie = browser.get_cookie("__Host-nightjar")
    assert cookie is not None
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, True, "Strict", "/")
    assert cookie["domain"] == "127.0.0.1", "of this host alone: no leading dot"
    assert browser.execute_script("return document.cookie") == ""
    kept = browser.execute_script("return JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert cookie["value"] not in kept


ACTS = {
    "form": "document.getElementById('pause').submit(); done()",
    "form as text": "document.getElementById('text').submit(); done()",
    "fetch": (
        "fetch(panel + '/api/v1/camera/pause', {method: 'POST', mode: 'no-cors', credentials: 'include'}).then(done, done)"
    ),
    "fetch of text": (
        "fetch(panel + '/api/v1/settings', {method: 'POST', mode: 'no-cors', credentials: 'include',"
        " headers: {'Content-Type': 'text/plain'}, body: '{}'}).then(done, done)"
    ),
    "put": "fetch(panel + '/api/v1/settings', {method: 'PUT', credentials: 'include', body: '{}'}).then(done, done)",
    "beacon": "navigator.sendBeacon(panel + '/system/pause', 'x'); setTimeout(done, 500)",
}


@pytest.mark.parametrize("where", ["plain, same host", "secure, same host", "secure, other name"])
def test_another_origin_changes_nothing_and_reads_nothing(
    appliance: Appliance, browser: Chrome, sites: tuple[dict[str, str], list[str]], where: str
) -> None:
    addresses, _ = sites
    admin, panel = admin_of(appliance), f"https://127.0.0.1:{appliance.port}"
    before, settings = len(admin.audit()), admin.settings()
    for act in ACTS.values():
        browser.get(addresses[where])
        browser.execute_async_script(f"const [panel, done] = arguments; {act}", panel)
    browser.get(addresses[where])
    read = "const [url, done] = arguments; fetch(url, {credentials: 'include'}).then(r => r.text()).then(done, () => done(null))"
    for path in ("/api/v1/settings", "/me", "/latest.jpg", "/static/logo.svg"):
        assert browser.execute_async_script(read, panel + path) is None, path
    assert (len(admin.audit()), admin.settings()) == (before, settings)
    browser.get(panel + "/me")
    assert "Log out" in browser.page_source, "the session itself is whole"


@pytest.mark.parametrize("where", ["plain, same host", "secure, same host", "secure, other name"])
def test_a_frame_of_another_origin_stays_empty(browser: Chrome, sites: tuple[dict[str, str], list[str]], where: str) -> None:
    browser.get(sites[0][where])
    browser.switch_to.frame("frame")
    assert "Nightjar" not in browser.page_source
    assert not browser.find_elements("tag name", "main")
    browser.switch_to.default_content()


def test_the_same_act_from_the_panels_own_page_is_done(appliance: Appliance, browser: Chrome) -> None:
    """So that the refusals above are not those of a request that nobody could make."""
    admin = admin_of(appliance)
    before = len(admin.audit())
    browser.get(f"https://127.0.0.1:{appliance.port}/me")
    token = re.findall(r'name="csrf" value="([^"]+)"', browser.page_source)[0]
    asked = (
        "const [token, done] = arguments; fetch('/api/v1/camera/resume', {method: 'POST', headers: {'X-CSRF-Token': token}})"
        ".then(r => done(r.status), done)"
    )
    assert browser.execute_async_script(asked, token) == 202
    assert len(admin.audit()) == before + 1


def test_the_cookie_goes_to_no_other_name_but_ports_do_not_part_cookies(
    browser: Chrome, sites: tuple[dict[str, str], list[str]]
) -> None:
    """The second half is how browsers are: it shows that the acts above were refused although they carried the session."""
    addresses, cookies = sites
    browser.get(addresses["secure, other name"])
    assert set(cookies) == {""}
    cookies.clear()
    browser.get(addresses["secure, same host"])
    assert any(cookie.startswith("__Host-nightjar=") for cookie in cookies)
