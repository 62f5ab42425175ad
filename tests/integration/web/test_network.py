"""The network's pages in a real browser: a change is followed, and kept as soon as the page is reached with it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from appliance.domain.network import ChangePhase, KeepChange
from tests.integration.web.browser import chromium, complaints, resize
from tests.integration.web.conftest import RunningPanel
from tests.integration.web.test_browser import log_in, until
from tests.unit.web.networking import POINT, SITUATION

pytestmark = pytest.mark.needs("chromium", "chromedriver")

LONG_S = 90.0
PAGES = ("/network", "/network/join", "/network/addresses?card=eth0", "/network/point", "/network/trial")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


def test_the_pages_fit_a_phone_and_a_change_is_kept_by_the_page_that_is_reached_with_it(
    running: RunningPanel, browser: Chrome
) -> None:
    running.world.claim()
    parts = running.world.parts
    connecting = replace(SITUATION, point=POINT, phase=ChangePhase.CONNECTING, change="Addresses of eth0")
    parts.network_situation.publish(replace(SITUATION, point=POINT))
    log_in(browser, running)
    for path in PAGES:
        if path == "/network/trial":
            parts.network_situation.publish(connecting)
        for width in (360, 1280):
            resize(browser, width)
            browser.get(running.address + path)
            assert browser.execute_script("return window.innerWidth") == width
            assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), (path, width)
    until(lambda: browser.current_url.endswith("/network/trial"), LONG_S)
    assert parts.network_commands.take(0.0) is None, "it is not kept before it is connected"
    parts.network_situation.publish(replace(connecting, phase=ChangePhase.ON_TRIAL, left_s=80))
    until(lambda: "done=network-kept" in browser.current_url, LONG_S)
    assert parts.network_commands.take(1.0) == KeepChange()
    assert "The change is kept." in browser.find_element(By.TAG_NAME, "main").text
    assert complaints(browser) == []
