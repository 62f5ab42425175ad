"""The page of the machine's sensors, its charts, and what the API tells."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import html5lib
import pytest

from appliance.domain.machine import Disk, Interface, Memory, Reading, StoredReading, Strain
from appliance.web.charts import MACHINE_CHARTS, draw
from appliance.web.pages.readingwords import UNKNOWN, interfaces_of, told
from appliance.web.series import machine_series
from tests.unit.web.world import Caller, World

NOW = datetime(2026, 1, 31, 20, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
FINE = Strain(False, False, False, False)
READING = Reading(
    NOW,
    uptime_s=90_000.0,
    temperature_c=52.1,
    now=FINE,
    since_start=FINE,
    load=0.52,
    load_15min=0.4,
    processors=4,
    memory=Memory(948_000_000, 474_000_000, 0.0),
    disk=Disk("mmcblk0", "SC32G", "SD", "08/2024", 30, "normal", 0, None, 2.0, False, 12_000_000_000, 28_000_000_000),
    interfaces=(
        Interface("eth0", False, True, False, 0, 0),
        Interface("wlan0", True, True, True, 123_456, 7_890, -52.0),
    ),
)


def texts(reading: Reading) -> dict[str, str]:
    return {detail.key: detail.text for detail in told(reading)}


def test_a_reading_is_told_in_words() -> None:
    assert texts(READING) == {
        "temperature": "52.1 °C",
        "supply": "good",
        "speed": "full",
        "load": "0.52 on 4 processors",
        "memory": "474 MB of 948 MB",
        "disk": "12.0 GB of 28.0 GB",
        "device": "SD card SC32G, made 08/2024",
        "wear": "at most 30 %, spare blocks normal",
        "errors": "0",
        "io": UNKNOWN,
        "stalled": "2 %",
        "uptime": "1 d 1 h",
    }
    assert [(one.kind, one.state, one.signal) for one in interfaces_of(READING)] == [
        ("cable", "not connected", "–"),
        ("Wi-Fi", "connected", "\N{MINUS SIGN}52 dBm"),
    ]


def test_what_a_machine_does_not_tell_is_said_to_be_not_known() -> None:
    assert set(texts(Reading(NOW)).values()) == {UNKNOWN}


@pytest.mark.parametrize(
    ("now", "ever", "key", "text"),
    [
        (Strain(under_voltage=True), Strain(under_voltage=True), "supply", "too weak now"),
        (FINE, Strain(under_voltage=True), "supply", "good now, too weak at a time since the start"),
        (Strain(), Strain(under_voltage=True), "supply", "good now, too weak at a time since the start"),
        (Strain(is_capped=True), FINE, "speed", "slowed down now"),
        (FINE, Strain(is_throttled=True), "speed", "full now, slowed down at a time since the start"),
        (replace(FINE, is_near_limit=True), FINE, "speed", "a little lower: near its limit of temperature"),
        (Strain(under_voltage=False), Strain(under_voltage=False), "speed", UNKNOWN),
    ],
)
def test_strain_now_and_before_is_told_apart(now: Strain, ever: Strain, key: str, text: str) -> None:
    assert texts(replace(READING, now=now, since_start=ever))[key] == text


@pytest.mark.parametrize(
    ("disk", "key", "text"),
    [
        (Disk("sda", "Ultra Fit"), "device", "sda Ultra Fit"),
        (Disk("mmcblk0", kind="MMC", is_read_only=True), "device", "eMMC, takes no writing"),
        (Disk(worn_percent=110), "wear", "all of it"),
        (Disk(spare_blocks="low"), "wear", "spare blocks low"),
        (Disk(free_bytes=5_000_000), "disk", "5.0 MB"),
    ],
)
def test_disks_are_told_as_far_as_they_are_known(disk: Disk, key: str, text: str) -> None:
    assert texts(replace(READING, disk=disk))[key] == text


def test_the_page_shows_reading_charts_and_network(world: World, visitors: dict[str, Caller]) -> None:
    world.readings.publish(replace(READING, interfaces=(*READING.interfaces, Interface("<b>x", False, None, None, None, None))))
    for minutes in (60, 5, 0):
        world.parts.reading_store.add(replace(READING, at=datetime.now(UTC) - timedelta(minutes=minutes), temperature_c=None))
    text = visitors["staff"].get("/sensors").text
    page = html5lib.parse(text, namespaceHTMLElements=False)
    assert "SD card SC32G" in text
    assert "<b>x" not in text
    charts = [one.get("src") for one in page.iter("img") if "/charts/" in one.get("src")]
    assert charts == [f"/sensors/charts/{name}.svg?period=24h" for name in ("load", "memory", "disk", "signal")]
    assert "period=30d" in visitors["staff"].get("/sensors?period=30d").text.split("<figure>")[1]


def test_the_page_is_whole_before_the_first_reading_and_refuses_other_periods(visitors: dict[str, Caller]) -> None:
    text = visitors["staff"].get("/sensors").text
    html5lib.HTMLParser(strict=True).parse(text)
    assert "has not been read yet" in text
    assert "Nothing is kept yet" in text
    assert visitors["staff"].get("/sensors?period=1y").status == 400
    assert visitors["staff"].get("/sensors/charts/load.svg?period=1y").status == 400
    assert visitors["staff"].get("/sensors/charts/other.svg").status == 404


def test_the_page_of_a_full_reading_is_whole_html(world: World, visitors: dict[str, Caller]) -> None:
    world.readings.publish(READING)
    world.parts.reading_store.add(replace(READING, at=datetime.now(UTC)))
    text = visitors["admin"].get("/sensors").text
    html5lib.HTMLParser(strict=True).parse(text)
    assert " style=" not in text
    assert "<script>" not in text


def test_a_chart_is_sent_again_only_after_a_new_reading(world: World, visitors: dict[str, Caller]) -> None:
    staff = visitors["staff"]
    world.parts.reading_store.add(replace(READING, at=datetime.now(UTC)))
    first = staff.get("/sensors/charts/load.svg")
    assert (first.status, first.header("content-type")) == (200, "image/svg+xml")
    tag = first.header("etag")
    assert staff.get("/sensors/charts/load.svg", if_none_match=tag).status == 304
    assert staff.get("/sensors/charts/load.svg?period=30d", if_none_match=tag).status == 200
    world.parts.reading_store.add(replace(READING, at=datetime.now(UTC)))
    assert staff.get("/sensors/charts/load.svg", if_none_match=tag).status == 200


def test_programs_get_the_reading_and_what_is_kept(world: World, visitors: dict[str, Caller]) -> None:
    token = visitors["token read"]
    assert json.loads(token.get("/api/v1/sensors").body) == {"reading": None}
    world.readings.publish(READING)
    reading = json.loads(token.get("/api/v1/sensors").body)["reading"]
    assert reading["temperature_c"] == 52.1
    assert reading["disk"]["io_errors"] is None
    assert reading["interfaces"][1]["signal_dbm"] == -52.0
    assert reading["now"]["under_voltage"] is False
    for minutes in range(5):
        world.parts.reading_store.add(replace(READING, at=NOW + timedelta(minutes=minutes)))
    page = json.loads(token.get("/api/v1/sensors/readings?limit=2").body)
    assert ([one["id"] for one in page["readings"]], page["next_before"]) == ([5, 4], 4)
    assert page["readings"][0]["at"].startswith("2026-01-31T20:04:00")
    page = json.loads(token.get("/api/v1/sensors/readings?limit=3&before=4").body)
    assert ([one["id"] for one in page["readings"]], page["next_before"]) == ([3, 2, 1], None)
    for query in ("limit=0", "limit=1000", "before=0", "before=x"):
        assert token.get(f"/api/v1/sensors/readings?{query}").status == 400


def stored(count: int, step: timedelta) -> list[StoredReading]:
    return [
        StoredReading(number + 1, NOW - (count - 1 - number) * step, 50.0 + number % 7, 0.5, 474_000_000, 12_000_000_000, -60.0)
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 1440, 7000])
@pytest.mark.parametrize("name", sorted(MACHINE_CHARTS))
def test_a_chart_of_the_machine_is_whole_xml_for_any_number_of_readings(name: str, count: int) -> None:
    series = machine_series(stored(count, timedelta(minutes=6)))
    svg = draw(series, MACHINE_CHARTS[name], ZONE, period=(NOW - timedelta(days=30), NOW))
    assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - we made it
    assert len(svg) < 40_000


def test_a_chart_of_a_period_begins_and_ends_with_it_and_marks_hours_or_days() -> None:
    series = machine_series(stored(61, timedelta(minutes=1)))
    day = draw(series, MACHINE_CHARTS["temperature"], ZONE, period=(NOW - timedelta(days=1), NOW))
    xs = [float(pair.split(",")[0]) for line in re.findall(r'<polyline points="([^"]+)"', day) for pair in line.split()]
    # The area goes from x 56 to 386; the last hour of a day is its last 24th, in buckets of two pixels.
    assert min(xs) == pytest.approx(386 - 330 / 24, abs=2)
    assert max(xs) == pytest.approx(386, abs=2)
    # Nine in the evening in Berlin: the first line stands a day before, the next every six hours.
    assert re.findall(r">(\d\d:\d\d)<", day) == ["21:00", "03:00", "09:00", "15:00"]
    month = draw(series, MACHINE_CHARTS["temperature"], ZONE, period=(NOW - timedelta(days=30), NOW))
    assert re.findall(r">(\d+ [A-Z][a-z]+)<", month) == ["8 Jan", "15 Jan", "22 Jan", "29 Jan"]


def test_units_of_charts_are_those_that_people_read() -> None:
    series = machine_series([*stored(2, timedelta(minutes=1)), StoredReading(3, NOW, None, None, None, None, None)])
    assert series.column("memory_mb").tolist()[:2] == [474.0, 474.0]
    assert series.column("disk_gb").tolist()[:2] == [12.0, 12.0]
    assert str(series.column("signal_dbm").tolist()) == "[-60.0, -60.0, nan]"
    assert series.last_id == 3
