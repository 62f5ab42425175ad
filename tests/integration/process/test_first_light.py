"""First light as a newcomer sees it: `./build.sh run`, claim and login in a real browser, a live picture that changes."""

import queue
import re
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray
from selenium.webdriver.common.by import By

from tests.integration.process.appliance import NAME, PASSWORD, ROOT, Appliance, wait_until
from tests.integration.web.browser import chromium, complaints, fill_in, submit

pytestmark = [pytest.mark.needs("indiserver", "chromium", "chromedriver"), pytest.mark.timeout(300)]


def _lines(process: "subprocess.Popen[str]") -> "queue.Queue[str]":
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                lines.put(line.strip())

    threading.Thread(target=read, daemon=True).start()
    return lines


@pytest.mark.parametrize("camera", ["sky", "ccd"])
def test_run_claim_log_in_and_watch_the_sky_develop(tmp_path: Path, camera: str) -> None:
    log = (tmp_path / "log.txt").open("wb")
    process = subprocess.Popen(
        [str(ROOT / "build.sh"), "run", "--camera", camera, "--port", "0", "--data", str(tmp_path / "data")],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        lines = _lines(process)
        panel = re.fullmatch(r"panel: (https://127\.0\.0\.1:\d+)", lines.get(timeout=60))
        code = re.fullmatch(r"setup code: ([0-9A-Z]{4}(?:-[0-9A-Z]{4}){2})", lines.get(timeout=60))
        assert panel
        assert code
        with chromium(tmp_path / "profile") as browser:
            browser.get(panel[1])
            fill_in(browser, code=code[1], name=NAME, password=PASSWORD, again=PASSWORD)
            submit(browser)
            wait_until(lambda: "/login" in browser.current_url, 15, "the login page")
            fill_in(browser, name=NAME, password=PASSWORD)
            submit(browser)
            seen: set[str] = set()

            def looks() -> bool:
                seen.update(
                    image.get_attribute("src") or "" for image in browser.find_elements(By.CSS_SELECTOR, "[data-stage] img.sky")
                )
                return len(seen) >= 3

            wait_until(looks, 90, "a third picture without a reload")
            assert complaints(browser) == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        log.close()
        process.kill()
        process.wait(10)
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_an_accelerated_night_over_a_set_site_shows_stars_and_grows_keogram_and_star_trail(tmp_path: Path) -> None:
    with Appliance(tmp_path / "data", camera="sky", clock="2026-01-15T20:00:00+00:00@120") as appliance:
        appliance.claim()
        appliance.set("site", latitude_deg="48.2", longitude_deg="16.4")
        appliance.set("camera", period_s="60", duration_max_s="30")
        wait_until(lambda: _stars(appliance) > 50, 90, "stars")
        night = appliance.get("/api/v1/latest").json()["frame"]["night"]
        assert night == "2026-01-15"
        for _ in range(6):
            appliance.wait_for_new_frame()
        products = tmp_path / "data" / "nights" / night / "products"
        trail = products / "startrail.jpg"
        single = _picture(appliance.get("/latest.jpg").body)
        points = _bright(single)
        # Saved every few frames: the first trail that is saved may hold little but the first, short exposures.
        wait_until(
            lambda: trail.exists() and _bright(_picture(trail.read_bytes())) > max(100, 2 * points),
            120,
            "a trail of stars, longer than one picture's points; that it equals the maximum is proved frame by frame elsewhere",
        )
        assert _picture(trail.read_bytes()).shape == single.shape
        keogram = simplejpeg.decode_jpeg((products / "keogram.jpg").read_bytes(), colorspace="GRAY")
        assert keogram.shape[1] >= 4


def _picture(jpeg: bytes) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = simplejpeg.decode_jpeg(jpeg, colorspace="GRAY")
    return picture


def _bright(picture: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(picture > 90))


def _stars(appliance: Appliance) -> int:
    frame = appliance.get("/api/v1/latest").json()["frame"]
    return int(frame["stars"] or 0) if frame else 0
