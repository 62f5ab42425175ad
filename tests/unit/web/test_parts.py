"""The panel's small parts: forms, media, charts, words, the manual's marks, limits of connections, the API's document."""

import asyncio
import json
import re
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import (
    DiskFullError,
    InputError,
    NightjarError,
    RefusedError,
    SettingsError,
    StoreError,
    ThrottledError,
)
from appliance.domain.errors import Problem as FieldProblem
from appliance.domain.night import NightId
from appliance.domain.secret import Secret
from appliance.settings.fields import fields
from appliance.web import words
from appliance.web.answers import Media, NotFoundError
from appliance.web.api.document import make_document, schema_of
from appliance.web.charts import CHARTS, draw
from appliance.web.crowd import Crowd, Guest, crowd_key, plain_address
from appliance.web.encode import to_json
from appliance.web.forms import parse_form, parse_query
from appliance.web.limits import Limits
from appliance.web.markdown import read_chapter
from appliance.web.media import Conditions, matches, send
from appliance.web.pages.handbook import FOLDER, ORDER
from appliance.web.problems import problem_of
from appliance.web.routes import Style, table
from appliance.web.series import COLUMNS, Series, SeriesKeeper
from tests.unit.web.world import World

FORM = "application/x-www-form-urlencoded"
UTC_ZONE = ZoneInfo("UTC")


def test_a_form_becomes_texts() -> None:
    assert parse_form(b"a=1&b=%C3%A4+x&c=", FORM + "; charset=utf-8") == {"a": "1", "b": "ä x", "c": ""}
    assert parse_query("verify") == {"verify": ""}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=1&a=2", FORM),
        (b"a=%ff", FORM),
        (b"a=\xff", FORM),
        (b"a=%00", FORM),
        ("&".join(f"f{n}=1" for n in range(201)).encode(), FORM),
        (b"x" * 101 + b"=1", FORM),
        (b'{"a": 1}', "application/json"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(InputError):
        parse_form(body, kind)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        found = parse_form(body, FORM)
    except InputError:
        return
    assert all(isinstance(text, str) for pair in found.items() for text in pair)


@pytest.fixture
def film(tmp_path: Path) -> Media:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(range(100)))
    return Media(path, "video/mp4", 0)


def body_of(media: Media, conditions: Conditions) -> tuple[int, dict[str, str], bytes]:
    sent = send(media, conditions)
    headers = dict(sent.headers)
    if sent.file is None:
        return sent.status, headers, b""
    with sent.file:
        return sent.status, headers, sent.file.read(int(headers["Content-Length"]))


def test_a_file_is_sent_whole_and_not_twice(film: Media) -> None:
    status, headers, body = body_of(film, Conditions())
    assert (status, body) == (200, bytes(range(100)))
    assert body_of(film, Conditions(none_match=f'"x", {headers["ETag"]}'))[0] == 304
    assert body_of(film, Conditions(modified_since=headers["Last-Modified"]))[0] == 304
    assert body_of(film, Conditions(none_match='"other"', modified_since=headers["Last-Modified"]))[0] == 200
    assert body_of(film, Conditions(modified_since="yesterday"))[0] == 200


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=0-9", 206, bytes(range(10))),
        ("bytes=90-", 206, bytes(range(90, 100))),
        ("bytes=-5", 206, bytes(range(95, 100))),
        ("bytes=95-500", 206, bytes(range(95, 100))),
        ("bytes=100-", 416, b""),
        ("bytes=9-5", 416, b""),
        ("bytes=-", 200, bytes(range(100))),
        ("bytes=0-1,5-6", 200, bytes(range(100))),
        ("lines=1", 200, bytes(range(100))),
    ],
)
def test_a_part_of_a_file_is_sent(film: Media, wanted: str, status: int, body: bytes) -> None:
    assert body_of(film, Conditions(range=wanted))[::2] == (status, body)


def test_a_part_of_a_file_that_changed_is_not_mixed_with_the_old_one(film: Media) -> None:
    assert body_of(film, Conditions(range="bytes=0-9", if_range='"former"'))[0] == 200


def test_links_folders_and_nothing_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("link", "nothing", "."):
        with pytest.raises(NotFoundError):
            send(Media(tmp_path / name, "image/jpeg", 0), Conditions())


def test_entity_tags_match_weakly() -> None:
    assert matches('"a"', 'W/"a"')
    assert matches('"a"', "*")
    assert not matches('"a"', '"ab"')


def a_series(count: int, step_s: float = 15.0) -> Series:
    at = np.arange(count) * step_s + datetime(2026, 1, 31, 18, tzinfo=UTC).timestamp()
    values = 100 + 20 * np.sin(np.arange(count) / 50)
    return Series(count, np.column_stack([at] + [values] * (len(COLUMNS) - 1)))


def points(svg: str) -> list[tuple[float, float]]:
    line = re.findall(r'<polyline points="([^"]+)"', svg)
    return [(float(x), float(y)) for text in line for x, y in (pair.split(",") for pair in text.split())]


