"""A real browser: headless Chromium from Debian, with a fresh profile and a log of what it complains about."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-default-browser-check",
)  # fmt: skip


@contextmanager
def chromium(profile: Path, *, width: int = 1280, height: int = 900, trusts_anything: bool = True) -> Iterator[Chrome]:
    """Start Chromium with a viewport of this size."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.accept_insecure_certs = trusts_anything
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        resize(browser, width, height)
        yield browser
    finally:
        browser.quit()


def resize(browser: Chrome, width: int, height: int = 900) -> None:
    """Set the size of the viewport, also to widths below that of a window."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def complaints(browser: Chrome) -> list[str]:
    """Return what the browser's console said since the last time: violations of the policy, failed loads, errors of scripts."""
    entries = browser.get_log("browser")  # type: ignore[no-untyped-call] # Selenium types all but this
    return [json.dumps(entry["message"]) for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def fill_in(browser: Chrome, **fields: str) -> None:
    """Type into fields by their names."""
    for name, text in fields.items():
        place = browser.find_element(By.NAME, name)
        place.clear()
        place.send_keys(text)


def submit(browser: Chrome) -> None:
    """Press the page's main button."""
    browser.find_element(By.CSS_SELECTOR, "button.primary[type=submit]").click()
