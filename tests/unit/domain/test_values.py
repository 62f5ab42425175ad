"""Words of the domain: night, secret, clock."""

import copy
import json
import logging
import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from appliance.domain.clock import clock_from
from appliance.domain.errors import StartError
from appliance.domain.night import NightId, night_of
from appliance.domain.secret import Secret


@pytest.mark.parametrize(
    ("moment", "zone", "night"),
    [
        ("2026-01-31T22:00:00+00:00", "UTC", "2026-01-31"),
        ("2026-02-01T11:59:59+00:00", "UTC", "2026-01-31"),
        ("2026-02-01T12:00:00+00:00", "UTC", "2026-02-01"),
        ("2026-02-01T11:30:00+00:00", "Europe/Vienna", "2026-02-01"),
        ("2026-02-01T02:00:00+00:00", "Pacific/Auckland", "2026-02-01"),
        ("2026-03-29T09:59:00+00:00", "Europe/Vienna", "2026-03-28"),
    ],
)
def test_a_night_runs_from_local_noon_to_local_noon(moment: str, zone: str, night: str) -> None:
    assert night_of(datetime.fromisoformat(moment), ZoneInfo(zone)) == NightId(night)


@pytest.mark.parametrize("text", ["2026-1-31", "2026-02-30", "../../etc", "2026-01-31\n", ""])
def test_what_is_no_date_is_no_night(text: str) -> None:
    with pytest.raises(ValueError, match=r"written like|isoformat|month|day"):
        NightId(text)


def test_a_moment_without_a_zone_has_no_night() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        night_of(datetime(2026, 1, 31), ZoneInfo("UTC"))  # noqa: DTZ001 - the refusal is the test


def test_a_secret_shows_stars_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("canary")
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("value: %s %r", secret, secret)
    shown = f"{secret}{secret!r}{secret:>10}{[secret]}{caplog.text}"
    assert "canary" not in shown
    assert secret.reveal() == "canary"
    for leak in (lambda: json.dumps(secret), lambda: pickle.dumps(secret), lambda: copy.copy(secret), lambda: secret == secret):
        with pytest.raises(TypeError):
            leak()


def test_an_accelerated_clock_runs_at_its_rate() -> None:
    clock = clock_from("2026-01-31T18:00:00+00:00@1000")
    first, monotonic = clock.now(), clock.monotonic()
    while clock.monotonic() - monotonic < 0.05:
        pass
    passed = clock.now() - first
    assert timedelta(seconds=40) < passed < timedelta(seconds=2000)
    assert first - datetime(2026, 1, 31, 18, tzinfo=UTC) < timedelta(seconds=1000)


def test_two_readers_of_a_pinned_clock_agree() -> None:
    text = "2026-01-31T18:00:00+00:00@60@1700000000.5"
    assert abs(clock_from(text).now() - clock_from(text).now()) < timedelta(seconds=60)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday@3",
        "2026-01-31T18:00:00+00:00",
        "2026-01-31T18:00:00@60",
        "2026-01-31T18:00:00+00:00@0",
        "2026-01-31T18:00:00+00:00@nan",
    ],
)
def test_a_clock_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(StartError, match="NIGHTJAR_CLOCK"):
        clock_from(text)
