"""When the night ends: against tables for a known place, and where it does not end at all."""

from datetime import UTC, datetime, timedelta

import pytest

from appliance.domain.dawn import dawn_after, next_dawn
from appliance.domain.errors import InputError

VIENNA = (48.21, 16.37)


@pytest.mark.parametrize(
    ("after", "dawn"),
    [
        ("2026-01-31T22:00:00+00:00", "2026-02-01T05:52:00+00:00"),  # civil dawn of Vienna, to a minute or two
        ("2026-01-31T12:00:00+00:00", "2026-02-01T05:52:00+00:00"),  # by day the coming night is meant
        ("2026-02-01T06:30:00+00:00", "2026-02-02T05:51:00+00:00"),
    ],
)
def test_the_end_of_the_running_or_the_coming_night(after: str, dawn: str) -> None:
    found = next_dawn(datetime.fromisoformat(after), *VIENNA, -6.0)
    assert found is not None
    assert abs(found - datetime.fromisoformat(dawn)) < timedelta(minutes=3), found


@pytest.mark.parametrize("when", ["2026-06-21T12:00:00+00:00", "2026-12-21T12:00:00+00:00"])
def test_where_the_sun_does_not_rise_or_set_there_is_none(when: str) -> None:
    assert next_dawn(datetime.fromisoformat(when), 78.0, 15.0, -6.0) is None
    with pytest.raises(InputError, match="no dawn here within the next day and a half"):
        dawn_after(datetime.fromisoformat(when), 78.0, 15.0, -6.0)


@pytest.mark.parametrize("place", [(None, None), (48.0, None), (None, 16.0)])
def test_without_a_place_it_says_what_to_do(place: tuple[float | None, float | None]) -> None:
    with pytest.raises(InputError, match="set latitude and longitude"):
        dawn_after(datetime(2026, 1, 1, tzinfo=UTC), *place, -6.0)
