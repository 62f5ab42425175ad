"""A real browser at the panel: claim, login, a live picture that changes, no page with a complaint, other sites kept out."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from appliance.domain.frame import CameraStatus
from appliance.web.routes import Style, table
from tests.integration.web.browser import chromium, complaints, fill_in, resize, submit
from tests.integration.web.conftest import RunningPanel
from tests.unit.web.world import ADMIN, PASSWORD, fill

pytestmark = pytest.mark.needs("chromium", "chromedriver")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with chromium(tmp_path / "profile") as made:
        yield made


def until(what: Callable[[], object], seconds: float = 15.0) -> object:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        threading.Event().wait(0.1)
    raise AssertionError("it did not come about")


def log_in(browser: Chrome, running: RunningPanel) -> None:
    browser.get(f"{running.address}/login")
    fill_in(browser, name=ADMIN, password=PASSWORD)
    submit(browser)
    until(lambda: browser.current_url == f"{running.address}/")


def picture(browser: Chrome) -> str:
    return browser.find_elements(By.CSS_SELECTOR, "[data-stage] img.sky")[-1].get_attribute("src") or ""


def test_claim_login_and_a_live_picture_that_changes(running: RunningPanel, browser: Chrome) -> None:
    browser.get(running.address)
    assert browser.current_url.endswith("/claim")
    fill_in(browser, code=running.world.parts.gate.setup_code() or "", name="Ada", password=PASSWORD, again=PASSWORD)
    submit(browser)
    until(lambda: "/login" in browser.current_url)
    fill_in(browser, name="ada", password=PASSWORD)
    submit(browser)
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "[data-empty]"))

    now = datetime.now(UTC)
    first = running.world.add_frame(now, number=1)
    running.world.camera.publish(CameraStatus("exposing", "Sky", next_expected_at=now + timedelta(seconds=2)))
    browser.refresh()
    assert picture(browser).endswith(f"/{first.id}.jpg")
    second = running.world.add_frame(now + timedelta(seconds=15), number=2)
    running.world.camera.publish(CameraStatus("waiting", "Sky", next_expected_at=now + timedelta(seconds=60)))
    until(lambda: picture(browser).endswith(f"/{second.id}.jpg"))
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, "[data-stage] img.sky")) == 1)
    assert browser.find_element(By.CSS_SELECTOR, "[data-key=state]").text.lower() == "waiting"
    assert re.match(r"Next picture in \d+ s", browser.find_element(By.CSS_SELECTOR, "[data-key=next]").text)
    exposure = browser.find_element(By.CSS_SELECTOR, "[data-key=exposure]").text
    browser.refresh()
    assert browser.find_element(By.CSS_SELECTOR, "[data-key=exposure]").text == exposure, "script and server write alike"
    assert complaints(browser) == []


def test_the_live_view_says_when_the_appliance_is_gone_and_recovers(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    running.world.add_frame(datetime.now(UTC), number=1)
    running.world.camera.publish(CameraStatus("waiting", next_expected_at=datetime.now(UTC) + timedelta(seconds=1)))
    log_in(browser, running)
    note = browser.find_element(By.CSS_SELECTOR, ".lost")
    assert not note.is_displayed()
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    until(note.is_displayed, 30)
    back = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", back)
    until(lambda: not note.is_displayed(), 40)


def test_no_page_makes_the_browser_complain_or_scroll_sideways(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    night = fill(running.world)[0].night
    log_in(browser, running)
    names = {"/frames/<number>": "/frames/1", "/help/<name>": "/help/settings"}
    found = [
        names.get(e.path, e.path).replace("<night>", str(night)) for e in table() if e.style is Style.PAGE and e.method == "GET"
    ]
    targets = [target for target in found if "<" not in target and target != "/audit/export"]
    assert len(targets) > 15
    for target in targets:
        for width in (360, 1280):
            resize(browser, width)
            browser.get(running.address + target)
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{target} is {wide} px wide on a screen of {width}"
        assert complaints(browser) == [], target


def test_the_policy_stops_scripts_styles_and_markup_that_are_not_ours(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    browser.get(f"{running.address}/login")
    complaints(browser)
    browser.execute_script(
        "const s = document.createElement('style'); s.textContent = 'body { display: none }'; document.head.append(s);"
        "const i = new Image(); i.src = 'https://example.invalid/x.png'; document.body.append(i);"
    )
    said = until(lambda: [text for text in complaints(browser) if "Content Security Policy" in text])
    assert said
    assert browser.find_element(By.TAG_NAME, "h1").is_displayed()
    with pytest.raises(Exception, match="TrustedHTML"):
        browser.execute_script("document.body.innerHTML = '<b>x</b>'")


def test_red_light_stays_over_pages_and_restarts_of_the_page(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    log_in(browser, running)
    browser.find_element(By.CSS_SELECTOR, "[data-mode-switch]").click()
    browser.get(f"{running.address}/system")
    assert browser.execute_script("return document.documentElement.dataset.mode") == "red"
    browser.find_element(By.CSS_SELECTOR, "[data-mode-switch]").click()
    browser.refresh()
    assert browser.execute_script("return document.documentElement.dataset.mode") is None


def test_a_setting_is_changed_with_a_review(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    log_in(browser, running)
    browser.get(f"{running.address}/settings")
    fill_in(browser, **{"camera.duration_max_s": "20", "image.label": "{site} at night"})
    submit(browser)
    assert "Camera: Longest exposure" in browser.find_element(By.TAG_NAME, "main").text
    submit(browser)
    until(lambda: "done=saved" in browser.current_url)
    settings = running.world.parts.settings.published.value
    assert (settings.camera.duration_max_s, settings.image.label) == (20.0, "{site} at night")
    assert settings.image.stretch, "what was not touched stays"


def painted(browser: Chrome) -> str:
    """Return the address of the picture that the public page shows, once it is painted."""
    script = "const p = document.querySelector('#fresh img.sky'); return p && p.complete && p.naturalWidth > 0 ? p.src : ''"
    return str(browser.execute_script(script))


def test_the_public_page_fits_shows_the_next_picture_by_itself_and_goes_when_it_is_closed(
    running: RunningPanel, browser: Chrome
) -> None:
    world = running.world
    world.claim()
    world.set_public(False, page=True)
    frame = fill(world)[0]
    for name in ("startrail.jpg", "keogram.jpg"):
        world.parts.products.write(frame.night, name, world.parts.frames.picture_path(frame).read_bytes())
    for width in (1280, 360):
        resize(browser, width)
        browser.get(f"{running.address}/public")
        until(lambda: painted(browser))
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    world.camera.publish(CameraStatus("exposing", "Sky", next_expected_at=datetime.now(UTC) + timedelta(seconds=2)))
    browser.refresh()
    first = str(until(lambda: painted(browser)))
    world.add_frame(datetime.now(UTC) + timedelta(seconds=15), night=frame.night, number=9)
    second = str(until(lambda: painted(browser) not in ("", first) and painted(browser)))
    assert re.fullmatch(rf"{re.escape(running.address)}/latest\.jpg\?at=\d+", second)
    assert complaints(browser) == []
    world.camera.publish(CameraStatus("exposing", "Sky", next_expected_at=datetime.now(UTC) + timedelta(seconds=1)))
    browser.refresh()
    world.set_public(False)
    until(lambda: browser.current_url == f"{running.address}/login?next=/public")


class _OtherSite(BaseHTTPRequestHandler):
    """A site of somebody else, which tries to act with the visitor's session."""

    def __init__(self, panel: str, *args: object) -> None:
        self._panel = panel
        super().__init__(*args)  # type: ignore[arg-type] # what the server hands on

    def do_GET(self) -> None:
        page = (
            f'<!DOCTYPE html><title>other</title><iframe id="f" src="{self._panel}/"></iframe>'
            f'<form id="post" method="post" action="{self._panel}/system/pause"><button id="b">x</button></form>'
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def other_site(running: RunningPanel) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_OtherSite, running.address))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_site_can_neither_act_nor_frame(running: RunningPanel, browser: Chrome, other_site: str) -> None:
    running.world.claim()
    log_in(browser, running)
    browser.get(other_site)
    browser.switch_to.frame("f")
    assert "Log out" not in browser.page_source
    assert not browser.find_elements(By.CSS_SELECTOR, "main")
    browser.switch_to.default_content()
    browser.find_element(By.ID, "b").click()
    until(lambda: browser.current_url.startswith(running.address))
    assert len(running.world.commands) == 0
    browser.get(other_site)
    script = (
        "const [panel, done] = arguments; const asked = {credentials: 'include'};"
        "fetch(panel + '/api/v1/camera/pause', {...asked, method: 'POST', mode: 'no-cors'})"
        ".then(() => fetch(panel + '/api/v1/latest', asked)).then(() => done('read'), () => done('refused'))"
    )
    assert browser.execute_async_script(script, running.address) == "refused"
    assert len(running.world.commands) == 0


