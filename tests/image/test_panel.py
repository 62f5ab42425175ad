"""The card as its owner meets it: claimed over HTTPS with the code of SETUP.TXT, a simulated camera, a picture in the panel."""

import re
from typing import Any

import pytest

from appliance.imaging import codec
from tests.image.card import COMMANDS, Card
from tests.image.setuptext import setup_code, setup_text
from tests.integration.guest.machine import wait_for
from tests.integration.guest.panel import Panel

pytestmark = [pytest.mark.needs(*COMMANDS), pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def panel(card: Card) -> Panel:
    """Return the panel, claimed by whoever has SETUP.TXT."""
    made = Panel(card)
    made.meet(card, 900)
    code = setup_code(card)
    assert (
        made.post("/claim", code="0000-0000-0000", name="eve", password="a-long-winter-night", again="a-long-winter-night").status
        == 403
    )
    made.claim_with(code)
    return made


def test_the_code_is_gone_from_the_card_once_it_was_used(card: Card, panel: Panel) -> None:
    name = card.must("cat", "/proc/sys/kernel/hostname").strip()
    text = wait_for(
        lambda: (told := setup_text(card)) and "setup code" not in told.lower() and told, "SETUP.TXT to change", 600, 10
    )
    assert not re.search(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b", text)
    assert f"https://{name}.local" in text
    assert panel.get("/claim").status in {303, 404, 403}


@pytest.mark.parametrize("driver", ["indi_simulator_ccd", "nightjar-sky"])
def test_a_simulated_camera_brings_a_picture_into_the_panel(panel: Panel, driver: str) -> None:
    device = {"indi_simulator_ccd": "CCD Simulator", "nightjar-sky": "Nightjar Sky"}[driver]
    panel.set("camera", driver=f'"{driver}"', period_s="5", duration_max_s="1")

    def newest() -> dict[str, Any] | None:
        answer = panel.get("/api/v1/latest")
        told: dict[str, Any] = answer.json() if answer.status == 200 else {}
        return told if told.get("frame") and told["camera"]["device"] == device else None

    latest = wait_for(newest, f"a frame of {driver}", 1200, 3)
    picture = panel.get(latest["frame"]["picture_url"])
    assert picture.status == 200
    pixels = codec.decode(picture.body)
    assert pixels.shape[:2] == (latest["frame"]["height"], latest["frame"]["width"])
    assert pixels.std() > 1, "not one colour all over"
    assert latest["frame"]["picture_url"].encode() in panel.get("/").body
