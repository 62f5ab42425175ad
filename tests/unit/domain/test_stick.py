"""Sticks and export requests as values."""

import contextlib
import json

import hypothesis
import pytest
from hypothesis import strategies as st

from appliance.domain.errors import InputError
from appliance.domain.night import NightId
from appliance.domain.stick import MOST_NIGHTS, USB_STICK, ExportKind, ExportRequest, export_request, is_fs_id


@pytest.mark.parametrize("fs_id", ["1234-ABCD", "a1b2c3d4-0000-4444-8888-0123456789ab", "00000000-0000-0000-0000-000000000001"])
def test_ids_that_file_systems_have_can_be_remembered(fs_id: str) -> None:
    assert is_fs_id(fs_id)


@pytest.mark.parametrize(
    "fs_id",
    ["", "0000-0000", "00000000-0000-0000-0000-000000000000", "abc", "a b c d", "1234-ABCD\n", "x" * 65, "-123", "../x", "ü123"],
)
def test_what_cannot_tell_one_stick_from_another_is_no_id(fs_id: str) -> None:
    assert not is_fs_id(fs_id)


@pytest.mark.parametrize(
    "request_",
    [
        ExportRequest("1234-ABCD"),
        ExportRequest(
            "1234-ABCD", "ada", (NightId("2026-01-31"), NightId("2026-01-30")), 0, (ExportKind.PICTURES, ExportKind.FILMS)
        ),
        ExportRequest("1234-ABCD", "ada", (), 3),
        ExportRequest("1234-ABCD", "ada", backup="nightjar-roof-2026-01-31-221500.nightjar-backup"),
    ],
)
def test_a_request_is_kept_and_read_back(request_: ExportRequest) -> None:
    assert export_request(request_.to_json()) == request_


def test_who_asks_is_told_from_the_stick_itself() -> None:
    assert ExportRequest("1234-ABCD").is_automatic
    assert export_request('{"fs_id": "1234-ABCD"}').by == USB_STICK
    assert not ExportRequest("1234-ABCD", "ada").is_automatic


@pytest.mark.parametrize(
    "value",
    [
        5, [], "x", {}, {"fs_id": 5}, {"fs_id": "../x"}, {"fs_id": "1234-ABCD", "path": "/"}, {"fs_id": "1234-ABCD", "by": ""},
        {"fs_id": "1234-ABCD", "by": 5}, {"fs_id": "1234-ABCD", "nights": ["tonight"]}, {"fs_id": "1234-ABCD", "nights": None},
        {"fs_id": "1234-ABCD", "kinds": ["raw"]}, {"fs_id": "1234-ABCD", "kinds": [["films"]]},
        {"fs_id": "1234-ABCD", "newest": -1},
        {"fs_id": "1234-ABCD", "newest": True}, {"fs_id": "1234-ABCD", "nights": ["2026-01-31"] * (MOST_NIGHTS + 1)},
        {"fs_id": "1234-ABCD", "kinds": ["films"] * 11}, {"fs_id": "1234-ABCD", "backup": 5},
        {"fs_id": "1234-ABCD", "backup": []}, {"fs_id": "1234-ABCD", "backup": "../keys/vault.key"},
        {"fs_id": "1234-ABCD", "backup": "nightjar-\u00e4.nightjar-backup"},
    ],
)  # fmt: skip
def test_other_requests_are_refused(value: object) -> None:
    with pytest.raises(InputError):
        export_request(json.dumps(value))


@hypothesis.given(st.text(max_size=200))
def test_no_text_raises_anything_else(untrusted: str) -> None:
    with contextlib.suppress(InputError):
        export_request(untrusted)