_READ = "const [url, how, done] = arguments; fetch(url, how).then(a => a.ok && a.text()).then(t => done(!!t), () => done(false))"
_SHOW = (
    "const [url, done] = arguments; const i = new Image();"
    "i.onload = () => done(i.naturalWidth > 0); i.onerror = () => done(false); i.src = url"
)


def test_another_site_shows_and_reads_what_is_public_and_nothing_else(
    running: RunningPanel, browser: Chrome, other_site: str
) -> None:
    running.world.claim()
    frame = fill(running.world)[-1]
    keogram = running.world.parts.frames.picture_path(frame).read_bytes()
    running.world.parts.products.write(frame.night, "keogram.jpg", keogram)
    log_in(browser, running)
    product = f"/public/nights/{frame.night}/keogram.jpg"

    def tried() -> dict[str, tuple[bool, bool, bool]]:
        """Return for each address whether it can be shown, read, and read with the login of whoever sits there."""
        browser.get(other_site)
        return {
            path: (
                bool(browser.execute_async_script(_SHOW, running.address + path)),
                bool(browser.execute_async_script(_READ, running.address + path, {})),
                bool(browser.execute_async_script(_READ, running.address + path, {"credentials": "include"})),
            )
            for path in ("/latest.jpg", "/feed.json", product, f"/media/frames/{frame.id}.jpg", "/public", "/")
        }

    nothing = (False, False, False)
    assert set(tried().values()) == {nothing}
    running.world.set_public(False, page=True)
    assert tried() == {
        "/latest.jpg": (True, True, False),
        "/feed.json": (False, True, False),  # it is no picture
        product: (True, False, False),
        f"/media/frames/{frame.id}.jpg": nothing,
        "/public": nothing,
        "/": nothing,
    }
