"""The numbers of a frame as a document."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from appliance.domain.frame import Exposure, FrameKind, Measurement, StoredFrame
from appliance.domain.night import NightId
from appliance.uploads.topics import picture_in, state_of

FRAME = StoredFrame(
    id=1234,
    night=NightId("2026-01-31"),
    exposure=Exposure(FrameKind.LIGHT, 30.0, 120.0),
    started_at=datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC),
    width=3040,
    height=3040,
    measurement=Measurement(1234.5, 0.25),
    picture_name="nights/2026-01-31/pictures/20260131T210015Z-1234.jpg",
    thumb_name="",
    picture_bytes=1,
)


def test_what_nobody_has_measured_is_left_out() -> None:
    state = {
        "picture": "20260131T210015Z-1234.jpg",
        "frame": 1234,
        "night": "2026-01-31",
        "started_at": "2026-01-31T21:00:15+00:00",
        "site": "Höhe",
        "exposure_s": 30.0,
        "gain": 120.0,
        "mean_adu": 1234.5,
        "saturated_fraction": 0.25,
    }
    assert json.loads(state_of(FRAME, "Höhe")) == state
    measured = replace(FRAME, measurement=Measurement(math.nan, 0.25, 0, 21.5), sensor_temperature_c=0.0)
    found = json.loads(state_of(measured, "Höhe"))
    assert "mean_adu" not in found
    assert (found["stars"], found["sky_mag_arcsec2"], found["sensor_temperature_c"]) == (0, 21.5, 0.0)


def test_a_state_tells_its_picture() -> None:
    assert picture_in(state_of(FRAME, "")) == "20260131T210015Z-1234.jpg"


@pytest.mark.parametrize("untrusted", [b"", b"\xff\xfe", b"7", b"[]", b"{}", b'{"picture": 7}', b"[" * 5000])
def test_a_state_that_is_none_names_nothing(untrusted: bytes) -> None:
    assert picture_in(untrusted) == ""
