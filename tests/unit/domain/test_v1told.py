"""What an indi-allsky tells: its own keys and values, and everything out of bounds."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.peer import Announced, Key, Numbers, ThingKind, metadata_of, parse_metadata
from appliance.domain.syncv1 import V1Kind, check_user, kind_of_word, parse_network
from appliance.domain.v1told import parse_v1_camera, parse_v1_thing

CAMERA = "2f1c8a34-53c9-4d7e-9a3e-0d4f6a1b2c3d"
IMAGE: dict[str, Any] = {
    "type": 2, "createDate": 1769893215, "dayDate": "20260131", "utc_offset": 3600.0, "exposure": 12.5, "exp_elapsed": 12.61,
    "gain": 210.0, "binmode": 1, "temp": -6.7, "adu": 5006.2, "stable": True, "moonmode": False, "moonphase": 98.4, "night": True,
    "sqm": 5007.8, "adu_roi": False, "calibrated": True, "stars": 321, "detections": 0, "process_elapsed": 1.2, "kpindex": 2.33,
    "ovation_max": 3, "smoke_rating": 1, "height": 1080, "width": 1920, "keogram_pixels": [[1, 2, 3]] * 5, "camera_uuid": CAMERA,
    "data": {"uptime": 1000, "camera_sqm_raw_mag": 20.75, "sensor_temp_0": -6.7}, "fileSize": 7, "file_size": 7,
}  # fmt: skip
VIDEO: dict[str, Any] = {
    "type": 3, "createDate": 1769950000, "utc_offset": 3600.0, "dayDate": "20260131", "night": True, "framerate": 25,
    "frames": 900, "camera_uuid": CAMERA, "data": {"max_kpindex": None}, "file_size": 9,
}  # fmt: skip


def image(**changes: object) -> bytes:
    return json.dumps({**IMAGE, **changes}).encode()


def test_a_picture_has_its_second_for_a_number() -> None:
    thing = parse_v1_thing(V1Kind.IMAGE, image())
    at = datetime(2026, 1, 31, 21, 0, 15, tzinfo=UTC)
    exposure = Exposure(FrameKind.LIGHT, 12.5, 210.0, 1)
    numbers = Numbers(at, exposure, Measurement(5006.2, 0.0, 321, 20.75), -6.7)
    assert (thing.camera, thing.made_s, thing.size, thing.numbers) == (CAMERA, 1769893215, 7, numbers)
    assert thing.key == Key(ThingKind.FRAME, NightId("2026-01-31"), "1769893215")


def test_what_is_read_here_can_be_stored_and_read_again() -> None:
    thing = parse_v1_thing(V1Kind.IMAGE, image())
    assert thing.key is not None
    announced = Announced(thing.key, 7, "0" * 64, thing.numbers)
    assert parse_metadata(thing.key, metadata_of(announced)) == announced


@pytest.mark.parametrize(
    ("made_s", "offset_s", "night"),
    [
        (1769857200 - 1, 3600, "2026-01-30"),  # a second before noon in Vienna
        (1769857200, 3600, "2026-01-31"),
        (1769857200, -8 * 3600, "2026-01-30"),
        (1769857200, 14 * 3600, "2026-01-31"),
    ],
)
def test_a_night_goes_from_noon_to_noon_at_the_sender(made_s: int, offset_s: int, night: str) -> None:
    thing = parse_v1_thing(V1Kind.IMAGE, image(createDate=made_s, utc_offset=offset_s))
    assert thing.key is not None
    assert thing.key.night == NightId(night)


def test_by_day_no_stars_were_counted_and_gaps_are_gaps() -> None:
    told = image(night=False, temp=None, data={"camera_sqm_raw_mag": 0.0})
    numbers = parse_v1_thing(V1Kind.IMAGE, told).numbers
    assert numbers is not None
    assert (numbers.measurement.stars, numbers.measurement.sky_mag_arcsec2, numbers.sensor_temperature_c) == (None, None, None)
    assert parse_v1_thing(V1Kind.IMAGE, image(temp=float("nan"), data=None)).numbers is not None


@pytest.mark.parametrize(
    ("kind", "is_night", "place"),
    [
        (V1Kind.KEOGRAM, True, (ThingKind.PRODUCT, "keogram")), (V1Kind.KEOGRAM, False, None),
        (V1Kind.STARTRAIL, True, (ThingKind.PRODUCT, "startrail")), (V1Kind.VIDEO, True, (ThingKind.FILM, "night")),
        (V1Kind.VIDEO, False, (ThingKind.FILM, "day")), (V1Kind.STARTRAIL_VIDEO, True, (ThingKind.FILM, "startrail")),
        (V1Kind.MINI_VIDEO, True, None), (V1Kind.PANORAMA_IMAGE, True, None), (V1Kind.RAW_IMAGE, True, None),
        (V1Kind.THUMBNAIL, True, None),
    ],
)  # fmt: skip
def test_everything_else_has_its_place_or_none(kind: V1Kind, is_night: bool, place: tuple[ThingKind, str] | None) -> None:
    thing = parse_v1_thing(kind, json.dumps({**VIDEO, "night": is_night}).encode())
    assert thing.numbers is None
    assert thing.key == (None if place is None else Key(place[0], NightId("2026-01-31"), place[1]))


@pytest.mark.parametrize(
    "changes",
    [
        {"createDate": "1769893215"},
        {"createDate": -1},
        {"createDate": 1e300},
        {"createDate": float("nan")},
        {"createDate": True},
        {"createDate": None},
        {"utc_offset": 60_000},
        {"utc_offset": None},
        {"file_size": -1},
        {"file_size": 1 << 31},
        {"file_size": None},
        {"exposure": -1},
        {"exposure": float("inf")},
        {"gain": "much"},
        {"binmode": 0},
        {"adu": 1e9},
        {"night": "yes"},
        {"night": None},
        {"stars": -1},
        {"camera_uuid": "../../etc"},
        {"camera_uuid": None},
        {"camera_uuid": 5},
    ],
)
def test_a_value_out_of_bounds_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        parse_v1_thing(V1Kind.IMAGE, image(**changes))


@pytest.mark.parametrize("day", [None, "2026-01-31", "20260231", "2026013", "\uff12\uff10\uff12\uff160131", 20260131])
def test_a_day_that_is_none_is_refused(day: object) -> None:
    with pytest.raises(InputError):
        parse_v1_thing(V1Kind.VIDEO, json.dumps({**VIDEO, "dayDate": day}).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 60_000, b"{}", b'"' + b"x" * 70_000 + b'"'])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    for parse in (parse_v1_camera, lambda data: parse_v1_thing(V1Kind.IMAGE, data)):
        with pytest.raises(InputError):
            parse(text)


@given(
    st.dictionaries(st.sampled_from(sorted(IMAGE)), st.one_of(st.none(), st.floats(), st.integers(), st.text(), st.booleans()))
)
def test_any_values_are_taken_in_bounds_or_refused(changes: dict[str, object]) -> None:
    for kind in V1Kind:
        try:
            thing = parse_v1_thing(kind, image(**changes))
        except InputError:
            continue
        if thing.key is not None:
            announced = Announced(thing.key, 1, "0" * 64, thing.numbers)
            assert parse_metadata(thing.key, metadata_of(announced)) == announced


def test_a_camera_has_a_name_that_people_can_read() -> None:
    told = {"type": 1, "uuid": CAMERA.upper(), "name": "ZWO CCD ASI290MM", "friendlyName": "Ga\x1brden", "file_size": 0}
    found = parse_v1_camera(json.dumps(told).encode())
    assert (found.uuid, found.name) == (CAMERA, "Garden")
    assert parse_v1_camera(json.dumps({**told, "friendlyName": None}).encode()).name == "ZWO CCD ASI290MM"
    for changes in ({"uuid": "x"}, {"uuid": None}, {"name": None, "friendlyName": ""}, {"friendlyName": ["x"]}):
        with pytest.raises(InputError):
            parse_v1_camera(json.dumps({**told, **changes}).encode())


def test_users_networks_and_words() -> None:
    assert check_user(" attic-1 ") == "attic-1"
    for user in ("", "a b", "a:b", "ä", "x" * 61):
        with pytest.raises(InputError):
            check_user(user)
    assert str(parse_network("192.168.1.20")) == "192.168.1.20/32"
    assert str(parse_network(" 192.168.1.0/24 ")) == "192.168.1.0/24"
    assert str(parse_network("2001:db8::1")) == "2001:db8::1/128"
    for network in ("", "0.0.0.0/0", "10.0.0.0/8", "192.168.1.20/24", "::/0", "2001:db8::/32", "sky.example", "1.2.3"):
        with pytest.raises(InputError):
            parse_network(network)
    assert kind_of_word("image") is V1Kind.IMAGE
    assert kind_of_word("../image") is None
