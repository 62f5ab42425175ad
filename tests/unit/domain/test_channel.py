"""The list of releases: what is taken for one, which release is for whom, and that shares are what they say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.channel import LARGEST_FILE, Channel, Release, choose, is_https, parse_channel, place_of
from appliance.domain.errors import InputError

URL = "https://example.org/1.2.0.raucb"
AT = "2026-11-29T20:00:00+00:00"


def tree(**more: object) -> dict[str, Any]:
    release = {
        "version": "1.2.0", "compatible": "nightjar-arm64", "url": URL, "size": 250_000_000,
        "sha256": "ab" * 32, "notes": "Quieter\nnights\x07", "percent": 100,
    }  # fmt: skip
    return {"format": 1, "serial": 7, "made_at": AT, "releases": [{**release, **more}]}


def parsed(value: object) -> Channel:
    return parse_channel(json.dumps(value).encode())


def test_a_list_is_read_with_its_releases() -> None:
    assert parsed(tree()) == Channel(
        7,
        datetime(2026, 11, 29, 20, tzinfo=UTC),
        (
            Release(
                "1.2.0", "nightjar-arm64", "https://example.org/1.2.0.raucb", 250_000_000, "ab" * 32, "Quieter\nnights", 100.0
            ),
        ),
    )
    assert parsed({**tree(), "releases": []}).releases == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "1.2"},
        {"version": 1},
        {"compatible": ""},
        {"compatible": "../x"},
        {"url": "http://example.org/x"},
        {"url": "https://ada:secret@example.org/x"},
        {"url": "https://example.org/a b"},
        {"size": 10},
        {"size": True},
        {"size": 2 << 30},
        {"sha256": "AB" * 32},
        {"notes": None},
        {"percent": 101},
        {"percent": -1},
        {"percent": True},
        {"percent": float("nan")},
    ],
)
def test_a_release_that_is_described_wrongly_spoils_the_list(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="describes a release wrongly"):
        parsed(tree(**wrong))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({**tree(), "format": 2}, "has format 2; this version of Nightjar reads format 1"),
        ({**tree(), "serial": 0}, "no usable serial number"),
        ({**tree(), "serial": True}, "no usable serial number"),
        ({**tree(), "made_at": "yesterday"}, "does not say when it was made"),
        ({**tree(), "made_at": "2026-11-29T20:00:00"}, "does not say when it was made"),
        ({**tree(), "releases": tree()["releases"] * 201}, "more than 200"),
        ({**tree(), "releases": {}}, "is not one"),
        ([], "is not one"),
    ],
)
def test_what_is_no_list_is_refused_with_the_reason(value: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parsed(value)


@given(st.binary())
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_channel(data)


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(InputError):
        parse_channel(b" " * LARGEST_FILE + json.dumps(tree()).encode())


def offered(*releases: dict[str, object], running: str = "1.0.0", bad: tuple[str, ...] = (), device_id: str = "7Q2M9KD4") -> str:
    channel = parsed({**tree(), "releases": [{**tree()["releases"][0], **one} for one in releases]})
    found = choose(channel, running=running, compatible="nightjar-arm64", device_id=device_id, bad=bad)
    return found.version if found else ""


def test_the_newest_that_fits_is_offered() -> None:
    assert offered({"version": "1.2.0"}, {"version": "1.10.0"}, {"version": "1.3.0"}) == "1.10.0"
    assert offered({"version": "1.2.0"}, {"version": "1.10.0"}, bad=("1.10.0",)) == "1.2.0"
    assert offered({"version": "1.2.0"}, {"version": "1.10.0", "compatible": "toaster"}) == "1.2.0"
    assert offered({"version": "1.2.0"}, {"version": "1.10.0", "percent": 0}) == "1.2.0"


@pytest.mark.parametrize("running", ["1.2.0", "1.2.1", "2.0.0"])
def test_what_is_not_newer_than_what_runs_is_never_offered(running: str) -> None:
    assert offered({"version": "1.2.0"}, running=running) == ""


def test_a_share_of_appliances_is_that_share_and_another_one_for_each_version() -> None:
    ids = [f"DEVICE{number:04d}" for number in range(2000)]
    first = {one for one in ids if offered({"version": "1.2.0", "percent": 20}, device_id=one)}
    second = {one for one in ids if offered({"version": "1.3.0", "percent": 20}, device_id=one)}
    assert 300 < len(first) < 500
    assert 300 < len(second) < 500
    assert len(first & second) < 200, "it is not always the same ones that try first"
    grown = {one for one in ids if offered({"version": "1.2.0", "percent": 60}, device_id=one)}
    assert first < grown, "who was offered it stays among those"
    assert {place_of("A", "x") == place_of("A", "x"), 0 <= place_of("A", "x") < 100} == {True}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://example.org/channel.json", True),
        ("https://192.0.2.7:8443/c", True),
        ("http://example.org/c", False),
        ("https://", False),
        ("https://ada@example.org/c", False),
        ("https://example.org/c#x", False),
        ("https://example.org:0/c", False),
        ("https://example.org:99999/c", False),
        ("https://exämple.org/c", False),
        ("https://example.org/" + "a" * 500, False),
    ],
)
def test_addresses(text: str, is_one: bool) -> None:
    assert is_https(text) is is_one
