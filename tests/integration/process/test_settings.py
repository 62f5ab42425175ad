"""Settings in the whole program: a change shows in the next frame, a bad value is refused, an older revision returns."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
import simplejpeg

from tests.integration.process.appliance import Appliance, wait_until

pytestmark = [pytest.mark.needs("indiserver"), pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def claimed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    with Appliance(tmp_path_factory.mktemp("settings") / "data") as appliance:
        appliance.claim()
        appliance.set("camera", period_s="1", duration_max_s="0.2")
        appliance.wait_for_new_frame()
        yield appliance


def _label_pixels(appliance: Appliance) -> int:
    """Return how many pixels of the label's corner are as bright as letters."""
    answer = appliance.get("/latest.jpg")
    assert answer.status == 200
    picture = simplejpeg.decode_jpeg(answer.body, colorspace="GRAY")
    return int(np.count_nonzero(picture[:120, :500] > 200))


def test_a_changed_exposure_limit_is_obeyed_by_the_next_frame(claimed: Appliance) -> None:
    claimed.set("camera", is_automatic="false", duration_s="0.05")
    wait_until(lambda: _latest(claimed)["exposure_s"] == 0.05, 30, "the wanted exposure")
    claimed.set("camera", duration_s="0.11")
    wait_until(lambda: _latest(claimed)["exposure_s"] == 0.11, 30, "the other exposure")


def test_a_changed_label_shows_in_the_next_frame(claimed: Appliance) -> None:
    claimed.set("image", label='""', stretch="false")
    claimed.wait_for_new_frame()
    claimed.wait_for_new_frame()
    bare = _label_pixels(claimed)
    claimed.set("image", label='"MMMMMMMM"')
    claimed.wait_for_new_frame()
    claimed.wait_for_new_frame()
    assert _label_pixels(claimed) > bare + 500


def test_a_bad_value_is_refused_with_its_reason_and_changes_nothing(claimed: Appliance) -> None:
    before = claimed.get("/api/v1/settings").json()
    answer = claimed.put(
        "/api/v1/settings", {**before, "camera": {**before["camera"], "binning": 99}, "image": {"label": "{ts.__class__}"}}
    )
    assert answer.status == 422 or answer.status == 400
    assert b"camera.binning" in answer.body
    assert b"image.label" in answer.body
    assert b"Traceback" not in answer.body
    assert claimed.get("/api/v1/settings").json() == before


def test_an_older_revision_returns(claimed: Appliance) -> None:
    claimed.set("site", name='"First"')
    claimed.set("site", name='"Second"')
    page = claimed.get("/settings/revisions").body.decode()
    numbers = sorted({int(number) for number in re.findall(r"/settings/revisions/(\d+)", page)})
    assert len(numbers) >= 2
    answer = claimed.post(f"/settings/revisions/{numbers[-2]}/restore")
    assert answer.status == 303, answer.body
    assert claimed.get("/api/v1/settings").json()["site"]["name"] == "First"


def _latest(appliance: Appliance) -> dict[str, float]:
    frame: dict[str, float] = json.loads(appliance.get("/api/v1/latest").body)["frame"]
    return frame
