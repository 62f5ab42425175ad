"""The page of USB sticks in a real browser: it follows an export by itself, and leaves somebody's form alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from appliance.domain.foundbackup import FIND_JOB, FoundBackup, FoundBackups
from appliance.domain.job import JobState
from appliance.domain.stick import JOB_KIND, StickState
from tests.integration.web.browser import chromium, complaints, resize
from tests.integration.web.conftest import RunningPanel
from tests.integration.web.test_browser import log_in, until
from tests.unit.web.test_usb import a_stick
from tests.unit.web.world import fill

pytestmark = pytest.mark.needs("chromium", "chromedriver")

LONG_S = 90.0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


def says(browser: Chrome, words: str) -> None:
    # In one go: the page may put another part in the place of the one that was just found.
    until(lambda: words in str(browser.execute_script("return document.querySelector('main')?.innerText")), LONG_S)


def test_an_export_is_followed_from_plugging_in_to_safe_to_remove(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    parts = running.world.parts
    log_in(browser, running)
    browser.get(f"{running.address}/usb")
    says(browser, "No stick is plugged in")
    job = parts.jobs.queue(JOB_KIND, "{}")
    parts.jobs.start(job.id, "Night 2026-01-31")
    stick = a_stick(state=StickState.EXPORTING, job_id=job.id, is_safe_to_remove=False)
    parts.sticks.publish((stick,))
    says(browser, "HOLIDAY")
    browser.execute_script("document.body.dataset.untouched = 'yes';")
    parts.jobs.update(job.id, done=250_000_000, total=1_000_000_000, eta_s=130, message="Night 2026-01-30")
    says(browser, "250 MB of 1.0 GB, about 2 min 10 s left")
    says(browser, "Night 2026-01-30")
    bar = browser.find_element(By.CSS_SELECTOR, f'[data-key="share-{job.id}"]')
    assert float(str(bar.get_property("value"))) == pytest.approx(0.25)
    assert browser.execute_script("return document.body.dataset.untouched") == "yes", "the bar moves without loading"
    parts.jobs.finish(job.id, JobState.DONE, "12 files were copied.")
    parts.sticks.publish((replace(stick, state=StickState.DONE, is_safe_to_remove=True, reason="12 files were copied."),))
    says(browser, "safe to remove")
    assert complaints(browser) == []


def test_a_form_that_somebody_fills_in_is_not_taken_away(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    fill(running.world)
    running.world.parts.sticks.publish((a_stick(),))
    log_in(browser, running)
    browser.get(f"{running.address}/usb")
    browser.find_element(By.ID, "films").click()
    browser.execute_script(
        "window.asked = 0; const real = fetch; window.fetch = (...a) => { window.asked++; return real(...a); };"
    )
    running.world.parts.sticks.publish((a_stick(), a_stick("5555-6666", label="ANOTHER")))
    until(lambda: int(browser.execute_script("return window.asked")) >= 6, LONG_S)
    assert not browser.find_element(By.ID, "films").is_selected()
    assert "ANOTHER" not in browser.find_element(By.TAG_NAME, "main").text
    browser.execute_script("document.activeElement.blur();")
    says(browser, "ANOTHER")


def test_a_look_for_backups_is_followed_until_they_are_listed(running: RunningPanel, browser: Chrome) -> None:
    running.world.claim()
    parts = running.world.parts
    parts.sticks.publish((a_stick(),))
    log_in(browser, running)
    browser.get(f"{running.address}/backup")
    complaints(browser)  # of another test's page, whose panel has ended
    browser.find_element(By.XPATH, "//button[contains(., 'Look for backups on HOLIDAY')]").click()
    says(browser, "It waits for its turn.")
    browser.execute_script("document.body.dataset.untouched = 'yes';")
    [(job, _)] = parts.jobs.waiting(FIND_JOB)
    parts.jobs.finish(job.id, JobState.DONE, "")
    backup = FoundBackup(0, "nightjar-roof.nightjar-backup", "", 8_400, datetime(2026, 1, 31, 22, 15, tzinfo=UTC), "0" * 64)
    parts.found_backups.publish(FoundBackups("1 backup found on the stick.", backups=(backup,)))
    says(browser, "nightjar-roof.nightjar-backup")
    says(browser, "8.4 kB, 2026-01-31 22:15:00, at the top of the stick")
    assert browser.execute_script("return document.body.dataset.untouched") == "yes", "the list comes without loading"
    assert browser.find_element(By.ID, "found-0").is_selected()
    for width in (360, 1280):
        resize(browser, width)
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert complaints(browser) == []