def test_a_chart_shows_values_where_they_belong() -> None:
    series = a_series(3, 3600)
    series.column("mean_adu")[:] = [0, 50, 100]
    drawn = points(draw(series, CHARTS["mean"], UTC_ZONE))
    # The area goes from x 56 to 386 and from y 164 up to 34, with 8 % of the span free at both ends.
    assert drawn == [(56.0, 155.0), (221.0, 99.0), (386.0, 43.0)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500, 10_000])
@pytest.mark.parametrize("name", sorted(CHARTS))
def test_a_chart_is_whole_xml_without_script_or_style_for_any_number_of_frames(name: str, count: int) -> None:
    svg = draw(a_series(count), CHARTS[name], UTC_ZONE)
    tree = ET.fromstring(svg)  # noqa: S314 - we made it
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert "style" not in svg
    assert len(svg) < 40_000


def test_a_chart_breaks_where_frames_are_missing_and_takes_gaps_in_numbers() -> None:
    series = a_series(200)
    series.column("at")[100:] += 7200
    series.column("stars")[:50] = np.nan
    assert draw(series, CHARTS["stars"], UTC_ZONE).count("<polyline") == 2
    series.column("stars")[:] = np.nan
    assert "Nothing measured yet" in draw(series, CHARTS["stars"], UTC_ZONE)


def test_a_chart_takes_constant_values() -> None:
    series = a_series(50)
    series.column("temperature_c")[:] = -10.0
    assert "\u221210" in draw(series, CHARTS["temperature"], UTC_ZONE)


def test_the_numbers_of_a_night_equal_the_rows_and_grow_with_them(world: World) -> None:
    start = datetime(2026, 1, 31, 20, tzinfo=UTC)
    night = NightId("2026-01-31")
    keeper = SeriesKeeper(world.parts.frames)
    assert len(keeper.of(night).table) == 0
    stored = [world.add_frame(start + timedelta(seconds=n), night=night, number=n, side=32) for n in range(5)]
    first = keeper.of(night)
    stored.append(world.add_frame(start + timedelta(seconds=9), night=night, number=9, side=32))
    series = keeper.of(night)
    assert len(first.table) == 5
    assert series.column("mean_adu").tolist() == [frame.measurement.mean_adu for frame in stored]
    assert series.column("at").tolist() == [frame.started_at.timestamp() for frame in stored]
    assert series.last_id == stored[-1].id


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0005, "1/2\u202f000 s"), (0.01, "1/100 s"), (0.5, "0.5 s"), (2.0, "2 s"), (2.5, "2.5 s"), (14.0, "14 s"), (0.0, "0 s")],
)
def test_exposures_are_written_as_photographers_do(seconds: float, text: str) -> None:
    assert words.exposure_time(seconds) == text


def test_numbers_sizes_and_lengths_of_time_are_written_for_people() -> None:
    assert words.number(None) == "–"
    assert words.number(-1234.5, 1, "°C") == "\u22121\u202f234.5 °C"
    assert words.size(999) == "999 bytes"
    assert words.size(3_400_000_000) == "3.4 GB"
    assert words.size(5e15) == "5000.0 TB"
    assert words.duration(0.01) == "now"
    assert words.duration(11_550) == "3 h 12 min"
    assert words.plural(1, "frame") == "1 frame"
    assert words.plural(2, "frame") == "2 frames"
    assert words.night_title("2026-01-31") == "Saturday, 31 January 2026"
    assert words.moment(datetime(2026, 7, 1, 22, tzinfo=UTC), ZoneInfo("Europe/Vienna")) == "2026-07-02 00:00:00"


def test_bounds_of_settings_are_sentences() -> None:
    by_path = {field.path: field for section in fields() for field in section.fields}
    assert words.bounds(by_path["site.latitude_deg"]) == "From \u221290 to 90°."
    assert words.bounds(by_path["camera.duration_min_s"]).startswith("From 0.000001 to 60\u00a0s")
    assert words.bounds(by_path["site.name"]) == ""


def test_the_manual_uses_only_known_marks_and_leads_to_existing_pages() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted(ORDER)
    paths = {entry.path for entry in table() if entry.method == "GET"}
    for name in ORDER:
        chapter = read_chapter((FOLDER / f"{name}.md").read_text("utf-8"))
        assert not re.search(r"\*\*|`|\]\(|^#", chapter.html, re.MULTILINE), name
        for target in re.findall(r'href="([^"]+)"', chapter.html):
            assert target in paths or target.removeprefix("/help/") in ORDER, target


