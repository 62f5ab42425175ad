"""What peers announce is read one way, or refused; what we announce is read back as it was."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.frame import Exposure, FrameKind, Measurement
from appliance.domain.night import NightId
from appliance.domain.peer import (
    LONGEST_METADATA,
    Announced,
    Key,
    Numbers,
    PeerLimits,
    ThingKind,
    check_name,
    metadata_of,
    parse_metadata,
)

NIGHT = NightId("2026-01-31")
FRAME = Key(ThingKind.FRAME, NIGHT, "12")
GOOD = {
    "sha256": "ab" * 32,
    "size": 1000,
    "started_at": "2026-01-31T22:15:30+00:00",
    "duration_s": 6.0,
    "gain": 40,
    "mean_adu": 900.5,
    "saturated_fraction": 0.01,
}


def read(**changed: object) -> Announced:
    return parse_metadata(FRAME, json.dumps({**GOOD, **changed}))


numbers = st.builds(
    Numbers,
    st.integers(0, 86_400_000_000).map(lambda after_us: datetime(2026, 1, 31, tzinfo=UTC) + timedelta(microseconds=after_us)),
    st.builds(
        Exposure,
        st.sampled_from(FrameKind),
        st.floats(0, 3600),
        st.floats(0, 600),
        st.integers(1, 8),
        st.none() | st.integers(0, 65535),
    ),
    st.builds(
        Measurement, st.floats(-100, 65535), st.floats(0, 1), st.none() | st.integers(0, 5000), st.none() | st.floats(0, 25)
    ),
    st.none() | st.floats(-50, 60),
)


@given(st.integers(1, 64 << 20), st.binary(min_size=32, max_size=32), numbers)
def test_what_is_announced_is_read_back_as_it_was(size: int, digest: bytes, told: Numbers) -> None:
    announced = Announced(FRAME, size, digest.hex(), told)
    text = metadata_of(announced)
    assert parse_metadata(FRAME, text) == announced
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < LONGEST_METADATA


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_anything_but_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_metadata(FRAME, text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*GOOD, "stars", "binning", "kind", "offset_adu", "x"]), json_values)
def test_a_value_of_any_kind_is_bounded_or_refused(name: str, value: object) -> None:
    try:
        announced = read(**{name: value})
    except InputError:
        return
    told = announced.numbers
    assert told is not None
    assert 1 <= announced.size <= ThingKind.FRAME.largest_bytes
    assert 0 <= told.exposure.duration_s <= 86_400
    assert abs(told.started_at - datetime(2026, 1, 31, tzinfo=UTC)) <= timedelta(days=4)


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": "AB" * 32},
        {"sha256": "ab" * 31},
        {"size": 0},
        {"size": (64 << 20) + 1},
        {"size": 1.0},
        {"size": True},
        {"duration_s": -1},
        {"duration_s": float("nan")},
        {"duration_s": "6"},
        {"gain": float("inf")},
        {"stars": 1.5},
        {"stars": -1},
        {"binning": 0},
        {"kind": "selfie"},
        {"started_at": "2026-01-31T22:15:30"},
        {"started_at": "2026-02-05T22:15:30+00:00"},
        {"started_at": 5},
        {"name": "../../etc/passwd"},
    ],
)
def test_what_is_out_of_bounds_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(InputError):
        read(**changed)


def test_only_a_frame_has_numbers() -> None:
    keogram = Key(ThingKind.PRODUCT, NIGHT, "keogram")
    assert parse_metadata(keogram, metadata_of(Announced(keogram, 5, "ab" * 32, None))).numbers is None
    with pytest.raises(InputError):
        parse_metadata(keogram, json.dumps(GOOD))
    with pytest.raises(InputError):
        parse_metadata(FRAME, metadata_of(Announced(keogram, 5, "ab" * 32, None)))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ThingKind.FRAME, "0"),
        (ThingKind.FRAME, "012"),
        (ThingKind.FRAME, "-1"),
        (ThingKind.FRAME, "1" + "0" * 16),
        (ThingKind.FRAME, "\N{ARABIC-INDIC DIGIT ONE}"),
        (ThingKind.PRODUCT, "night"),
        (ThingKind.PRODUCT, "../keogram"),
        (ThingKind.FILM, "keogram"),
    ],
)
def test_a_key_that_names_nothing_is_refused(kind: ThingKind, name: str) -> None:
    with pytest.raises(InputError):
        Key(kind, NIGHT, name)


@pytest.mark.parametrize(("days", "mib"), [(-1, 500), (4000, 500), (1, 99), (1, 10_000_001)])
def test_limits_have_limits(days: int, mib: int) -> None:
    with pytest.raises(InputError):
        PeerLimits(days, mib)


@pytest.mark.parametrize("name", ["", "  ", "a" * 61, "a\0b", "a\N{RIGHT-TO-LEFT OVERRIDE}b"])
def test_a_name_that_people_cannot_read_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)


def test_a_name_has_its_blanks_tidied() -> None:
    assert check_name("  Aunt   Vera's\tgarden ") == "Aunt Vera's garden"
