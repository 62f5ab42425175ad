"""The machine's pages in a real browser: its own time is taken, and a machine that goes is waited for until it is back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from appliance.domain.commands import PowerOff, Reboot
from appliance.domain.power import PowerPhase, PowerState
from tests.integration.web.browser import chromium, complaints, submit
from tests.integration.web.conftest import RunningPanel
from tests.integration.web.test_browser import log_in, until
from tests.unit.web.machinery import FakeTimeAndDate

pytestmark = pytest.mark.needs("chromium", "chromedriver")

LONG_S = 90.0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        made.execute_cdp_cmd("Network.enable", {})
        yield made


def cut_off(browser: Chrome, *, is_cut_off: bool) -> None:
    """Take the panel away from the browser, or give it back."""
    rate = 0 if is_cut_off else -1
    conditions = {"offline": is_cut_off, "latency": 0, "downloadThroughput": rate, "uploadThroughput": rate}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)


def says(browser: Chrome, words: str) -> None:
    # In one go: the page may put another part in the place of the one that was just found.
    until(lambda: words in str(browser.execute_script("return document.querySelector('main')?.innerText")), LONG_S)


def test_the_browsers_time_is_shown_and_taken(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    log_in(browser, running)
    browser.get(f"{running.address}/machine/time")
    until(lambda: browser.find_element(By.CSS_SELECTOR, "[data-key=time-difference]").text == "less than a second", LONG_S)
    browser.execute_script("const now = Date.now; Date.now = () => now() + 3 * 86400e3 + 7200e3;")
    says(browser, "the browser is 3 d 2 h ahead")
    submit(browser)
    until(lambda: "done=time-set" in browser.current_url, LONG_S)
    clock = running.world.parts.time_and_date
    assert isinstance(clock, FakeTimeAndDate)
    [taken] = clock.done
    assert isinstance(taken, datetime)
    assert abs(taken - datetime.now(UTC) - timedelta(days=3, hours=2)) < timedelta(seconds=LONG_S)
    assert complaints(browser) == []


def test_a_restart_is_followed_until_the_panel_is_back(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    state = running.world.parts.power_state
    state.publish(PowerState(PowerPhase.STORING, Reboot(), "The running frame is stored first."))
    log_in(browser, running)
    browser.get(f"{running.address}/machine/going")
    says(browser, "The running frame is stored first.")
    state.publish(PowerState(PowerPhase.GOING, Reboot()))
    says(browser, "In about")
    cut_off(browser, is_cut_off=True)
    says(browser, "the machine is on its way")
    state.publish(PowerState(PowerPhase.RUNNING))
    cut_off(browser, is_cut_off=False)
    until(lambda: "done=back" in browser.current_url, LONG_S)
    says(browser, "The machine has started anew.")


def test_a_refused_restart_leads_to_the_reason(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    state = running.world.parts.power_state
    state.publish(PowerState(PowerPhase.STORING, Reboot(), "The running frame is stored first."))
    log_in(browser, running)
    browser.get(f"{running.address}/machine/going")
    state.publish(PowerState(PowerPhase.RUNNING, Reboot(), "The machine was not restarted: the rules say no."))
    until(lambda: browser.current_url.endswith("/machine"), LONG_S)
    says(browser, "the rules say no")


def test_a_machine_that_is_off_says_when_the_plug_may_be_pulled(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    running.world.parts.power_state.publish(PowerState(PowerPhase.GOING, PowerOff()))
    log_in(browser, running)
    browser.get(f"{running.address}/machine/going")
    says(browser, "The panel stops answering.")
    cut_off(browser, is_cut_off=True)
    says(browser, "so that everything is written")
    browser.execute_script("const now = performance.now.bind(performance); performance.now = () => now() + 61e3;")
    says(browser, "You can pull the plug now.")
    cut_off(browser, is_cut_off=False)