def test_markup_in_the_manual_stays_text() -> None:
    chapter = read_chapter(
        "# T\n\n<script>alert(1)</script> [x](javascript:alert(1)) [y](//evil) **b** `<i>`\n\n- one\n  more\n- two\n\n1. a"
    )
    assert "<script" not in chapter.html
    assert "href" not in chapter.html
    assert "<strong>b</strong> <code>&lt;i&gt;</code>" in chapter.html
    assert "<ul><li>one more</li><li>two</li></ul>" in chapter.html
    assert "<ol><li>a</li></ol>" in chapter.html
    with pytest.raises(ValueError, match="begins with"):
        read_chapter("no title")


@given(st.text(max_size=300))
def test_any_text_in_the_manual_becomes_harmless(text: str) -> None:
    html = read_chapter(f"# T\n\n{text}").html
    tags = set(re.findall(r"<(/?[a-z0-9]+)", html))
    assert tags <= {
        f"{slash}{tag}" for slash in ("", "/") for tag in ("p", "h1", "h2", "h3", "ul", "ol", "li", "pre", "code", "strong", "a")
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("x"), 404),
        (SettingsError((FieldProblem("a.b", "is wrong"),)), 422),
        (InputError("x"), 400),
        (ThrottledError(3.2), 429),
        (RefusedError("x"), 403),
        (DiskFullError("x"), 507),
        (StoreError("x"), 500),
    ],
)
def test_each_error_has_its_status(error: NightjarError, status: int) -> None:
    assert problem_of(error).status == status


def test_problems_say_how_long_to_wait_and_which_fields() -> None:
    assert problem_of(ThrottledError(3.2)).retry_after_s == 4
    document = problem_of(SettingsError((FieldProblem("a.b", "is wrong"),))).document()
    assert document["errors"] == [{"path": "a.b", "message": "is wrong"}]


def test_values_become_json_and_secrets_never_do() -> None:
    at = datetime(2026, 1, 31, 22, 15, 30, tzinfo=UTC)
    assert json.loads(to_json({"at": at, "n": NightId("2026-01-31"), "l": (1, None)})) == {
        "at": "2026-01-31T22:15:30.000Z", "n": "2026-01-31", "l": [1, None],
    }  # fmt: skip
    for value in (Secret("x"), object(), b"x"):
        with pytest.raises(TypeError):
            to_json(value)


def test_the_document_describes_every_route_of_the_api() -> None:
    document = make_document(table(), "1.2.3")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    told = {(entry.method, entry.path.replace("<", "{").replace(">", "}")) for entry in table() if entry.style is Style.API}
    assert described == told
    job = document["paths"]["/api/v1/jobs/{number}"]["get"]
    assert [(one["name"], one["in"], one["required"]) for one in job["parameters"]] == [("number", "path", True)]
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]+", name.replace("-", "_")) for name in names)
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    with pytest.raises(TypeError):
        schema_of(Secret, {})


def guests(crowd: Crowd, count: int, address: str = "10.0.0.1") -> list[Guest]:
    found = []
    for number in range(count):
        guest = Guest(
            address, 1000 + number, "10.0.0.9", float(number), asyncio.get_running_loop().create_task(asyncio.sleep(60))
        )
        assert crowd.admit(guest)
        found.append(guest)
    return found


def run(work: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        await work
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(whole())


def test_at_the_cap_the_longest_waiting_guest_goes_and_busy_ones_stay() -> None:
    async def work() -> None:
        crowd = Crowd(replace(Limits(), connections_per_address=3, connections=4))
        first, second, third = guests(crowd, 3)
        first.waiting_since = None
        newcomer = Guest("10.0.0.1", 5000, "10.0.0.9", 9.0)
        assert crowd.admit(newcomer)
        assert second.task is not None
        assert third.task is not None
        assert (second.task.cancelling(), third.task.cancelling()) == (1, 0)
        third.waiting_since = newcomer.waiting_since = None
        assert not crowd.admit(Guest("10.0.0.1", 5001, "10.0.0.9", 9.0))
        assert crowd.admit(Guest("10.0.0.2", 5001, "10.0.0.9", 9.0))
        assert len(crowd) == 4

    run(work())


def test_answers_of_one_address_wait_for_each_other() -> None:
    async def work() -> None:
        crowd = Crowd(replace(Limits(), answers=2, answers_per_address=1, slot_s=0.01))
        one, other = guests(crowd, 1, "10.0.0.1")[0], guests(crowd, 1, "10.0.0.2")[0]
        async with crowd.answering(one):
            with pytest.raises(TimeoutError):
                async with crowd.answering(one):
                    pass
            async with crowd.answering(other):
                pass
        async with crowd.answering(one):
            pass

    run(work())


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fd00:1::5", "fd00:1::/64"),
        ("fe80::1", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_what_counts_as_one_address(address: str, key: str) -> None:
    assert crowd_key(address) == key


def test_addresses_are_written_plainly() -> None:
    assert plain_address(("::ffff:10.0.0.7", 80, 0, 0)) == ("10.0.0.7", 80)
    assert plain_address(("fe80::1%eth0", 80, 0, 2)) == ("fe80::1", 80)
    with pytest.raises(ValueError, match="not an internet address"):
        plain_address("/run/socket")
