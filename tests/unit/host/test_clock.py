"""The machine's clock, as far as no timedated is needed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from appliance.domain.errors import DeniedError, InputError, MachineError, ServiceError
from appliance.host import clock as module
from appliance.host.clock import INTERFACE, PATH, SERVICE, ClockState, TimeAndDate
from tests.unit.host.madeupbus import MadeUpBus

TOLD: dict[str, object] = {"Timezone": "Europe/Vienna", "NTP": True, "NTPSynchronized": False, "CanNTP": True, "TimeUSec": 7}
WHEN = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
WHEN_US = 1795494600_000000
BUSY = ServiceError(f"{SERVICE}.AutomaticTimeSyncEnabled", "Previous request is not finished, refusing.")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)


def calls(bus: MadeUpBus) -> list[tuple[object, ...]]:
    return [(asked[3], asked[5]) for asked in bus.asked if len(asked) == 6]


def test_the_state_is_what_timedated_tells() -> None:
    bus = MadeUpBus(properties=TOLD)
    assert TimeAndDate(bus).state() == ClockState("Europe/Vienna", ntp_enabled=True, ntp_synchronised=False, can_ntp=True)
    assert bus.asked == [(SERVICE, PATH, INTERFACE)]


@pytest.mark.parametrize("wrong", [{"Timezone": 7}, {"NTP": 1}, {"CanNTP": "yes"}, {"NTPSynchronized": None}])
def test_a_state_that_is_not_understood_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(MachineError, match="not understood"):
        TimeAndDate(MadeUpBus(properties=TOLD | wrong)).state()


def set_to(bus: MadeUpBus) -> list[int]:
    """Return by how many microseconds each try to set the clock was later than what was asked for."""
    tries = [body for method, body in calls(bus) if method == "SetTime"]
    assert all(isinstance(body, tuple) and body[1:] == (False, False) for body in tries)
    return [body[0] - WHEN_US for body in tries if isinstance(body, tuple)]


@pytest.mark.parametrize("when", [WHEN, WHEN.astimezone(timezone(timedelta(hours=-5)))])
def test_network_time_is_switched_off_first_and_its_end_awaited(when: datetime) -> None:
    bus = MadeUpBus({"SetTime": [BUSY, BUSY, ()]}, TOLD)
    TimeAndDate(bus).set_time(when)
    assert [method for method, _ in calls(bus)] == ["SetNTP", "SetTime", "SetTime", "SetTime", "SetNTP"]
    assert (calls(bus)[0], calls(bus)[-1]) == (("SetNTP", (False, False)), ("SetNTP", (True, False)))
    late = set_to(bus)
    assert 0 <= late[0] <= late[1] <= late[2] < 60e6, "the tries take time, and the clock is set with it"


def test_network_time_that_is_off_is_left_alone() -> None:
    bus = MadeUpBus(properties=TOLD | {"NTP": False})
    TimeAndDate(bus).set_time(WHEN)
    assert [method for method, _ in calls(bus)] == ["SetTime"]


def test_a_refusal_for_another_reason_is_not_tried_again() -> None:
    for error in (ServiceError("org.freedesktop.DBus.Error.InvalidArgs", "Invalid absolute time"), DeniedError("no")):
        bus = MadeUpBus({"SetTime": [error]}, TOLD)
        with pytest.raises(type(error)):
            TimeAndDate(bus).set_time(WHEN)
        assert len(set_to(bus)) == 1


def test_the_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", -1.0)
    bus = MadeUpBus({"SetTime": [BUSY, BUSY]}, TOLD)
    with pytest.raises(ServiceError, match="Previous request"):
        TimeAndDate(bus).set_time(WHEN)
    assert len(set_to(bus)) == 1


def test_a_time_without_a_zone_is_a_mistake() -> None:
    bus = MadeUpBus(properties=TOLD)
    with pytest.raises(ValueError, match="without a zone"):
        TimeAndDate(bus).set_time(datetime(2026, 11, 24))  # noqa: DTZ001 - the mistake
    assert bus.asked == []


def test_a_zone_that_is_listed_is_set() -> None:
    bus = MadeUpBus({"ListTimezones": [(["UTC", "America/Argentina/Buenos_Aires"],)]})
    TimeAndDate(bus).set_timezone("America/Argentina/Buenos_Aires")
    assert calls(bus) == [("ListTimezones", ()), ("SetTimezone", ("America/Argentina/Buenos_Aires", False))]


@pytest.mark.parametrize("name", ["", "/UTC", "../UTC", "a/b/c/d", "UTC\n", "U T C", "Z" * 33, "\0", "Zürich", "/"])
def test_what_cannot_be_a_zone_is_not_even_looked_up(name: str) -> None:
    bus = MadeUpBus({"ListTimezones": [([name],)]})
    with pytest.raises(InputError):
        TimeAndDate(bus).set_timezone(name)
    assert bus.asked == []


def test_a_zone_that_is_not_listed_is_refused() -> None:
    bus = MadeUpBus({"ListTimezones": [(["UTC"],), ("UTC",)]})
    with pytest.raises(InputError):
        TimeAndDate(bus).set_timezone("Europe/Vienna")
    with pytest.raises(MachineError, match="not understood"):
        TimeAndDate(bus).set_timezone("UTC")
    assert [method for method, _ in calls(bus)] == ["ListTimezones", "ListTimezones"]


def test_network_time_is_switched() -> None:
    bus = MadeUpBus()
    for is_on in (True, False):
        TimeAndDate(bus).set_ntp(is_on)
    assert calls(bus) == [("SetNTP", (True, False)), ("SetNTP", (False, False))]
